"""SELECT, EXAMINE, CLOSE, UNSELECT and EXPUNGE: a mailbox is opened, emptied of what is deleted, and left."""

from __future__ import annotations

from collections.abc import Iterator

from mailbox_d.imap.condstore import QRESYNC, require_qresync, resync, want_mod_sequences
from mailbox_d.imap.errors import NotAllowed
from mailbox_d.imap.mailbox import Opened
from mailbox_d.imap.news import announce
from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.view import View
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.imap.sequence import SequenceSet

_DELETED = r"\Deleted"


async def select(session: IMAPSession, command: commands.Select) -> Completion:
    """RFC 3501 section 6.3.1."""
    await _select(session, command, read_only=False)
    return Completion(Condition.OK, "SELECT completed", b"READ-WRITE")


async def examine(session: IMAPSession, command: commands.Examine) -> Completion:
    """RFC 3501 section 6.3.2."""
    await _select(session, command, read_only=True)
    return Completion(Condition.OK, "EXAMINE completed", b"READ-ONLY")


async def close(session: IMAPSession, command: commands.Close) -> Completion:
    """RFC 3501 section 6.4.2: what is deleted goes, and nobody is told which messages those were."""
    if not session.selected.read_only:
        await _expunge(session.selected)
    await session.unselect()
    return Completion(Condition.OK, "CLOSE completed")


async def unselect(session: IMAPSession, command: commands.Unselect) -> Completion:
    """RFC 3691: as CLOSE, but nothing goes."""
    await session.unselect()
    return Completion(Condition.OK, "UNSELECT completed")


async def expunge(session: IMAPSession, command: commands.Expunge) -> Completion:
    """RFC 3501 section 6.4.3; the client is told with the other news at the command's end."""
    if session.selected.read_only:
        raise NotAllowed("The mailbox is open for reading alone")
    gone = await _expunge(session.selected, command.uids)
    return Completion(Condition.OK, "EXPUNGE completed", await highest_told(session) if gone else b"")


async def highest_told(session: IMAPSession) -> bytes:
    """What is new is told at once; the response code for a client that wants to know up to where that is all (RFC 7162
    section 3.2.7)."""
    if QRESYNC not in session.enabled or not await announce(session, expunges=True):
        return b""
    return responses.highest_code(session.selected.highest)


async def _expunge(view: View, among: SequenceSet | None = None) -> bool:
    """Remove what is deleted, with `among` only of these UIDs (RFC 4315 section 2.1); whether anything was."""
    await view.catch_up()
    ranges = [range(len(view.uids))] if among is None else view.chosen(among, by_uid=True)
    chosen = (view.messages[index] for found in ranges for index in found)
    deleted = [message.uid for message in chosen if _DELETED in message.flags]
    return bool(deleted and await view.mailbox.expunge(deleted))


async def _select(session: IMAPSession, command: commands.Select | commands.Examine, *, read_only: bool) -> None:
    """Leave the mailbox that is selected, whether or not there will be another (RFC 3501 section 6.3.1)."""
    if command.resync is not None:
        require_qresync(session)
    await _leave(session)
    if command.condstore and session.service.condstore:
        want_mod_sequences(session)
    mailbox = await session.user.select(command.mailbox, rw=not read_only)
    opened = await mailbox.open(session.notice)
    session.view = View(mailbox, opened, session.enabled)
    session.connection.send(b"".join(_greeting(session.view, opened)))
    session.connection.send(_mod_sequences(session, opened))
    if command.resync is not None and command.resync.uid_validity == opened.status.uid_validity:
        await resync(session, command.resync, opened.highest)


async def _leave(session: IMAPSession) -> None:
    """What is told from now on is of another mailbox (RFC 7162 section 3.2.11)."""
    if session.view is not None and session.service.condstore:
        session.connection.send(responses.untagged(Condition.OK, "Previous mailbox closed", b"CLOSED"))
    await session.unselect()


def _mod_sequences(session: IMAPSession, opened: Opened) -> bytes:
    """RFC 7162 sections 3.1.2.1 and 3.1.2.2."""
    if session.service.condstore:
        return responses.highest_mod_sequence(opened.highest)
    return responses.untagged(Condition.OK, "There are no mod-sequences", b"NOMODSEQ")


def _greeting(view: View, opened: Opened) -> Iterator[bytes]:
    """What a client is told of the mailbox that it opens (RFC 3501 section 6.3.1)."""
    yield view.defined_flags()
    yield responses.exists(len(view.uids))
    yield responses.recent(len(view.recent))
    if opened.first_unseen is not None:
        yield responses.untagged(Condition.OK, "First unseen message", b"UNSEEN %d" % (opened.first_unseen + 1))
    yield view.permanent_flags()
    yield responses.untagged(Condition.OK, "UIDs are valid", b"UIDVALIDITY %d" % opened.status.uid_validity)
    yield responses.untagged(Condition.OK, "Next UID, or above it", b"UIDNEXT %d" % opened.status.uid_next)
