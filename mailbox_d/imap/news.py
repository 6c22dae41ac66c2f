"""What happened in the selected mailbox, told to the client."""

from __future__ import annotations

from twisted.logger import Logger

from mailbox_d.errors import MailError, NoSuchMailbox
from mailbox_d.imap.session import IMAPSession
from mailbox_d.printable import one_line

log = Logger()

_LINES_A_TURN = 500

GONE = "The mailbox that you selected is gone"


async def announce(session: IMAPSession, *, expunges: bool) -> bool:
    """Tell what happened in the selected mailbox; false if that is gone.

    Where it cannot be looked at, the next command tries again.
    """
    if session.view is None:
        return True
    try:
        await session.view.catch_up()
    except NoSuchMailbox:
        return False
    except MailError as error:
        log.warn("news of a mailbox cannot be had: {error}", error=one_line(error))
    for count, line in enumerate(session.view.announcements(expunges=expunges), 1):
        session.connection.send(line)
        if count % _LINES_A_TURN == 0:
            await session.connection.give_way()
    await session.connection.drained()
    return True
