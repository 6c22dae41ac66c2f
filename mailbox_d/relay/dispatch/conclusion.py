"""What follows from an attempt: who is given up, who is told, and what the queue notes.

The order is what keeps mail from being lost: a report is durable before its cause is noted, and what is not noted is
tried again.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.errors import StorageFault, TemporaryError
from mailbox_d.net.lanes import Lane
from mailbox_d.printable import one_line
from mailbox_d.queue.mail_queue import MailQueue, Settlement
from mailbox_d.queue.message import Attempt, Fate, Parcel, Queued
from mailbox_d.queue.notices import Action, Notice, notices_of_delay, notices_of_outcome
from mailbox_d.queue.reports import Report, octets_wanted, write_report
from mailbox_d.record.events import GivenUp, Received, Reported, Tried
from mailbox_d.record.recorder import Record
from mailbox_d.relay.dispatch.loading import Loaded

T = TypeVar("T")

EXPIRED = "5.4.7"
"""Delivery time expired (RFC 3463 section 3.5)."""

MOST_FAULTS = 10
"""How often a fault of ours may keep an outcome from being noted, before the message is left to the next start."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two tries to note an outcome on a disk that takes nothing."""


class Post(Protocol):
    """Sends reports."""

    async def post(self, identifier: str, report: Report) -> None:
        """Raises `StorageFault`."""


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """`hostname`: who reports; `returned`: octets of a message that its sender is given back; `give_up_after`: seconds
    after which a message is given up."""

    hostname: str
    returned: int
    give_up_after: float


