"""Moving messages from folder to folder, under the locks of both: of all who want a message, one gets it.

Every copy is in its place, listed and durable before the first file of the source is unlinked, so a message is in one
of the folders at any moment, and in both only after a crash. Who has moved a message is who unlinked its file: the
kernel tells that to one program alone, with locks or without. The copy of a message that another program took away
first (one that asks for no lock: those that do, and our own sessions, were waited for) is removed again before the
locks are given back, so nobody could take it further. Its UID is spent; a session of the destination that looked in
that moment has heard of it, and hears that it is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailbox_d.errors import MailboxBusy, MailError, StorageFault
from mailbox_d.store.copying import Copied
from mailbox_d.store.dotlock import Held
from mailbox_d.store.folder_files import FolderFiles, Put


def move(source: FolderFiles, goal: FolderFiles, lock: Held, copies: Sequence[Copied], put: Put) -> dict[int, int]:
    """Move the messages that these are copies of, which `put` puts into `goal`; the UID of each that this call moved.

    Raises `MailboxBusy`, `NotLinkable` having changed nothing; `StorageFault`, `OSError` where some may be moved.
    """
    given = goal.take_in(lock, copies, put, keeps_names=goal.folder != source.folder)
    removed: dict[int, int] = {}
    try:
        lock.check()  # so that nothing is removed here when a folder was taken away with the copies in it
        source.unlink(lock, given, removed)
    except MailboxBusy as error:
        if removed:
            raise StorageFault("Not all messages were moved", cause=str(error)) from error
        raise
    finally:
        _take_back(goal, lock, [copy for uid, copy in given.items() if uid not in removed])
    return {uid: copy for uid, copy in given.items() if uid in removed}


def _take_back(goal: FolderFiles, lock: Held, uids: Collection[int]) -> None:
    """Remove the copies of messages that were not moved. Raises `StorageFault` where that fails."""
    try:
        goal.take_back(lock, uids)
    except (OSError, MailError) as error:
        raise StorageFault("Some messages are in both mailboxes now", cause=str(error)) from error
