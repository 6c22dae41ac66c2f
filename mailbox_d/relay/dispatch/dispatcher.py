"""Sends what is due: round the domains, so that none waits for another, with so many at a time in all and for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.net.lanes import Lane, sleep
from mailbox_d.queue.job import Job
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Attempt, Fate, Parcel
from mailbox_d.relay.dispatch.admission import Admission, KnownDomains
from mailbox_d.relay.dispatch.conclusion import Conclusion
from mailbox_d.relay.dispatch.connections import Connections
from mailbox_d.relay.dispatch.contents import PackedContent
from mailbox_d.relay.dispatch.loading import Loaded, Loading
from mailbox_d.relay.dispatch.outcomes import outcomes_of_our_fault

ROUND_PAUSE = 0.004
"""Seconds between two rounds: what comes meanwhile is found by one of them."""

BLOCKED_REST = 1.0
"""Seconds after which is looked again where what is due had to wait for others; the end of a run is told at once."""

LONGEST_REST = 60.0
"""Seconds after which is looked for work in any case."""

UPKEEP_INTERVAL = 1.0
"""Seconds within which what was removed is made durable."""

_END = object()

FAULT_PAUSE = 5.0
"""Seconds before all goes on after a fault of ours."""

STOP_SECONDS = 8.0
"""How long what is being sent may go on when the daemon stops."""

SLOW_SECONDS = 60.0
"""An attempt that took as long and delivered nothing was at servers that may well want to cost time."""

BREAK_OFF_INTERVAL = 1.0
"""Seconds between two times that what is being sent is broken off."""


class Attempts(Protocol):
    """Sends a parcel whose recipients are all in one domain."""

    async def attempt(self, parcel: Parcel, domain: str, content: PackedContent) -> list[Attempt]:
        """What became of each recipient; of some or none where it was cancelled; of none where there was no place for
        it. Raises nothing that is not a fault of ours."""

    def must_wait(self, domain: str) -> bool:
        """Whether enough wait already for the servers that this domain's mail goes to."""


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """`runs`: how many at a time; `runs_each`: for one domain; `messages`: how many in a row for one domain."""

    runs: int = 50
    runs_each: int = 5
    messages: int = 100


