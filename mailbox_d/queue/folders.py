"""The queue's folders, and what all who work in them share."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from mailbox_d.store.directory_sync import DirectorySync
from mailbox_d.store.files import FileSystem, find, make_directories
from mailbox_d.store.unique import UniqueNames

IDENTIFIER = re.compile(rb"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
"""What a message in the queue may be called."""

LOG_SUFFIX = b".log"


class Folders:
    """`messages`, `outcomes`, `tmp` and `damaged` below one path. Safe for threads."""

    def __init__(self, root: Path, files: FileSystem) -> None:
        self.files = files
        self.root = str(root).encode("utf-8", "surrogateescape")
        self.messages = self.root + b"/messages"
        self.outcomes = self.root + b"/outcomes"
        self.tmp = self.root + b"/tmp"
        self.damaged = self.root + b"/damaged"
        self.directories = DirectorySync(files)
        self.unique = UniqueNames()

    def make(self) -> None:
        """Make what is missing, durable. Raises `OSError`."""
        for path in (self.messages, self.outcomes, self.tmp, self.damaged):
            make_directories(self.files, path)

    def message(self, identifier: str) -> bytes:
        return self.messages + b"/" + identifier.encode("ascii")

    def log(self, identifier: str) -> bytes:
        return self.outcomes + b"/" + identifier.encode("ascii") + LOG_SUFFIX

    def in_tmp(self, identifier: str) -> bytes:
        """Where a message is while it comes."""
        return self.tmp + b"/" + identifier.encode("ascii")

    def new_in_tmp(self) -> bytes:
        """A path that nothing else has."""
        return self.tmp + b"/" + self.unique.bare()

    def set_aside(self, path: bytes) -> bool:
        """Put what should not be there where nobody but the operator looks. False where the disk would not."""
        destination = self.damaged + b"/" + path.rpartition(b"/")[2]
        try:
            if find(self.files, destination) is not None:
                destination = self.damaged + b"/" + self.unique.bare()
            self.files.rename(path, destination)
        except OSError as error:
            return error.errno == errno.ENOENT
        return True


def is_identifier(text: str) -> bool:
    return text.isascii() and IDENTIFIER.fullmatch(text.encode("ascii")) is not None
