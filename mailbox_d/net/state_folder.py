"""The state folder, and the lock that keeps a second daemon out of it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from twisted.application.service import Service

LOCK_NAME = "mailboxd.lock"


class StateFolderTaken(Exception):
    """Another daemon runs on this state folder."""


class StateFolder(Service):
    """Makes the folder and holds its lock while the daemon runs. The kernel gives the lock back, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def startService(self) -> None:
        """Take the lock. Raises `StateFolderTaken`, `OSError`."""
        Service.startService(self)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StateFolderTaken(f"another mailboxd runs on {self._path}") from None
        self._descriptor = descriptor

    def stopService(self) -> None:
        Service.stopService(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
