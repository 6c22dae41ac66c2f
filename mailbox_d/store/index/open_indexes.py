"""The accounts' indexes that are open: the last ones used."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

from mailbox_d.store.index.index_file import IndexFile

FILE_NAME = "mailboxd.index"
"""In the account's Maildir, where no program takes it for a folder."""


class OpenIndexes:
    """Finds an account's index. At most `kept` files are open, but for those that are in use."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._guard = threading.Lock()
        self._files: OrderedDict[bytes, IndexFile] = OrderedDict()

    def of(self, maildir: bytes) -> IndexFile:
        """The index of the account whose Maildir this is."""
        with self._guard:
            found = self._files.get(maildir)
            if found is None:
                found = self._files[maildir] = IndexFile(Path(os.fsdecode(maildir)) / FILE_NAME)
            self._files.move_to_end(maildir)
            over = [self._files.popitem(last=False)[1] for _ in range(len(self._files) - self._kept)]
        for each in over:
            each.close()
        return found

    def close(self) -> None:
        """Give back all files."""
        with self._guard:
            files = list(self._files.values())
            self._files.clear()
        for each in files:
            each.close()
