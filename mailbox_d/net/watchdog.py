"""Counts how often the reactor was held up: nothing should keep it from its work for longer than 50 ms."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

STALL = 0.05
"""Seconds by which a tick may be late."""


class Watchdog(Service):
    """Ticks while the daemon runs; a tick that comes too late is a stall, counted and told in the log."""

    log = Logger()

    def __init__(self, reactor: Any, *, stall: float = STALL) -> None:
        self.stalls = 0
        self.longest = 0.0
        """Seconds."""
        self._reactor = reactor
        self._stall = stall
        self._expected = 0.0
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = reactor

    def startService(self) -> None:
        Service.startService(self)
        self._expected = self._reactor.seconds() + self._stall
        self._ticks.start(self._stall, now=False)

    def stopService(self) -> None:
        Service.stopService(self)
        self._ticks.stop()
        self.log.info(
            "the reactor was held up {stalls} times, {longest} s at most", stalls=self.stalls, longest=self.longest
        )

    def _tick(self) -> None:
        now = self._reactor.seconds()
        late = now - self._expected
        if late > self._stall:
            self.stalls += 1
            self.longest = max(self.longest, round(late, 3))
            self.log.warn("the reactor was held up for {late} s", late=round(late, 3))
        self._expected = now + self._stall