class Conclusion:
    """Concludes attempts, one after the other or several at once."""

    _log = Logger()

    def __init__(
        self,
        queue: MailQueue,
        lane: Lane,
        post: Post,
        record: Record,
        settings: ReportSettings,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._queue = queue
        self._lane = lane
        self._post = post
        self._record = record
        self._settings = settings
        self._clock = clock
        self._sleep = sleep

    async def conclude(self, loaded: Loaded, attempts: Sequence[Attempt], then: Callable[[], T]) -> T:
        """Tell whom it concerns, and note it; when that is durable, what `then` gives, which blocks."""
        outcome = self._given_up(loaded.parcel, attempts)
        told = await self._tell_outcome(loaded, outcome)
        if not told:
            outcome = [_once_more(attempt) for attempt in outcome]
        warned = await self._tell_delay(loaded, outcome)
        settlement, following = await self._settle(loaded, outcome, warned, then)
        try:
            self._note(loaded.parcel.message, outcome, settlement)
        except Exception:  # what follows is claimed, and must not be lost for that
            self._log.failure("an outcome could not be told by a fault of ours")
        return following

    def _given_up(self, parcel: Parcel, attempts: Sequence[Attempt]) -> list[Attempt]:
        """The attempts, those that were the last ones for their recipients with that outcome."""
        expired = self._queue.expired(parcel, self._clock())
        return [
            _expire(attempt) if not attempt.is_final and attempt.recipient in expired else attempt
            for attempt in attempts
        ]

    async def _tell_outcome(self, loaded: Loaded, attempts: Sequence[Attempt]) -> bool:
        """Whether everybody is told who must be."""
        notices = notices_of_outcome(loaded.parcel.message, attempts)
        return not notices or await self._report(loaded, notices)

    async def _tell_delay(self, loaded: Loaded, attempts: Sequence[Attempt]) -> frozenset[EmailAddress]:
        """Tell the sender whom a message is late for; whom it was told of."""
        parcel = loaded.parcel
        open_still = {attempt.recipient: attempt for attempt in attempts if not attempt.is_final}
        late = self._queue.late(parcel, self._clock()) & open_still.keys()
        if not late:
            return frozenset()
        waiting = tuple(recipient for recipient in parcel.waiting if recipient.address in late)
        known = replace(parcel, waiting=waiting, last={**parcel.last, **open_still})
        notices = notices_of_delay(known, parcel.message.arrived + self._settings.give_up_after)
        if notices and not await self._report(loaded, notices):
            return frozenset()
        return late

    async def _report(self, loaded: Loaded, notices: Sequence[Notice]) -> bool:
        """Send a report, if somebody is to get it; false where that cannot be done: what was taken is noted all the
        same."""
        message, now = loaded.parcel.message, self._clock()
        identifier = secrets.token_hex(6).upper()
        try:
            wanted = octets_wanted(message, self._settings.returned)
            original = await loaded.content.read(0, wanted)
            write = partial(write_report, hostname=self._settings.hostname, now=now, identifier=identifier)
            report = await self._lane.run(write, message, notices, original)
            if report is None:
                return True
            await self._post.post(identifier, report)
        except StorageFault as error:
            self._log.error("no report could be written: {error}", error=one_line(error))
            return False
        except CancelledError:
            raise
        except Exception:
            self._log.failure("no report could be written by a fault of ours")
            return False
        message_id = f"<{identifier}@{self._settings.hostname}>"
        self._record.tell(Received(identifier, now, "report", octets=len(report.octets), message_id=message_id))
        self._note_report(message, identifier, notices, now)
        return True

    async def _settle(
        self,
        loaded: Loaded,
        attempts: Sequence[Attempt],
        warned: frozenset[EmailAddress],
        then: Callable[[], T],
    ) -> tuple[Settlement, T]:
        """Note the outcome; where the disk does not take it, again and again, for what was taken must not go again.
        Where nothing was taken or given up nothing is kept waiting for that: the message is due again later."""

        def settle() -> tuple[Settlement, T]:
            return self._queue.settle(loaded.job, attempts, self._clock(), warned), then()

        def put_off() -> tuple[Settlement, T]:
            return self._put_off(loaded, attempts), then()

        must_hold = bool(warned) or any(attempt.is_final for attempt in attempts)
        step, pause, faults = settle, FIRST_PAUSE, 0
        while True:
            try:
                return await self._lane.run(step)
            except TemporaryError as error:  # the disk refuses, or there is no thread
                self._log.error("an outcome could not be noted: {error}", error=one_line(error))
                step = settle if must_hold else put_off
            except CancelledError:
                raise
            except Exception:
                self._log.failure("an outcome could not be noted by a fault of ours")
                faults += 1
                if faults == MOST_FAULTS:
                    raise
            await self._sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _put_off(self, loaded: Loaded, attempts: Sequence[Attempt]) -> Settlement:
        """Nothing is noted, and the message is due again as after its first attempt. It blocks."""
        due = self._clock() + self._queue.backoff.retry_after
        self._queue.release(replace(loaded.job, due=due))
        tried = {attempt.recipient for attempt in attempts}
        again = tuple((recipient, due) for recipient in loaded.parcel.waiting if recipient.address in tried)
        return Settlement((), again, is_removed=False)

    def _note(self, message: Queued, attempts: Sequence[Attempt], settlement: Settlement) -> None:
        """Tell the operator and the record."""
        again = {recipient.address: due for recipient, due in settlement.again}
        for attempt in attempts:
            self._record.tell(Tried.of(message.identifier, attempt, again.get(attempt.recipient, 0.0)))
            if attempt.status == EXPIRED:
                self._record.tell(GivenUp(message.identifier, attempt.at, attempt.recipient, attempt.reason))
            log_attempt(message, attempt)

    def _note_report(self, message: Queued, identifier: str, notices: Sequence[Notice], now: float) -> None:
        for action in Action:
            recipients = tuple(notice.recipient.address for notice in notices if notice.action is action)
            if recipients:
                sender = message.envelope.sender
                self._record.tell(Reported(message.identifier, now, identifier, sender, action.value, recipients))


def log_attempt(message: Queued, attempt: Attempt, log: Logger = Logger()) -> None:  # noqa: B008
    """One line for the operator."""
    log.info(
        "queue: {identifier} to <{recipient}>: {fate} ({host}{tls}: {words})",
        identifier=message.identifier,
        recipient=one_line(attempt.recipient, 100),
        fate=attempt.fate.value,
        host=f"{attempt.host} [{attempt.address}]" if attempt.host else "no server",
        tls=f", {attempt.tls}, {attempt.security}" if attempt.tls else "",
        words=one_line(attempt.reply or attempt.reason, 300),
    )


def _expire(attempt: Attempt) -> Attempt:
    words = attempt.reason or attempt.reply
    return replace(
        attempt, fate=Fate.FAILED, status=EXPIRED, reason=f"It could not be delivered for too long. At last: {words}"
    )


def _once_more(attempt: Attempt) -> Attempt:
    """A failure of which the sender could not be told is not the end of it."""
    if attempt.fate is not Fate.FAILED:
        return attempt
    return replace(attempt, fate=Fate.DEFERRED, status="4.3.0")
