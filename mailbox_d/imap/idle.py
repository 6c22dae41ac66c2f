"""IDLE (RFC 2177): the client waits for news of its mailbox, until it says DONE.

What this process does to the mailbox wakes the session at once; for what other programs do, it looks every few seconds.
"""

from __future__ import annotations

from functools import partial

from mailbox_d.imap.news import GONE, announce
from mailbox_d.imap.session import Idling, IMAPSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.responses import Completion, Condition


async def idle(session: IMAPSession, command: commands.Idle) -> None:
    """Begin to wait; what happened before is told first."""
    session.connection.send(responses.continuation(b"Waiting for news"))
    session.connection.expect_line()
    session.idling = Idling(partial(session.connection.interject, partial(_tell, session)))
    await _tell(session)


async def end(session: IMAPSession, line: bytes) -> Completion:
    """The client's next line. Raises `BadSyntax` where it is not DONE: the wait is over all the same."""
    session.stop_idling()
    if line.upper() != b"DONE":
        raise BadSyntax("Expected DONE")
    return Completion(Condition.OK, "IDLE completed")


async def _tell(session: IMAPSession) -> None:
    """Tell what is new, if the client still waits, and look again before long."""
    idling = session.idling
    if idling is None:
        return
    idling.cancel()
    if not await announce(session, expunges=True):
        session.bye(GONE)
    elif session.view is not None:
        idling.look_again = session.connection.callLater(session.service.limits.idle_poll, idling.wake)
