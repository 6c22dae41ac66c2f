"""Signals: SIGHUP looks at users and certificates at once; SIGTERM and SIGINT count once, however often they come."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger


class ReloadOnHangup(Service):
    """Runs every refresh when SIGHUP comes; what fails is logged and keeps what it had."""

    log = Logger()

    def __init__(self, reactor: Any, refreshes: Sequence[Callable[[], Awaitable[None]]]) -> None:
        self._reactor = reactor
        self._refreshes = tuple(refreshes)
        self._before: Any = None

    def startService(self) -> None:
        Service.startService(self)
        self._before = signal.signal(signal.SIGHUP, self._hung_up)

    def stopService(self) -> None:
        Service.stopService(self)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self._before is None else self._before)

    def _hung_up(self, signum: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(lambda: Deferred.fromCoroutine(self.reload()))

    async def reload(self) -> None:
        """Refresh everything, one thing after the other."""
        self.log.info("reloading users and certificates")
        for refresh in self._refreshes:
            try:
                await refresh()
            except Exception:
                self.log.failure("a reload failed; what was there before stays")


class StopOnce(Service):
    """Once the daemon is being stopped, asking for it again changes nothing: Twisted would log a fault for it."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def startService(self) -> None:
        Service.startService(self)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._ignore_what_follows)

    def _ignore_what_follows(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _already_stopping)


def _already_stopping(signum: int, frame: FrameType | None) -> None:
    """The daemon is on its way out."""
