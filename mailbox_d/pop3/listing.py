"""STAT, LIST and UIDL: what is in the maildrop (RFC 1939 sections 5 and 7)."""

from __future__ import annotations

from collections.abc import Callable

from mailbox_d.pop3.session import POP3Session
from mailbox_d.wire.pop3 import commands, replies


async def stat(session: POP3Session, command: commands.Stat) -> bytes:
    """RFC 1939 section 5."""
    return replies.ok(f"{session.maildrop.count} {session.maildrop.octets}")


async def list_(session: POP3Session, command: commands.List) -> bytes:
    """RFC 1939 section 5."""
    maildrop = session.maildrop
    if command.number is not None:
        return replies.ok(f"{command.number} {maildrop.size(command.number - 1)}")
    first = replies.ok(f"{maildrop.count} messages ({maildrop.octets} octets)")
    return await _each(session, first, lambda start, end: replies.scan_lines(maildrop.sizes(start, end)))


async def uidl(session: POP3Session, command: commands.Uidl) -> bytes:
    """RFC 1939 section 7."""
    maildrop = session.maildrop
    if command.number is not None:
        return replies.ok(f"{command.number} {maildrop.unique_id(command.number - 1).decode('ascii')}")
    first = replies.ok("Unique ids")
    return await _each(session, first, lambda start, end: replies.unique_id_lines(maildrop.unique_ids(start, end)))


async def _each(session: POP3Session, first: bytes, lines: Callable[[int, int], bytes]) -> bytes:
    """Tell of all messages, so many at a time, at the client's pace."""
    step = session.service.limits.messages_a_write
    session.connection.send(first)
    for start in range(0, len(session.maildrop), step):
        if start:
            await session.connection.give_way()
        session.connection.send(lines(start, start + step))
    return replies.END
