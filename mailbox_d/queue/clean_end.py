"""The mark that says that the schedule was closed well, and that nobody has changed anything since."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from mailbox_d.queue.folders import Folders
from mailbox_d.queue.stored_values import count
from mailbox_d.store.files import FileSystem, find, forget, read_whole, write_new

MARK_NAME = "schedule.clean"

_OCTETS_MAX = 4096


class CleanEnd:
    """A small file. It is gone, durably, while the schedule is open."""

    def __init__(self, folders: Folders, schedule: bytes) -> None:
        self._folders = folders
        self._files = folders.files
        self._schedule = schedule
        self._path = folders.root + b"/" + MARK_NAME.encode()

    def take(self) -> int | None:
        """Remove the mark: how many messages there are; None where there is none that holds. Raises `OSError`."""
        octets = None
        with suppress(OSError):
            octets = read_whole(self._files, self._path, _OCTETS_MAX)
        if find(self._files, self._path) is None:
            return None
        if not forget(self._files, self._path):
            return None
        self._files.fsync_directory(self._folders.root)
        try:
            said = json.loads(octets or b"")
            messages = count(said.pop("messages"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return messages if said == self._seen() else None

    def make(self, messages: int) -> None:
        """Leave the mark, durable, once the schedule is. Raises `OSError`."""
        descriptor = self._files.open(self._schedule, os.O_RDONLY)
        try:
            self._files.fsync(descriptor)
        finally:
            self._files.close(descriptor)
        forget(self._files, self._path)
        write_new(self._files, self._path, json.dumps({**self._seen(), "messages": messages}).encode("ascii"))
        self._files.fsync_directory(self._folders.root)

    def _seen(self) -> dict[str, Any]:
        """What changes where somebody else has been here."""
        return {
            "schedule": _identity(self._files, self._schedule),
            "folders": [_identity(self._files, path)[:2] for path in (self._folders.messages, self._folders.outcomes)],
        }


def _identity(files: FileSystem, path: bytes) -> list[int]:
    status = find(files, path)
    return [] if status is None else [status.st_ino, status.st_mtime_ns, status.st_size]
