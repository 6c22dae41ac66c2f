"""APPEND (RFC 3501 section 6.3.11): a message goes from the connection to the disk in chunks.

It may come as a literal8 (RFC 3516 section 4.4). NUL in one is refused: a message with it could be sent to no client
that asks for all of it, and is not changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mailbox_d.errors import MailError, NoSuchMailbox
from mailbox_d.imap.errors import BinaryNotKept, MessageTooLarge, NoSuchDestination
from mailbox_d.imap.incoming import Addressed
from mailbox_d.imap.mailbox import IMAPMailbox
from mailbox_d.imap.session import IMAPSession
from mailbox_d.store.ports import Receipt, Refusal
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.framer import AppendStart
from mailbox_d.wire.imap.responses import Completion, Condition


async def begin(session: IMAPSession, command: commands.Append, start: AppendStart) -> None:
    """Make ready for the message and ask for it. Raises where it is not wanted.

    A small one that comes without being asked for is looked into once it is there.
    """
    if command.utf8 and not session.utf8:
        raise BadSyntax("Enable UTF8=ACCEPT first")
    if not start.size:
        raise BadSyntax("A message has at least one octet")
    if start.size > session.service.limits.message_size:
        raise MessageTooLarge("The message is too large")
    incoming = session.user.append(Addressed(command.mailbox, command.flags, command.date, start.size))
    session.incoming, session.incoming_is_binary = incoming, command.binary
    if start.waiting or not incoming.is_small:
        with _destined():
            await incoming.begin()
    if start.waiting:
        session.connection.send(responses.continuation(b"Ready for the message"))


async def destination(session: IMAPSession, name: str) -> IMAPMailbox:
    """The mailbox that messages go into. Raises `NoSuchDestination`."""
    with _destined():
        return await session.user.select(name)


@contextmanager
def _destined() -> Iterator[None]:
    """A mailbox that is not there is a `NoSuchDestination`, by which a client knows to make it first."""
    try:
        yield
    except NoSuchMailbox as error:
        raise NoSuchDestination(error.public, cause=error.cause) from error


async def take(session: IMAPSession, data: bytes) -> None:
    """The next octets. What fails here has left nothing behind."""
    assert session.incoming is not None
    try:
        if session.incoming_is_binary and b"\0" in data:
            with _destined():
                await session.incoming.begin()
            raise BinaryNotKept("A message with NUL in it is not kept; give it a transfer encoding")
        with _destined():
            await session.incoming.write(data)
    except BaseException:
        await abandon(session)
        raise


async def end(session: IMAPSession) -> Completion:
    """The message is complete: make it durable, then say so. What fails here has left nothing behind."""
    incoming, session.incoming = session.incoming, None
    assert incoming is not None
    with _destined():
        outcomes = await incoming.commit()
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            raise outcome.error
    given = [outcome.uid for outcome in outcomes if isinstance(outcome, Receipt) and outcome.uid is not None]
    code = responses.append_uid(incoming.uid_validity, given[0]) if given else b""
    return Completion(Condition.OK, "APPEND completed", code)


async def abandon(session: IMAPSession) -> None:
    """Forget the message that has begun, if one has."""
    incoming, session.incoming = session.incoming, None
    if incoming is not None:
        await incoming.abort()


async def unexpected(session: IMAPSession, command: commands.Append) -> Completion:
    """APPEND whose message did not come as a stream: before login it is never asked for."""
    raise MailError("APPEND is not possible here")
