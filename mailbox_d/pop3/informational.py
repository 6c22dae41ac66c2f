"""CAPA and NOOP."""

from __future__ import annotations

from mailbox_d.pop3.authentication import MECHANISMS
from mailbox_d.pop3.session import POP3Session, State
from mailbox_d.wire.pop3 import commands, replies

_SPOKEN = (b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"EXPIRE NEVER")


def capabilities(session: POP3Session) -> tuple[bytes, ...]:
    """What this session may use now (RFC 2449 section 6, RFC 2595 section 4)."""
    told: tuple[bytes, ...] = _SPOKEN
    if session.state is State.AUTHORIZATION:
        if session.connection.can_start_tls:
            told += (b"STLS",)
        if session.takes_passwords:
            told += (b"USER", b" ".join([b"SASL", *(name.encode("ascii") for name in MECHANISMS)]))
    return told


async def capa(session: POP3Session, command: commands.Capa) -> bytes:
    """RFC 2449 section 5."""
    return replies.listing(replies.ok("Capabilities"), capabilities(session))


async def noop(session: POP3Session, command: commands.Noop) -> bytes:
    """RFC 1939 section 5."""
    return replies.ok("Nothing done")
