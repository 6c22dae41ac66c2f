"""Work that Python does itself for long: one thread at a time, so that the reactor competes with one and not with all.

Threads that run Python take turns in any case. Where eight of a lane wait for their turn, the reactor waits behind
them; where one does and the others sleep, it has every second turn. To be held for some milliseconds, and never across
a wait for the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

T = TypeVar("T")

PYTHON_WORK: Final = Lock()


def in_turn(work: Callable[[], T]) -> T:
    """Do `work` when no other thread does such work. For a lane: the reactor never waits for its turn."""
    with PYTHON_WORK:
        return work()
