"""Counts how often the reactor was held up: nothing should keep it from its work for longer than 50 ms.

Where the machine has more to do than processors, the reactor waits for one as everybody does. That is told too, and is
no stall: nothing that is done here could make it shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.net.run_queue import RunQueue

STALL = 0.05
"""Seconds by which a tick may be late."""


class Watchdog(Service):
    """Ticks while the daemon runs; a tick that comes too late is a stall, counted and told in the log."""

    log = Logger()

    def __init__(self, reactor: Any, *, stall: float = STALL, waited: Callable[[], float] | None = None) -> None:
        """`waited`: the seconds that the reactor's thread has waited for a processor."""
        self.stalls = 0
        self.longest = 0.0
        """Seconds."""
        self.starved = 0
        """How often a tick was late for want of a processor."""
        self._reactor = reactor
        self._stall = stall
        self._waited = waited
        self._waited_before = 0.0
        self._expected = 0.0
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = reactor

    def startService(self) -> None:
        Service.startService(self)
        self._waited = self._waited or RunQueue().waited
        self._waited_before = self._waited()
        self._expected = self._reactor.seconds() + self._stall
        self._ticks.start(self._stall, now=False)

    def stopService(self) -> None:
        Service.stopService(self)
        self._ticks.stop()
        self.log.info(
            "the reactor was held up {stalls} times, {longest} s at most; {starved} times it waited for a processor",
            stalls=self.stalls,
            longest=self.longest,
            starved=self.starved,
        )

    def _tick(self) -> None:
        assert self._waited is not None
        now, waited = self._reactor.seconds(), self._waited()
        late, starved = now - self._expected, waited - self._waited_before
        if late > self._stall:
            self._tell(late, min(late, starved))
        self._expected, self._waited_before = now + self._stall, waited

    def _tell(self, late: float, starved: float) -> None:
        own, starved = round(late - starved, 3), round(starved, 3)
        if own > self._stall:
            self.stalls += 1
            self.longest = max(self.longest, own)
            self.log.warn(
                "the reactor was held up for {own} s, beside {starved} s without a processor", own=own, starved=starved
            )
        else:
            self.starved += 1
            self.log.info("the reactor waited {starved} s for a processor", starved=starved)
