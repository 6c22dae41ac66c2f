"""The record's turns: what was told is written each second, sooner where it is much, and last when the daemon ends."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.net.lanes import Lane
from mailbox_d.record.recorder import Recorder

INTERVAL = 1.0
"""Seconds within which what was told is written."""


class Recording(Service):
    """Flushes the record while the daemon runs. To stop after all who tell something, and before the lane."""

    _log = Logger()

    def __init__(self, reactor: Any, recorder: Recorder, lane: Lane) -> None:
        self._recorder = recorder
        self._lane = lane
        self._call = LoopingCall(self._flush)
        self._call.clock = reactor

    def startService(self) -> None:
        Service.startService(self)
        self._recorder.full = self._flush_soon
        self._call.start(INTERVAL, now=False).addErrback(self._failed)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        if self._call.running:
            self._call.stop()
        return Deferred.fromCoroutine(self._end())

    def _flush_soon(self) -> None:
        self._flush()

    def _flush(self) -> Deferred[None] | None:
        if not self._recorder.waits:
            return None
        return Deferred.fromCoroutine(self._recorder.flush()).addErrback(self._failed)

    async def _end(self) -> None:
        await self._recorder.flush()
        await self._lane.run(self._recorder.close)

    def _failed(self, failure: Any) -> None:
        self._log.failure("the record of messages was not written", failure)
