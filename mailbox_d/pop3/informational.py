"""CAPA, UTF8 and NOOP."""

from __future__ import annotations

from mailbox_d.pop3.session import POP3Session, State
from mailbox_d.wire.pop3 import commands, replies
from mailbox_d.wire.sasl.mechanisms import offered

_SPOKEN = (b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"EXPIRE NEVER", b"UTF8 USER")


def capabilities(session: POP3Session) -> tuple[bytes, ...]:
    """What this session may use now (RFC 2449 section 6, RFC 2595 section 4, RFC 6856 section 2)."""
    told: tuple[bytes, ...] = _SPOKEN
    if session.state is State.AUTHORIZATION:
        if session.connection.can_start_tls:
            told += (b"STLS",)
        if session.takes_passwords:
            told += (b"USER",)
        if session.takes_logins:
            names = offered(session.service.gate.mechanisms, session.terms)
            if names:
                told += (b" ".join([b"SASL", *(name.encode("ascii") for name in names)]),)
    return told


async def capa(session: POP3Session, command: commands.Capa) -> bytes:
    """RFC 2449 section 5."""
    return replies.listing(replies.ok("Capabilities"), capabilities(session))


async def utf8(session: POP3Session, command: commands.Utf8) -> bytes:
    """RFC 6856 section 2.1. Nothing follows from it: who does not ask gets the same octets, as with other servers."""
    return replies.ok("UTF-8 it is")


async def noop(session: POP3Session, command: commands.Noop) -> bytes:
    """RFC 1939 section 5."""
    return replies.ok("Nothing done")
