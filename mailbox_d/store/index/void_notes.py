"""What says, beside an account's index, whose history in it is not to be believed: for when that cannot be written.

A file that is only ever added to: a line for each time, which says which mailbox. A history is sealed together with how
far its mailbox's lines went, so that a further line voids whatever was written before, whoever wrote it, and a history
that is written after that is believed. It goes with the index: whoever begins that anew removes it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

OCTETS_MAX = 128 * 1024
"""Some three thousand."""


class VoidNotes:
    """Those of one account. Short appends, by which several processes do not disturb each other. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, guid: bytes) -> None:
        """Void what is known of this mailbox. Raises `OSError`, also where there are too many lines."""
        line = _line(guid)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size + len(line) > OCTETS_MAX:
                raise OSError("no room is left for a note")
            if os.write(descriptor, line) < len(line):
                raise OSError("a note was cut off")
        finally:
            os.close(descriptor)

    def mark(self, guid: bytes) -> int:
        """How far the notes on this mailbox go; 0 where there are none."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0
        try:
            return os.pread(descriptor, OCTETS_MAX, 0).rfind(_line(guid)) + 1
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Forget all notes, where nothing is left that they were on."""
        with suppress(OSError):
            self._path.unlink()


def _line(guid: bytes) -> bytes:
    """With two line ends, since the line before may have been cut off."""
    return b"\n%b\n" % guid.hex().encode()
