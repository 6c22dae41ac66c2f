"""Sends what we write ourselves: reports go into the queue, whoever gets them, and from there like all other mail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mailbox_d.net.lanes import Lane
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Source
from mailbox_d.queue.reports import Report


class Courier:
    """`scheduled` is called, in a lane, when something is in the queue."""

    def __init__(self, queue: MailQueue, lane: Lane, scheduled: Callable[[], None]) -> None:
        self._queue = queue
        self._lane = lane
        self._scheduled = scheduled

    async def post(self, identifier: str, report: Report) -> None:
        """Have a report in the queue, durable. Raises `StorageFault`."""
        await self._lane.run(partial(self._post, identifier, report))

    def _post(self, identifier: str, report: Report) -> None:
        draft = self._queue.begin(identifier, report.envelope, Source.REPORT, "", b"")
        try:
            draft.write(report.octets)
            draft.publish()
        except BaseException:
            draft.abort()
            raise
        draft.schedule()
        self._scheduled()
