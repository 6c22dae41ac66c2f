"""CAPABILITY, ENABLE, NOOP, CHECK, ID, NAMESPACE and LOGOUT."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from mailbox_d.imap.condstore import CONDSTORE, QRESYNC, want_mod_sequences
from mailbox_d.imap.session import IMAPSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.mailbox_names import SEPARATOR
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.sasl.mechanisms import offered

log = Logger()

_ALWAYS: Final = (b"IMAP4rev1", b"LITERAL+", b"SASL-IR", b"ID", b"ENABLE")
_AFTER_LOGIN: Final = (
    b"NAMESPACE",
    b"UNSELECT",
    b"CHILDREN",
    b"LIST-EXTENDED",
    b"LIST-STATUS",
    b"SPECIAL-USE",
    b"CREATE-SPECIAL-USE",
    b"STATUS=SIZE",
    b"QUOTA",
    b"QUOTA=RES-STORAGE",
    b"QUOTA=RES-MESSAGE",
    b"ESEARCH",
    b"WITHIN",
    b"BINARY",
    b"UTF8=ACCEPT",
    b"UIDPLUS",
    b"MOVE",
    b"IDLE",
)
"""What a client needs to know only when it has logged in, when it is told anew."""
_TO_ENABLE: Final[frozenset[bytes]] = frozenset({b"UTF8=ACCEPT", CONDSTORE, QRESYNC})
"""Capabilities that begin to matter when a client enables them (RFC 5161)."""
_LOGGED_FIELD = 200
"""Octets of an ID field's value that go into the log."""


def capabilities(session: IMAPSession) -> tuple[bytes, ...]:
    """What this session may use now (RFC 3501 sections 6.1.1 and 11.1)."""
    if session.account is not None:
        numbers = (CONDSTORE, QRESYNC) if session.service.condstore else ()
        return (*_ALWAYS, *_AFTER_LOGIN, *numbers, b"APPENDLIMIT=%d" % session.service.limits.message_size)
    starttls = (b"STARTTLS",) if session.connection.can_start_tls else ()
    disabled = () if session.takes_passwords else (b"LOGINDISABLED",)
    names = offered(session.service.gate.mechanisms, session.terms) if session.takes_logins else ()
    return (*_ALWAYS, *starttls, *disabled, *(b"AUTH=" + name.encode("ascii") for name in names))


async def capability(session: IMAPSession, command: commands.Capability) -> Completion:
    """RFC 3501 section 6.1.1."""
    session.connection.send(responses.data(responses.capability(capabilities(session))))
    return Completion(Condition.OK, "CAPABILITY completed")


async def enable(session: IMAPSession, command: commands.Enable) -> Completion:
    """RFC 5161: what is unknown, or need not be enabled, is passed over. Taken while a mailbox is selected as well."""
    offered = _TO_ENABLE if session.service.condstore else _TO_ENABLE - {CONDSTORE, QRESYNC}
    enabled = tuple(name for name in dict.fromkeys(command.capabilities) if name in offered)
    session.connection.send(responses.data(b"ENABLED", *enabled))
    if not {CONDSTORE, QRESYNC}.isdisjoint(enabled):
        want_mod_sequences(session)
    session.enabled.update(enabled)
    return Completion(Condition.OK, "ENABLE completed")


async def noop(session: IMAPSession, command: commands.Noop) -> Completion:
    """RFC 3501 section 6.1.2: what is new is told after every command."""
    return Completion(Condition.OK, "NOOP completed")


async def check(session: IMAPSession, command: commands.Check) -> Completion:
    """RFC 3501 section 6.4.1: every change is on disk when it is answered, so there is nothing to do."""
    return Completion(Condition.OK, "CHECK completed")


async def id_(session: IMAPSession, command: commands.Id) -> Completion:
    """RFC 2971: we give our name but not our version."""
    session.client_id = command.fields
    told = b" ".join(b"%b=%b" % (name, (value or b"")[:_LOGGED_FIELD]) for name, value in command.fields)
    log.debug("client at {peer} says it is {client!r}", peer=session.connection.peer, client=told)
    session.connection.send(
        responses.data(b"ID", b"(%b %b)" % (responses.string(b"name"), responses.string(b"mailboxd")))
    )
    return Completion(Condition.OK, "ID completed")


async def namespace(session: IMAPSession, command: commands.Namespace) -> Completion:
    """RFC 2342: the user's own mailboxes, with nothing in front of their names, and no others."""
    own = b'(("" "%b"))' % SEPARATOR.encode("ascii")
    session.connection.send(responses.data(b"NAMESPACE", own, b"NIL", b"NIL"))
    return Completion(Condition.OK, "NAMESPACE completed")


async def logout(session: IMAPSession, command: commands.Logout) -> Completion:
    """RFC 3501 section 6.1.3."""
    session.connection.send(responses.untagged(Condition.BYE, "Logging out"))
    return Completion(Condition.OK, "LOGOUT completed")
