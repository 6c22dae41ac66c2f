"""What the log is to say of one matter once, however often it comes up."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

AGAIN = 600.0
"""Seconds after which it may be said again."""

MOST = 1_000
"""Matters that are remembered; of more, the oldest may be said again at once."""


class Seldom:
    """Whether something is to be said of a matter now. `clock` is in seconds. Safe to call from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._said: OrderedDict[Hashable, float] = OrderedDict()

    def is_due(self, matter: Hashable) -> bool:
        """True the first time, and a while later again. It is taken as said."""
        with self._lock:
            now = self._clock()
            if 0 <= now - self._said.get(matter, float("-inf")) < AGAIN:
                return False
            self._said[matter] = now
            self._said.move_to_end(matter)
            while len(self._said) > MOST:
                self._said.popitem(last=False)
            return True
