"""DELE, RSET and QUIT: what is to go, and its going (RFC 1939 sections 5 and 6).

What was retrieved is seen from QUIT on, as with Dovecot: who reads their mail by IMAP too finds there what is new.
"""

from __future__ import annotations

from twisted.logger import Logger

from mailbox_d.errors import MailError
from mailbox_d.pop3.maildrop import POP3Maildrop
from mailbox_d.pop3.session import POP3Session, State
from mailbox_d.printable import one_line
from mailbox_d.wire.pop3 import commands, replies

log = Logger()


async def dele(session: POP3Session, command: commands.Dele) -> bytes:
    """RFC 1939 section 5: the message goes when the session ends by QUIT."""
    session.maildrop.mark(command.number - 1)
    return replies.ok("Marked as deleted")


async def rset(session: POP3Session, command: commands.Rset) -> bytes:
    """RFC 1939 section 5."""
    session.maildrop.undelete()
    return replies.ok("No message is marked as deleted")


async def quit_(session: POP3Session, command: commands.Quit) -> bytes:
    """RFC 1939 sections 4 and 6: whoever hears +OK knows that what was marked is gone, and may log in again at once."""
    logged_in = session.state is State.TRANSACTION
    session.state = State.UPDATE
    return await _update(session) if logged_in else replies.ok("Bye")


async def _update(session: POP3Session) -> bytes:
    maildrop = session.maildrop
    try:
        await _remove(maildrop)
        if session.service.marks_seen:
            await _flag(maildrop)
    except MailError as error:
        user = one_line(maildrop.address)
        log.warn("deleted messages of {user} were not removed: {error}", user=user, error=one_line(error))
        return replies.err("Some deleted messages were not removed", "SYS/TEMP")
    finally:
        session.release()
    return replies.ok("Bye")


async def _remove(maildrop: POP3Maildrop) -> None:
    marked = maildrop.marked
    await maildrop.sync()
    if marked:
        log.info("{marked} messages of {user} were removed by POP3", marked=marked, user=one_line(maildrop.address))


async def _flag(maildrop: POP3Maildrop) -> None:
    """POP3 knows no flags: a client need not hear that one could not be set."""
    try:
        await maildrop.flag_seen()
    except MailError as error:
        user = one_line(maildrop.address)
        log.warn("retrieved messages of {user} did not become seen: {error}", user=user, error=one_line(error))
