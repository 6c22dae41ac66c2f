"""A small file that is replaced whole; the lock file beside it is the new content itself, as Dovecot does it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from mailbox_d.errors import MailboxBusy
from mailbox_d.store.files import FileSystem, find, forget, parent, read_whole


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`busy`: the public text where another program has the lock. `stale_after`: seconds after which the lock is
        nobody's. `octets_max`: the longest file read.
        """
        self._files = files
        self._path = path
        self._busy = busy
        self._stale_after = stale_after
        self._octets_max = octets_max
        self._clock = clock

    def read(self) -> bytes | None:
        """The content; None where there is no such file."""
        return read_whole(self._files, self._path, self._octets_max)

    def change(self, edit: Callable[[bytes | None], bytes]) -> None:
        """Put what `edit` makes of the content in its place, durable. Raises `MailboxBusy`."""
        lock = self._path + b".lock"
        descriptor = self._open_lock(lock)
        try:
            ours = self._files.fstat(descriptor)
            self._files.write(descriptor, edit(self.read()))
            self._files.fsync(descriptor)
            self._require_ours(lock, ours)
            self._files.rename(lock, self._path)
        except OSError:
            forget(self._files, lock)
            raise
        finally:
            self._files.close(descriptor)
        self._files.fsync_directory(parent(self._path))

    def _open_lock(self, lock: bytes) -> int:
        try:
            return self._files.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            status = find(self._files, lock)
            if status is not None and abs(self._clock() - status.st_mtime) > self._stale_after:
                forget(self._files, lock)
            raise MailboxBusy(self._busy) from None

    def _require_ours(self, lock: bytes, ours: os.stat_result) -> None:
        status = find(self._files, lock)
        if status is None or status.st_ino != ours.st_ino:
            raise MailboxBusy(self._busy, cause="lost the lock")
