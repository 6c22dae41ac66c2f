"""A file for what is too large for memory and need not outlive the process: it has no name, and goes when it is
closed."""

from __future__ import annotations

import os
from threading import Lock

from mailbox_d.store.files import FileSystem, storage_faults


class Scratch:
    """Written first, then read, by whichever thread. Blocks. Raises `StorageFault`; so does reading what is closed."""

    @storage_faults
    def __init__(self, files: FileSystem, path: bytes) -> None:
        """`path`: a name that nothing has, needed for a moment."""
        self.octets = 0
        self._files = files
        self._guard = Lock()
        self._descriptor = files.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            files.unlink(path)
        except OSError:
            self.close()
            raise

    @storage_faults
    def write(self, data: bytes) -> None:
        """Add to its end."""
        self._files.write(self._descriptor, data)
        self.octets += len(data)

    @storage_faults
    def read(self, offset: int, length: int) -> bytes:
        """Up to so many octets; fewer only at the end."""
        with self._guard:
            return self._files.read(self._descriptor, offset, length)

    def close(self) -> None:
        """For good; who is just reading is waited for."""
        with self._guard:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                self._files.close(descriptor)
