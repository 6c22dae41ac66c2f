"""Reading the files that a configuration names, none of which is trusted to be a file at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mailbox_d.config.faults import Refusal


def read_regular_file(path: Path, most: int) -> bytes:
    """The octets of a regular file, at most one more than `most`; a FIFO or a device is not waited for.

    Raises `Refusal`.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            regular = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            data = stream.read(most + 1) if regular else b""
    except ValueError:
        raise Refusal("the file cannot be read: its name is not possible", "a readable file") from None
    except OSError as error:
        raise Refusal(f"the file cannot be read: {error.strerror}", "a readable file") from None
    if not regular:
        raise Refusal("this is not a regular file", "a readable file")
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def readable_by_everyone(path: Path) -> bool:
    """Whether every user of the machine may read the file; False for one that is not there."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
