"""From what the framer gives to an answer: the one way through which every unit goes."""

from __future__ import annotations

from mailbox_d.errors import MailError
from mailbox_d.smtp import authentication, data
from mailbox_d.smtp.replies import (
    BARE_NEWLINE,
    EARLY_TALKER,
    LINE_TOO_LONG,
    NOT_HTTP,
    TOO_MANY_IDLE_COMMANDS,
    Answer,
    Then,
    reply_to_error,
)
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.smtp.table import VERBS, Verb, out_of_place
from mailbox_d.wire.smtp.commands import Command, CommandSyntaxError, is_http, parse_command, verb_of
from mailbox_d.wire.smtp.framer import DataPiece, Event, Framing, Line


async def dispatch(session: SMTPSession, event: Event, *, more_waits: bool) -> Answer | None:
    """Answer one unit; None where it deserves no answer. `more_waits`: the client has sent more already."""
    match event:
        case DataPiece(octets):
            return await data.piece(session, octets)
        case Framing.END_OF_DATA:
            return await data.end(session)
        case Framing.BARE_NEWLINE if session.incoming is not None:
            await data.bare_newline(session)
            return None
        case Framing.BARE_NEWLINE:
            return Answer.of(BARE_NEWLINE, Then.CLOSE)
        case Framing.LINE_TOO_LONG:
            return Answer.of(LINE_TOO_LONG, Then.CLOSE)
        case Line(text):
            return await _line(session, text, more_waits)


async def _line(session: SMTPSession, text: bytes, more_waits: bool) -> Answer:
    if session.exchange is not None:
        return Answer.of(EARLY_TALKER, Then.CLOSE) if more_waits else await authentication.response(session, text)
    if is_http(text):
        return Answer.of(NOT_HTTP, Then.CLOSE)
    try:
        command = parse_command(text)
    except CommandSyntaxError as error:
        return session.bad_command(error.reply)
    return await _command(session, command, more_waits)


async def _command(session: SMTPSession, command: Command, more_waits: bool) -> Answer:
    verb = VERBS[verb_of(command)]
    if verb.speaks_last and more_waits:
        return Answer.of(EARLY_TALKER, Then.CLOSE)
    if misplaced := out_of_place(verb, session.stage):
        return session.bad_command(misplaced)
    if verb.junk and _is_too_much_junk(session):
        return Answer.of(TOO_MANY_IDLE_COMMANDS, Then.CLOSE)
    return await _run(session, verb, command)


async def _run(session: SMTPSession, verb: Verb, command: Command) -> Answer:
    try:
        return await verb.run(session, command)
    except MailError as error:
        return Answer.of(reply_to_error(error))


def _is_too_much_junk(session: SMTPSession) -> bool:
    session.junk_commands += 1
    return session.junk_commands > session.service.limits.junk_commands
