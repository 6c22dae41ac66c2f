"""From an event of the framer to its answer: one at a time, whatever goes wrong."""

from __future__ import annotations

import re
from collections.abc import Awaitable

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.logger import Logger

from mailbox_d.errors import MailError
from mailbox_d.imap import append, authentication, idle
from mailbox_d.imap.errors import SERVER_BUG, completion_of
from mailbox_d.imap.fetch.command import TornLiteral
from mailbox_d.imap.news import GONE, announce
from mailbox_d.imap.session import IMAPSession, State
from mailbox_d.imap.table import VERBS, Verb, out_of_place
from mailbox_d.net.login import WRITTEN_DOWN
from mailbox_d.printable import one_line
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.errors import BadSyntax, UnknownCommand
from mailbox_d.wire.imap.framer import AppendEnd, AppendStart, Chunk, Command, Event, Fault, GoAhead, Line
from mailbox_d.wire.imap.parser import is_verb, parse_command, parse_tag, parse_verb
from mailbox_d.wire.imap.responses import Completion, Condition

log = Logger()

_HTTP = re.compile(rb"[A-Za-z]++ [^ ]++ HTTP/[0-9]")


async def answer(session: IMAPSession, event: Event) -> None:
    """Answer one event. Raises `ConnectionDone` and nothing else."""
    try:
        await _answer(session, event)
    except (ConnectionDone, ConnectionAborted):
        raise
    except TornLiteral as error:
        peer = session.connection.peer
        log.error("connection of {peer} closed in a literal: {error}", peer=peer, error=one_line(error))
        session.connection.close()


async def _answer(session: IMAPSession, event: Event) -> None:
    match event:
        case Command():
            await _command(session, event)
        case GoAhead():
            await _go_ahead(session, event)
        case AppendStart():
            await _append_start(session, event)
        case Chunk(data):
            await _append_chunk(session, data)
        case AppendEnd():
            await _complete(session, session.tag, append.end(session))
        case Line(data):
            await _line(session, data)
        case Fault():
            await _fault(session, event)


async def _command(session: IMAPSession, event: Command) -> None:
    tag, verb = b"*", None
    try:
        tag, at = parse_tag(event.text)
        command = parse_command(event.text, at, event.literals, session.service.limits.grammar, utf8=session.utf8)
        verb = _allowed(session, command)
    except MailError as error:
        if isinstance(error, BadSyntax) and session.state is State.NOT_AUTHENTICATED and _HTTP.match(event.text):
            session.connection.close()
        else:
            await _finish(session, tag, completion_of(error))
        return
    session.tag = tag
    keeps_numbers = verb.keeps_numbers(command)
    await _complete(session, tag, verb.run(session, command), expunges=not keeps_numbers, last=verb.ends_session)


async def _line(session: IMAPSession, data: bytes) -> None:
    """A line that is no command: it ends IDLE, or it is the next of a SASL exchange."""
    answering = idle.end if session.idling is not None else authentication.response
    await _complete(session, session.tag, answering(session, data))


async def _go_ahead(session: IMAPSession, event: GoAhead) -> None:
    """Ask for a literal, unless it is plain already that the command behind it will be refused."""
    tag = b"*"
    try:
        tag, at = parse_tag(event.text)
        verb = parse_verb(event.text, at)
        if not is_verb(verb):
            raise UnknownCommand("There is no such command")
        if verb == b"LOGIN":
            authentication.require_privacy(session)
    except MailError as error:
        session.connection.refuse_literal()
        await _finish(session, tag, completion_of(error))
        return
    session.connection.send(responses.continuation(b"Ready for the literal"))


async def _append_start(session: IMAPSession, event: AppendStart) -> None:
    tag = b"*"
    try:
        tag, at = parse_tag(event.text)
        command = parse_command(event.text, at, event.literals, session.service.limits.grammar, utf8=session.utf8)
        assert isinstance(command, commands.Append)
        _allowed(session, command)
        session.tag = tag
        await append.begin(session, command, event)
    except Exception as error:
        await _decline(session, tag, error)


async def _append_chunk(session: IMAPSession, data: bytes) -> None:
    try:
        await append.take(session, data)
    except Exception as error:
        await _decline(session, session.tag, error)


async def _decline(session: IMAPSession, tag: bytes, error: Exception) -> None:
    """Refuse APPEND's message; what of it still comes is dropped, or ends the session."""
    await append.abandon(session)
    goes_on = session.connection.refuse_literal()
    await _finish(session, tag, _told(session, error))
    if not goes_on:
        session.bye("The message is too large to be skipped")


async def _fault(session: IMAPSession, fault: Fault) -> None:
    """A command that could not even be cut out of the stream."""
    tag = fault.tag if session.exchange is None and session.idling is None else session.tag
    session.exchange = None
    session.stop_idling()
    await append.abandon(session)
    await _finish(session, tag, Completion(Condition.BAD, fault.text))
    if fault.fatal:
        session.bye("The connection cannot go on")


async def _complete(
    session: IMAPSession,
    tag: bytes,
    running: Awaitable[Completion | None],
    *,
    expunges: bool = True,
    last: bool = False,
) -> None:
    """Wait for a command, and tell how it ended; None means that it has not ended yet."""
    try:
        completion = await running
    except (ConnectionDone, ConnectionAborted, TornLiteral):
        raise
    except Exception as error:
        completion = _told(session, error)
    if completion is not None:
        await _finish(session, tag, completion, expunges=expunges)
        if last:
            session.connection.close()


def _told(session: IMAPSession, error: Exception) -> Completion:
    """What the client is told of an error; one that is nobody's but ours goes into the log, once."""
    if isinstance(error, (ConnectionDone, ConnectionAborted)):
        raise error
    if isinstance(error, MailError):
        if error.temporary and not isinstance(error, WRITTEN_DOWN):
            log.warn("told {peer}: {error}", peer=session.connection.peer, error=one_line(error))
        return completion_of(error)
    log.failure("a command of {peer} failed", peer=session.connection.peer)
    return SERVER_BUG


async def _finish(session: IMAPSession, tag: bytes, completion: Completion, *, expunges: bool = False) -> None:
    """What is new in the mailbox, then the tagged response; too much nonsense ends the session."""
    is_there = await announce(session, expunges=expunges)
    session.connection.send(responses.tagged(tag, completion))
    if not is_there:
        session.bye(GONE)
    if session.account is None:
        session.offences.commands_before_login += 1
    if completion.condition is Condition.BAD:
        session.offences.bad_commands += 1
    elif session.account is not None:
        session.offences.bad_commands = 0
    _end_if_enough(session)


def _end_if_enough(session: IMAPSession) -> None:
    limits, offences = session.service.limits, session.offences
    bad = limits.bad_commands_before_login if session.account is None else limits.bad_commands_in_a_row
    if offences.bad_commands >= bad or offences.login_failures >= limits.login_failures:
        session.bye("Too many bad commands or failed logins")
    elif session.account is None and offences.commands_before_login >= limits.commands_before_login:
        session.bye("Too many commands before login")


def _allowed(session: IMAPSession, command: commands.Command) -> Verb:
    """The command's line of the table, if it may stand in this state. Raises `BadSyntax`."""
    verb = VERBS[type(command)]
    complaint = out_of_place(verb, session.state)
    if complaint is not None:
        raise BadSyntax(complaint)
    return verb
