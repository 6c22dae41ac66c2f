"""A small file that is replaced whole; the lock file beside it is the new content itself, as Dovecot does it.

It has a limit: nothing is written that could not be read again. Other programs know no such limit. A file of lines that
one of them made longer is read as far as the limit goes, and what lies beyond is kept when it is changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeAlias

from mailbox_d.errors import MailboxBusy, TooMuchKept
from mailbox_d.store.files import FileSystem, find, forget, parent, read_whole

Identity: TypeAlias = tuple[int, int, int]
"""A lock file's device, inode and time."""

_BLOCK = 256 * 1024


class LockedFile:
    """The file at `path`. Methods may raise `OSError`."""

    def __init__(
        self,
        files: FileSystem,
        path: bytes,
        *,
        busy: str,
        stale_after: float = 30.0,
        octets_max: int = 4 * 1024 * 1024,
        full: str = "There is no room for more",
        has_lines: bool = False,
        clock: Callable[[], float] = time.time,
        left_behind: set[Identity] | None = None,
    ) -> None:
        """`busy`: the public text where another program has the lock. `stale_after`: seconds after which the lock is
        nobody's. `octets_max`: the longest file read; `full`: the public text where it would be longer. `has_lines`:
        whether the beginning of a longer one makes sense by itself. `left_behind`: locks of this process that the disk
        would not have removed, whatever they were on; who finds one of them removes it.
        """
        self._files = files
        self._path = path
        self._busy = busy
        self._stale_after = stale_after
        self._octets_max = octets_max
        self._full = full
        self._has_lines = has_lines
        self._clock = clock
        self._left_behind = set[Identity]() if left_behind is None else left_behind

    def read(self) -> bytes | None:
        """The content, or the beginning of one that is too long; None where there is no such file."""
        if self._has_lines and self._length() > self._octets_max:
            beginning = b"".join(self._blocks(0, self._octets_max))
            return beginning[: beginning.rfind(b"\n") + 1]
        return read_whole(self._files, self._path, self._octets_max)

    def change(self, edit: Callable[[bytes | None], bytes]) -> None:
        """Put what `edit` makes of the content in its place, durable. Raises `MailboxBusy`, `TooMuchKept`."""
        lock = self._path + b".lock"
        descriptor = self._open_lock(lock)
        ours: int | None = None
        try:
            ours = self._files.fstat(descriptor).st_ino
            self._write(descriptor, edit)
            self._files.fsync(descriptor)
            self._require_ours(lock, ours)
            self._files.rename(lock, self._path)
        except (OSError, TooMuchKept):
            if not forget(self._files, lock):
                self._note_left_behind(lock, ours)
            raise
        finally:
            self._files.close(descriptor)
        self._files.fsync_directory(parent(self._path))

    def _write(self, descriptor: int, edit: Callable[[bytes | None], bytes]) -> None:
        before = self.read()
        known = len(before or b"")
        after, beyond = edit(before), max(0, self._length() - known)
        if len(after) > known and len(after) + beyond > self._octets_max:
            raise TooMuchKept(self._full)
        self._files.write(descriptor, after)
        for block in self._blocks(known, beyond):
            self._files.write(descriptor, block)

    def _length(self) -> int:
        status = find(self._files, self._path)
        return 0 if status is None else status.st_size

    def _blocks(self, offset: int, length: int) -> Iterator[bytes]:
        """So much of the file, piece by piece."""
        if not length:
            return
        descriptor = self._files.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            for start in range(offset, offset + length, _BLOCK):
                yield self._files.read(descriptor, start, min(_BLOCK, offset + length - start))
        finally:
            self._files.close(descriptor)

    def _open_lock(self, lock: bytes) -> int:
        try:
            return self._files.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            status = find(self._files, lock)
            if status is not None and self._is_stale(status) and forget(self._files, lock):
                self._left_behind.discard(_identity(status))
            raise MailboxBusy(self._busy) from None

    def _is_stale(self, status: os.stat_result) -> bool:
        return _identity(status) in self._left_behind or abs(self._clock() - status.st_mtime) > self._stale_after

    def _note_left_behind(self, lock: bytes, ours: int | None) -> None:
        with suppress(OSError):
            status = find(self._files, lock)
            if status is not None and status.st_ino == ours:
                self._left_behind.add(_identity(status))

    def _require_ours(self, lock: bytes, ours: int) -> None:
        status = find(self._files, lock)
        if status is None or status.st_ino != ours:
            raise MailboxBusy(self._busy, cause="lost the lock")


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_mtime_ns
