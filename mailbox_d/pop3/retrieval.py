"""RETR and TOP: a message goes out piece by piece, at the client's pace (RFC 1939 sections 5 and 7)."""

from __future__ import annotations

from mailbox_d.pop3.maildrop import MessageReader
from mailbox_d.pop3.session import POP3Session
from mailbox_d.wire.pop3 import commands, replies
from mailbox_d.wire.pop3.multiline import DotStuffer, TopCutter


class TornMessage(Exception):
    """A message could not be read to its end after a part of it went out: the connection is of no more use."""


async def retr(session: POP3Session, command: commands.Retr) -> bytes:
    """RFC 1939 section 5."""
    end = await _send(session, command.number, None)
    session.maildrop.note_retrieved(command.number - 1)
    return end


async def top(session: POP3Session, command: commands.Top) -> bytes:
    """RFC 1939 section 7."""
    return await _send(session, command.number, TopCutter(command.lines))


async def _send(session: POP3Session, number: int, cutter: TopCutter | None) -> bytes:
    reader = await session.maildrop.getMessage(number - 1, session.service.limits.octets_a_read)
    try:
        session.connection.send(replies.ok("The message follows" if cutter else f"{reader.size} octets"))
        return await _stream(session, reader, cutter)
    finally:
        await reader.close()


async def _stream(session: POP3Session, reader: MessageReader, cutter: TopCutter | None) -> bytes:
    """Send a message; what is returned ends it. Raises `TornMessage`."""
    stuffer = DotStuffer()
    piece, offset = reader.first, 0
    while piece:
        offset += len(piece)
        session.connection.send(stuffer.feed(cutter.feed(piece) if cutter else piece))
        if offset >= reader.size or (cutter is not None and cutter.is_done):
            break
        await session.connection.drained()
        try:
            piece = await reader.read(offset, session.service.limits.octets_a_read)
        except Exception as error:  # whatever it is, no response may stand inside a message
            raise TornMessage(str(error)) from error
    return stuffer.end()
