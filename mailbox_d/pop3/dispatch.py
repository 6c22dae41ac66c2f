"""From an event of the framer to its answer: one at a time, whatever goes wrong."""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.logger import Logger

from mailbox_d.errors import MailError
from mailbox_d.net.login import WRITTEN_DOWN
from mailbox_d.pop3 import authentication
from mailbox_d.pop3.errors import INTERNAL_ERROR, reply_of
from mailbox_d.pop3.retrieval import TornMessage
from mailbox_d.pop3.session import POP3Session, State
from mailbox_d.pop3.table import VERBS, out_of_place
from mailbox_d.printable import one_line
from mailbox_d.wire.pop3 import commands, replies
from mailbox_d.wire.pop3.commands import BadCommand, is_http, parse_command
from mailbox_d.wire.pop3.framer import Event, TooLong

log = Logger()


async def answer(session: POP3Session, event: Event) -> None:
    """Answer one event. Raises `ConnectionDone`, `ConnectionAborted` and nothing else."""
    try:
        await _answer(session, event)
    except TornMessage as error:
        log.error(
            "connection of {peer} closed in a message: {error}", peer=session.connection.peer, error=one_line(error)
        )
        session.connection.close()


async def _answer(session: POP3Session, event: Event) -> None:
    if isinstance(event, TooLong):
        session.connection.close(replies.err("The line is too long"))
    elif session.exchange is None and session.state is State.AUTHORIZATION and is_http(event.text):
        session.connection.close()
    else:
        session.connection.send(await _reply(session, event.text))
        _end_if_enough(session)


async def _reply(session: POP3Session, line: bytes) -> bytes:
    """The answer to a line, or what is still to be sent of it."""
    try:
        if session.exchange is not None:
            return await authentication.response(session, line)
        return await _run(session, line)
    except (ConnectionDone, ConnectionAborted, TornMessage):
        raise
    except MailError as error:
        return _told(session, error)
    except Exception:
        log.failure("a command of {peer} failed", peer=session.connection.peer)
        return INTERNAL_ERROR


async def _run(session: POP3Session, line: bytes) -> bytes:
    command = _parse(session, line)
    verb = VERBS[type(command)]
    complaint = out_of_place(verb, session.state)
    if complaint is not None:
        raise BadCommand(complaint)
    reply = await verb.run(session, command)
    if session.state is State.TRANSACTION:
        session.offences.bad_commands = 0
    return reply


def _parse(session: POP3Session, line: bytes) -> commands.Command:
    """What USER said is for the very next command alone (RFC 1939 section 7)."""
    name, session.name = session.name, None
    command = parse_command(line)
    if isinstance(command, commands.Pass):
        session.name = name
    return command


def _told(session: POP3Session, error: MailError) -> bytes:
    if isinstance(error, BadCommand):
        session.offences.bad_commands += 1
    if error.temporary and not isinstance(error, WRITTEN_DOWN):
        log.warn("told {peer}: {error}", peer=session.connection.peer, error=one_line(error))
    return reply_of(error)


def _end_if_enough(session: POP3Session) -> None:
    """QUIT ends the session, and so does too much nonsense."""
    limits, offences = session.service.limits, session.offences
    logged_in = session.state is State.TRANSACTION
    bad = limits.bad_commands_in_a_row if logged_in else limits.bad_commands_before_login
    if session.state is State.UPDATE:
        session.connection.close()
    elif offences.bad_commands >= bad or offences.login_failures >= limits.login_failures:
        session.connection.close(replies.err("Too many bad commands or failed logins"))
    elif not logged_in:
        offences.commands_before_login += 1
        if offences.commands_before_login >= limits.commands_before_login:
            session.connection.close(replies.err("Too many commands before login"))
