"""COPY and MOVE, by number and by UID (RFC 3501 section 6.4.7, RFC 6851), with the UIDs of the copies (RFC 4315)."""

from __future__ import annotations

from collections.abc import Mapping

from mailbox_d.imap.append import destination
from mailbox_d.imap.errors import NotAllowed
from mailbox_d.imap.mailbox import IMAPMailbox
from mailbox_d.imap.selection import highest_told
from mailbox_d.imap.session import IMAPSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.responses import Completion, Condition


async def copy(session: IMAPSession, command: commands.Copy) -> Completion:
    """All messages or none. One that is gone fails a COPY by number; a UID that nothing has is no error."""
    uids = _chosen(session, command)
    goal = await destination(session, command.mailbox)
    copied = await session.selected.mailbox.copy(uids, goal, strict=not command.by_uid)
    return Completion(Condition.OK, "COPY completed", _code(goal, copied))


async def move(session: IMAPSession, command: commands.Move) -> Completion:
    """As COPY; the UIDs are told first, for when the EXPUNGEs come the client forgets the messages."""
    if session.selected.read_only:
        raise NotAllowed("The mailbox is open for reading alone")
    uids = _chosen(session, command)
    goal = await destination(session, command.mailbox)
    moved = await session.selected.mailbox.move(uids, goal, strict=not command.by_uid)
    if moved:
        session.connection.send(responses.untagged(Condition.OK, "Moved", _code(goal, moved)))
    return Completion(Condition.OK, "MOVE completed", await highest_told(session) if moved else b"")


def _chosen(session: IMAPSession, command: commands.Copy | commands.Move) -> list[int]:
    view = session.selected
    found = view.chosen(command.numbers, by_uid=command.by_uid)
    return [uid for indexes in found for uid in view.uids[indexes.start : indexes.stop]]


def _code(goal: IMAPMailbox, copied: Mapping[int, int]) -> bytes:
    return responses.copy_uid(goal.uid_validity, copied) if copied else b""