class Dispatcher(Service):
    """Runs: each sends the due mail of one domain, a message after the other, and ends when there is no more of it, or
    when it is others' turn. `ready` comes back when all is known that must be before anything is sent."""

    name = "queue"
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        queue: MailQueue,
        lane: Lane,
        loading: Loading,
        attempts: Attempts,
        conclusion: Conclusion,
        connections: Connections,
        limits: DispatchLimits,
        known: KnownDomains,
        *,
        ready: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._queue = queue
        self._lane = lane
        self._loading = loading
        self._attempts = attempts
        self._conclusion = conclusion
        self._connections = connections
        self._limits = limits
        self._known = known
        self._ready = ready
        self._clock = clock
        self._runs: Counter[str] = Counter()
        self._under_way: set[Deferred[None]] = set()
        self._resting: Deferred[None] | None = None
        self._is_woken = False
        self._patience: Any = None
        self._upkeep = LoopingCall(self._look_after)
        self._upkeep.clock = reactor

    def startService(self) -> None:
        self._queue.open()
        Service.startService(self)
        self._begin(self._rounds())
        self._upkeep.start(UPKEEP_INTERVAL, now=True).addErrback(self._failed)

    async def _end(self) -> None:
        """Let what is being sent go on for a moment, then break it off: it is tried again after the next start."""
        self._patience = self._reactor.callLater(STOP_SECONDS, self._break_off)
        self.wake()
        await DeferredList([_settled(each) for each in self._under_way])
        self._patience.cancel()
        self._connections.close_idle()
        await self._lane.run(self._queue.close)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        if self._upkeep.running:
            self._upkeep.stop()
        return Deferred.fromCoroutine(self._end())

    def scheduled(self) -> None:
        """There is something new in the queue; to be called from any thread."""
        self._reactor.callFromThread(self.wake)

    def wake(self) -> None:
        """Look for work now."""
        self._is_woken = True
        resting, self._resting = self._resting, None
        if resting is not None:
            resting.callback(None)

    @property
    def runs(self) -> int:
        """How many there are now."""
        return self._runs.total()

    @property
    def sessions(self) -> int:
        """How many connections to other servers there are."""
        return self._connections.count

    async def decide(self, identifier: str, decision: Callable[[Parcel], list[Attempt]]) -> None:
        """Conclude what nobody is sending of a message, held or not, with outcomes that were decided here: whoever is
        to be told is told. Recipients without an outcome wait as before."""
        left = await self._lane.run(self._queue.claim, identifier, self._clock())
        try:
            while left:
                await self._decide(left[-1], decision)
                left.pop()
        finally:
            for job in left:  # a fault has left them claimed
                await self._lane.run(self._queue.release, job)
            self.wake()

    async def _decide(self, job: Job, decision: Callable[[Parcel], list[Attempt]]) -> None:
        loaded = await self._lane.run(self._loading.all_of, job)
        if loaded is None:
            return
        try:
            if attempts := decision(loaded.parcel):
                await self._conclusion.conclude(loaded, attempts, _nothing)
            else:
                await self._lane.run(self._queue.release, job)
        finally:
            await self._close(loaded)

    async def _rounds(self) -> None:
        """Round after round; a fault of ours ends one of them and not all."""
        is_ready = False
        while self.running:
            try:
                if not is_ready:
                    await self._ready()
                    is_ready = True
                await self._round()
            except CancelledError:
                raise
            except Exception:
                self._log.failure("queue: a round failed by a fault of ours")
                await sleep(self._reactor, FAULT_PAUSE)

    async def _round(self) -> None:
        self._is_woken = False
        limits, waits = self._limits, self._attempts.must_wait
        admission = Admission(self._runs, self._known, waits, most=limits.runs, each=limits.runs_each)
        found, due = await self._lane.run(self._loading.look, admission)
        for loaded in found:
            if not self.running:  # nobody would wait for it: it is found again after the next start
                await self._close(loaded)
                continue
            self._runs[loaded.job.domain] += 1
            self._begin(self._run(loaded))
        if found or self._is_woken:
            await sleep(self._reactor, ROUND_PAUSE)
        else:
            await self._rest(due)

    async def _rest(self, due: float | None) -> None:
        """Wait until something is due, or somebody wakes us."""
        wait = LONGEST_REST if due is None else due - self._clock()
        seconds = BLOCKED_REST if wait <= 0 else min(max(wait, 0.05), LONGEST_REST)
        self._resting = Deferred()
        timer = self._reactor.callLater(seconds, self.wake)
        try:
            await self._resting
        finally:
            if timer.active():
                timer.cancel()

    async def _run(self, first: Loaded) -> None:
        domain, loaded = first.job.domain, first
        try:
            for number in range(1, self._limits.messages + 1):
                is_last = number == self._limits.messages
                following = await self._send(loaded, _nothing if is_last else partial(self._next, domain))
                if following is None:
                    break
                loaded = following
        finally:
            self._runs[domain] -= 1
            if not self._runs[domain]:
                del self._runs[domain]
            self.wake()

    def _next(self, domain: str) -> Loaded | None:
        """What a run goes on with; nothing once all stops. It blocks."""
        return self._loading.next(domain) if self.running else None

    async def _send(self, loaded: Loaded, then: Callable[[], Loaded | None]) -> Loaded | None:
        """Send a message; what `then` finds, on the same trip to the disk."""
        try:
            attempts = await self._attempt(loaded)
            if not attempts:  # it was broken off, or there was no place for it
                await self._lane.run(self._queue.release, loaded.job)
                return None
            return await self._conclusion.conclude(loaded, attempts, then)
        finally:
            await self._close(loaded)

    async def _close(self, loaded: Loaded) -> None:
        """What follows is claimed by now, and must not be lost for a file that cannot be closed."""
        try:
            await loaded.content.close()
        except Exception:
            self._log.failure("queue: a message's file could not be closed")

    async def _attempt(self, loaded: Loaded) -> list[Attempt]:
        """What became of it; and what that says of the domain."""
        began = self._reactor.seconds()
        attempts = await self._outcomes(loaded)
        if _is_known_by(loaded, attempts):
            self._known.delivered(loaded.job.domain)
        elif self._reactor.seconds() - began > SLOW_SECONDS and not any(map(_is_delivered, attempts)):
            self._known.forget(loaded.job.domain)
        return attempts

    async def _outcomes(self, loaded: Loaded) -> list[Attempt]:
        try:
            return await self._attempts.attempt(loaded.parcel, loaded.job.domain, loaded.content)
        except CancelledError:
            raise
        except Exception:
            self._log.failure("queue: an attempt failed by a fault of ours")
            return outcomes_of_our_fault(loaded.parcel.waiting, "Something is wrong here", self._clock())

    def _begin(self, work: Any) -> None:
        begun: Deferred[None] = Deferred.fromCoroutine(work)
        self._under_way.add(begun)
        begun.addBoth(self._ended, begun)

    def _ended(self, result: Any, begun: Deferred[None]) -> None:
        self._under_way.discard(begun)
        if result is not None and not result.check(CancelledError):
            self._failed(result)

    def _break_off(self) -> None:
        """Again and again: what is broken off may have something to conclude, and wait for that too."""
        self._patience = self._reactor.callLater(BREAK_OFF_INTERVAL, self._break_off)
        for each in list(self._under_way):
            each.cancel()

    async def _look_after(self) -> None:
        """Make removals durable; and look at all files, in turns, where the queue wants it."""
        if not self._queue.wants_upkeep:
            await self._lane.run(self._sync_removals)
            return
        try:
            turns = self._queue.upkeep()
            while self.running and await self._lane.run(_turn, turns):
                self.wake()
        except Exception:
            self._log.failure("queue: its files cannot be looked at by a fault of ours")

    def _sync_removals(self) -> None:
        try:
            self._queue.sync_removals()
        except Exception as error:
            self._log.error("queue: what was removed is not durable yet: {error}", error=str(error))

    def _failed(self, failure: Any) -> None:
        self._log.failure("queue: something went wrong", failure)


def _is_known_by(loaded: Loaded, attempts: Sequence[Attempt]) -> bool:
    """Whether a domain is known by these outcomes. What it takes of our reports alone says nothing for it: anybody can
    cause them."""
    if loaded.parcel.message.envelope.sender is None:
        return False
    return any(map(_is_delivered, attempts))


def _is_delivered(attempt: Attempt) -> bool:
    return attempt.is_final and attempt.fate is not Fate.FAILED


def _nothing() -> None:
    """There is no following message."""


def _turn(turns: Iterator[None]) -> bool:
    """One turn of many; false where there is no further one."""
    return next(turns, _END) is not _END


def _settled(waiting: Deferred[None]) -> Deferred[None]:
    """A Deferred that fires when another one has, however that ends."""
    settled: Deferred[None] = Deferred()

    def settle(result: Any) -> Any:
        settled.callback(None)
        return result

    waiting.addBoth(settle)
    return settled
