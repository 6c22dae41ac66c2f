"""How to know that a file is still the one that was read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class FileIdentity(NamedTuple):
    """What changes when a file is written, replaced, or given other permissions (times in nanoseconds)."""

    inode: int
    size: int
    modified: int
    changed: int


def identify(path: Path) -> FileIdentity | None:
    """The identity of the file that a path leads to; None where it cannot be looked at. Take it before reading."""
    try:
        status = os.stat(path)  # noqa: PTH116 - one call, four answers
    except OSError:
        return None
    return FileIdentity(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
