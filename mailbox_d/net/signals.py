"""Signals: SIGHUP looks at users and certificates at once; SIGTERM and SIGINT count once, however often they come."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
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
    """The first request to stop is Twisted's to follow; any after it change nothing: Twisted would log a fault.

    It counts as the first signal comes, not as the stop begins: two may come in one round of the reactor.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._is_asked = False

    def startService(self) -> None:
        Service.startService(self)
        self._reactor.callWhenRunning(self._answer_once)  # Twisted sets its own at the start of running

    def _answer_once(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            if callable(follow := signal.getsignal(number)):
                signal.signal(number, partial(self._asked, follow))

    def _asked(self, follow: Callable[[int, FrameType | None], Any], signum: int, frame: FrameType | None) -> None:
        if not self._is_asked:  # no call between this and the next line: another signal's turn comes at calls only
            self._is_asked = True
            follow(signum, frame)
