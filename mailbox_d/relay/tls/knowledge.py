"""What the outbound side knows of other sites' TLS: read before anything is sent, kept up while the daemon runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.relay.tls.policy import TlsRules

SAVE_INTERVAL = 5.0
REFRESH_INTERVAL = 600.0
"""Seconds between two times that what is new is written down, and that MTA-STS policies are looked at."""


class TlsKnowledge(Service):
    """To start before, and stop after, whoever sends."""

    _log = Logger()

    def __init__(self, reactor: Any, rules: TlsRules) -> None:
        self._rules = rules
        self._saving = self._call(reactor, self._save)
        self._refreshing = self._call(reactor, self._refresh)

    async def load(self) -> None:
        """Read everything that was known before; nothing may be sent until then."""
        for source in (self._rules.mta_sts, self._rules.remembered):
            if source is not None:
                await source.load()

    def startService(self) -> None:
        Service.startService(self)
        self._saving.start(SAVE_INTERVAL, now=False)
        self._refreshing.start(REFRESH_INTERVAL, now=False)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        for call in (self._saving, self._refreshing):
            if call.running:
                call.stop()
        return Deferred.fromCoroutine(self._save())

    async def _save(self) -> None:
        for source in (self._rules.remembered, self._rules.results):
            if source is not None:
                await source.save()

    async def _refresh(self) -> None:
        if self._rules.mta_sts is not None:
            await self._rules.mta_sts.refresh()

    def _call(self, reactor: Any, work: Callable[[], Awaitable[None]]) -> LoopingCall:
        async def guarded() -> None:
            try:
                await work()
            except Exception:
                self._log.failure("what is known of other sites' TLS could not be kept up")

        call = LoopingCall(guarded)
        call.clock = reactor
        return call
