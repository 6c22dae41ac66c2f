"""The threads of a lane: work goes out by one queue, and what came of it comes back to the reactor many at a time.

Twisted's thread pool takes about four times as many futex calls for a piece of work; where a message takes half a
millisecond, that is felt.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailbox_d.errors import TemporaryError
from mailbox_d.net.lane_shares import LaneShares
from mailbox_d.printable import one_line

T = TypeVar("T")

_TURN_SECONDS = 0.01
"""How long sessions go on with what came of their work before the reactor looks at its sockets again."""


class _Outcome(Deferred[T]):
    """What a thread is at cannot be broken off: who waits for it learns in any case what came of it."""

    def cancel(self) -> None:
        pass


@dataclass(slots=True, eq=False)
class _Work:
    """A piece of work, for whom it is, and what came of it."""

    call: Callable[[], Any]
    users: Sequence[str]
    outcome: Deferred[Any]
    result: object = None


class LaneThreads:
    """At most `width` threads, begun when there is work for them, of which one user's work holds no more than `share`.

    Where the system has no thread left, the work waits for those that there are; with none at all it fails.
    `do` and `stop` belong to the reactor's thread.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        name: str,
        width: int,
        *,
        share: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._monotonic = monotonic
        self._name = name
        self._width = width
        self._threads: list[Thread] = []
        self._shares: LaneShares[_Work] = LaneShares(share or width)
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._done: deque[_Work] = deque()
        self._under_way = 0
        self._coming_back = False
        self._is_short = False
        """Whether the last thread that was wanted could not be begun."""

    def do(self, call: Callable[[], T], users: Sequence[str] = ()) -> Deferred[T]:
        """Make the call in a thread, for these users; the Deferred fires, in the reactor's thread, with what it returns
        or raises, also where it is cancelled; with a `TemporaryError` if no thread can be begun."""
        outcome: Deferred[Any] = _Outcome()
        work = _Work(call, users, outcome)
        if not users or self._shares.admit(users, work):
            self._give(work)
        return cast("Deferred[T]", outcome)

    def stop(self) -> None:
        """Wait for all work that was given, tell what came of it, end the threads. Blocks."""
        for work in self._shares.rest():
            self._give(work)
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        while self._done:
            self._bring_back()

    def _give(self, work: _Work) -> None:
        self._under_way += 1
        if self._under_way > len(self._threads) < self._width:
            self._begin_thread()
        if self._threads:
            self._work.put(work)
        else:
            work.result = Failure(TemporaryError("The service is not available now", cause="no thread can be begun"))
            self._done.append(work)
            self._come_back()

    def _begin_thread(self) -> None:
        """Have one thread more, unless the system has none left: told once, until it has again."""
        thread = Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not self._is_short:
                count, text = len(self._threads), one_line(error)
                self._log.warn(
                    "no thread more than {count} for {name}: {text}", count=count, name=self._name, text=text
                )
            self._is_short = True
        else:
            self._threads.append(thread)
            self._is_short = False

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work.result = _result_of(work.call)
            self._done.append(work)
            self._come_back()

    def _come_back(self) -> None:
        """Have the reactor fire for what is done, unless it is about to."""
        if not self._coming_back:
            self._coming_back = True
            self._reactor.callFromThread(self._bring_back)

    def _bring_back(self) -> None:
        """Fire for what is done, for some milliseconds; then others have their turn.

        The mark goes down first: who finishes from now on sets it and calls again.
        """
        self._coming_back = False
        until = self._monotonic() + _TURN_SECONDS
        while self._done:
            work = self._done.popleft()
            self._under_way -= 1
            if work.users:
                for following in self._shares.done(work.users):
                    self._give(following)
            work.outcome.callback(work.result)
            if self._done and self._monotonic() >= until:
                self._come_back()
                return


def _result_of(work: Callable[[], object]) -> object:
    try:
        return work()
    except BaseException:
        return Failure()
