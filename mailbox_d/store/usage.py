"""What a Maildir holds, counted as Dovecot counts it: by the names of the files, which tell their sizes.

Names alone are read; a file whose name tells no size is looked at. Nothing is locked, so a folder that changes while it
is read is read again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from mailbox_d.store.filename import disk_size
from mailbox_d.store.files import FileSystem, find
from mailbox_d.store.ports import Usage

_HALVES = (b"/new", b"/cur")
_TRIES = 3
"""How often a folder that keeps changing is read."""


class Counted(NamedTuple):
    """What messages amount to; it is not certain where they were changed all the time."""

    usage: Usage
    is_certain: bool


def maildir_usage(files: FileSystem, maildir: bytes) -> Counted:
    """What the messages of all folders amount to; nothing where there is no Maildir. Raises `OSError`."""
    try:
        names = files.directories(maildir)
    except FileNotFoundError:
        return Counted(Usage(0, 0), True)
    folders = [maildir + b"/" + name for name in names if name.startswith(b".") and not name.startswith(b"..")]
    counted = [folder_usage(files, path) for path in (maildir, *folders)]
    return Counted(total(each.usage for each in counted), all(each.is_certain for each in counted))


def folder_usage(files: FileSystem, path: bytes) -> Counted:
    """What the messages of one folder amount to. Raises `OSError`."""
    usage = Usage(0, 0)
    for _ in range(_TRIES):
        before = _times(files, path)
        usage = total(_half_usage(files, path + half) for half in _HALVES)
        if _times(files, path) == before:
            return Counted(usage, True)
    return Counted(usage, False)


def file_octets(files: FileSystem, path: bytes, base: bytes) -> int | None:
    """A message's octets on the disk, by its base name or else by its file; None where there is none."""
    octets = disk_size(base)
    if octets is not None:
        return octets
    status = find(files, path)
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None


def total(usages: Iterable[Usage]) -> Usage:
    """The sum."""
    octets = messages = 0
    for usage in usages:
        octets += usage.octets
        messages += usage.messages
    return Usage(octets, messages)


def _half_usage(files: FileSystem, directory: bytes) -> Usage:
    try:
        names = files.names(directory)
    except (FileNotFoundError, NotADirectoryError):
        return Usage(0, 0)
    octets = messages = 0
    for name in names:
        found = None if name.startswith(b".") else file_octets(files, directory + b"/" + name, name.partition(b":")[0])
        if found is not None:
            octets += found
            messages += 1
    return Usage(octets, messages)


def _times(files: FileSystem, path: bytes) -> list[int | None]:
    statuses: list[os.stat_result | None] = [find(files, path + half) for half in _HALVES]
    return [None if status is None else status.st_mtime_ns for status in statuses]
