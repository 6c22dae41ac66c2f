"""Looks at the certificates' files from time to time."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.auth.realm import RunInLane
from mailbox_d.net.certificates import Certificates


class CertificateReload(Service):
    """Refreshes certificates through a lane every `interval` seconds while it runs."""

    _log = Logger()

    def __init__(self, reactor: Any, certificates: Certificates, run: RunInLane, interval: float) -> None:
        self._certificates = certificates
        self._run = run
        self._interval = interval
        self._calls = LoopingCall(lambda: Deferred.fromCoroutine(self.refresh()))
        self._calls.clock = reactor

    def startService(self) -> None:
        Service.startService(self)
        self._calls.start(self._interval, now=False)

    def stopService(self) -> None:
        Service.stopService(self)
        if self._calls.running:
            self._calls.stop()

    async def refresh(self) -> None:
        """Look now. Whatever goes wrong, the certificates in use stay, and the next look comes."""
        try:
            await self._run(self._certificates.refresh)
        except Exception:
            self._log.failure("The certificates could not be looked at")
