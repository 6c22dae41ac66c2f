"""Durable directory entries for many threads at once: those who come while a sync runs share the next one."""

from __future__ import annotations

import errno
import os
import threading

from mailbox_d.store.files import FileSystem


class _Round:
    """One fsync of a directory and all who wait for it."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error: OSError | None = OSError(errno.EIO, os.strerror(errno.EIO))
        """What those who joined are told, whatever ended the leader, until it has succeeded."""


class DirectorySync:
    """Group commit of directories: a sync that begins after an entry was made covers it, whoever asked for it."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._guard = threading.Lock()
        self._gathering: dict[bytes, _Round] = {}
        self._running: dict[bytes, _Round] = {}

    def sync(self, directory: bytes) -> None:
        """Return once the entries made so far are durable. Raises `OSError`, to every one whom that fsync stood for."""
        with self._guard:
            joined = self._gathering.get(directory)
            if joined is None:
                own = self._gathering[directory] = _Round()
                before = self._running.get(directory)
        if joined is None:
            self._lead(directory, own, before)
            return
        joined.done.wait()
        if joined.error is not None:
            raise OSError(joined.error.errno, joined.error.strerror, directory)

    def _lead(self, directory: bytes, own: _Round, before: _Round | None) -> None:
        if before is not None:
            before.done.wait()
        with self._guard:
            del self._gathering[directory]
            self._running[directory] = own
        try:
            self._files.fsync_directory(directory)
            own.error = None
        except OSError as error:
            own.error = error
            raise
        finally:
            with self._guard:
                if self._running.get(directory) is own:
                    del self._running[directory]
            own.done.set()
