"""When the answer to a failed login leaves: at a time that says nothing of why it failed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


def _none() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class FailureDeadline:
    """Answers leave some seconds after the proof came, however soon it was known to be wrong; where that took longer,
    after twice as many, or three times. `clock` gives seconds, never backwards; `jitter` seconds that are added."""

    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = _none

    def left(self, began: float, seconds: float) -> float:
        """The seconds to wait from now on, where the proof came when the clock showed `began`."""
        if not seconds:
            return 0.0
        passed = self.clock() - began
        times = max(1, math.ceil(passed / seconds))
        return times * seconds - passed + self.jitter()
