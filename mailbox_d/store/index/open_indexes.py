"""The accounts' indexes that are open: the last ones used."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mailbox_d.store.index.index_file import OCTETS_MAX, IndexFile
from mailbox_d.store.index.text_file import TextFile

FILE_NAME = "mailboxd.index"
"""In the account's Maildir, where no program takes it for a folder."""
TEXT_FILE_NAME = "mailboxd.text"
"""Beside it."""


class Closeable(Protocol):
    """A file that opens itself again when it is used."""

    def close(self) -> None:
        """Give back what is held."""


F = TypeVar("F", bound=Closeable)


class OpenFiles(Generic[F]):
    """Finds an account's file. At most `kept` are open, but for those that are in use."""

    def __init__(self, kept: int, make: Callable[[bytes], F]) -> None:
        self._kept = kept
        self._make = make
        self._guard = threading.Lock()
        self._files: OrderedDict[bytes, F] = OrderedDict()

    def of(self, maildir: bytes) -> F:
        """The file of the account whose Maildir this is."""
        with self._guard:
            found = self._files.get(maildir)
            if found is None:
                found = self._files[maildir] = self._make(maildir)
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


class OpenIndexes(OpenFiles[IndexFile]):
    """What was said of messages. One that is used by an open mailbox opens its file again at need, and the file that
    was opened longest ago is given back for it."""

    def __init__(self, kept: int, octets_max: int = OCTETS_MAX) -> None:
        def make(maildir: bytes) -> IndexFile:
            return IndexFile(Path(os.fsdecode(maildir)) / FILE_NAME, opened=self._opened, octets_max=octets_max)

        super().__init__(kept, make)
        self._open: OrderedDict[IndexFile, None] = OrderedDict()

    def _opened(self, file: IndexFile) -> None:
        with self._guard:
            self._open[file] = None
            self._open.move_to_end(file)
            over = [self._open.popitem(last=False)[0] for _ in range(len(self._open) - self._kept)]
        for each in over:
            each.close_unless_busy()


class OpenTexts(OpenFiles[TextFile]):
    """What messages say."""

    def __init__(self, kept: int, octets_max: int) -> None:
        def make(maildir: bytes) -> TextFile:
            return TextFile(Path(os.fsdecode(maildir)) / TEXT_FILE_NAME, octets_max=octets_max)

        super().__init__(kept, make)
