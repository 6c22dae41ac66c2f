"""How much of a turn of the reactor all sessions have together: a thousand that want something at once are answered in
order, and the clock, what lanes have done and new connections come in between."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

TURN_SECONDS = 0.01
"""What sessions do before the reactor looks at everything else."""

_GAP = 0.001
"""Seconds without a session's work, after which it is another turn: the reactor tells nobody when one begins."""


class Turns:
    """Work of sessions, in the reactor's thread: at once while there is time for it, and else in the order in which it
    was asked for."""

    def __init__(self, call_later: Callable[..., Any], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._call_later = call_later
        self._monotonic = monotonic
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_called = False
        self._until = 0.0
        self._last = 0.0

    def take(self, work: Callable[[], None]) -> None:
        """Do `work`, now or in a later turn."""
        now = self._monotonic()
        if now - self._last > _GAP:
            self._until = now + TURN_SECONDS
        if self._waiting or now >= self._until:
            self.wait(work)
            return
        work()
        self._last = self._monotonic()

    def wait(self, work: Callable[[], None]) -> None:
        """Do `work` in a later turn."""
        self._waiting.append(work)
        if not self._is_called:
            self._is_called = True
            self._call_later(0, self._go_on)

    def _go_on(self) -> None:
        """At least one piece of what waits; what comes meanwhile has the next turn."""
        self._is_called = False
        until = self._monotonic() + TURN_SECONDS
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft()()
                if self._monotonic() >= until:
                    break
        finally:
            self._last = self._monotonic()
            self._until = until
            if self._waiting and not self._is_called:
                self._is_called = True
                self._call_later(0, self._go_on)
