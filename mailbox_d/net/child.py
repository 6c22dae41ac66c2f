"""The child's side of `net/children`: `python -m mailbox_d.net.child MODULE:FUNCTION`, one piece of work after another.

The function takes a list of octet strings and returns one. The child is nice to the daemon, and ends with it.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from mailbox_d.net.child_frames import FrameReader, frame

_NICENESS = 10
_MEMORY_MAX = 2 * 1024**3
_READ_SIZE = 1 << 16
_STDIN, _STDOUT = 0, 1


def serve(work: Callable[[Sequence[bytes]], Sequence[bytes]]) -> None:
    """Answer each list that comes, in turn, until there are no more."""
    reader = FrameReader()
    while data := os.read(_STDIN, _READ_SIZE):
        reader.feed(data)
        while (asked := reader.next_frame()) is not None:
            _write(frame(work(asked)))


def _write(octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(_STDOUT, view) :]


def main(entry: str) -> None:
    """Do the work that `entry` names, `module:function`."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    module, _, function = entry.partition(":")
    serve(getattr(import_module(module), function))


if __name__ == "__main__":
    main(sys.argv[1])
