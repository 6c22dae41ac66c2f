"""The mailboxes that this process has in memory: one object for each folder, shared by all who have it open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakValueDictionary

from mailbox_d.store.folder import Folder
from mailbox_d.store.maildir_mailbox import MaildirMailbox


class OpenMailboxes:
    """Finds a mailbox by its folder's path. The last `kept` ones stay in memory when their sessions have gone."""

    def __init__(self, kept: int) -> None:
        self._kept_max = kept
        self._guard = threading.Lock()
        self._open: WeakValueDictionary[bytes, MaildirMailbox] = WeakValueDictionary()
        self._kept: OrderedDict[bytes, MaildirMailbox] = OrderedDict()

    def find(self, folder: Folder, make: Callable[[], MaildirMailbox]) -> MaildirMailbox:
        """The folder's mailbox; made, but not yet read, where nobody has it open.

        Others are not kept waiting by what `make` does. Of two who make the same one, both get the first that is made.
        """
        with self._guard:
            known = self._alive(folder)
        made = make() if known is None else known
        with self._guard:
            return self._keep(folder, self._alive(folder) or made)

    def wake(self, folder: Folder) -> None:
        """A message was delivered into the folder: whoever waits for one there is told."""
        with self._guard:
            mailbox = self._open.get(folder.path)
        if mailbox is not None:
            mailbox.wake()

    def end(self, folder: Folder) -> None:
        """The folder was removed or renamed."""
        with self._guard:
            mailbox = self._open.pop(folder.path, None)
            self._kept.pop(folder.path, None)
        if mailbox is not None:
            mailbox.end()

    def _alive(self, folder: Folder) -> MaildirMailbox | None:
        mailbox = self._open.get(folder.path)
        return None if mailbox is None or mailbox.is_gone else mailbox

    def _keep(self, folder: Folder, mailbox: MaildirMailbox) -> MaildirMailbox:
        self._open[folder.path] = self._kept[folder.path] = mailbox
        self._kept.move_to_end(folder.path)
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return mailbox
