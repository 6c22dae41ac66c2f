"""The threads of a lane: work goes out by one queue, and what came of it comes back to the reactor many at a time.

Twisted's thread pool takes about four times as many futex calls for a piece of work; where a message takes half a
millisecond, that is felt.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")

_TURN_SECONDS = 0.01
"""How long sessions go on with what came of their work before the reactor looks at its sockets again."""


class LaneThreads:
    """At most `width` threads, begun when there is work for them. `do` and `stop` belong to the reactor's thread."""

    def __init__(self, reactor: Any, name: str, width: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reactor = reactor
        self._monotonic = monotonic
        self._name = name
        self._width = width
        self._threads: list[Thread] = []
        self._work: SimpleQueue[tuple[Deferred[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._done: deque[tuple[Deferred[Any], object]] = deque()
        self._under_way = 0
        self._coming_back = False

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        """Do `work` in a thread; the Deferred fires, in the reactor's thread, with what it returns or raises."""
        outcome: Deferred[Any] = Deferred()
        self._under_way += 1
        if self._under_way > len(self._threads) < self._width:
            self._begin_thread()
        self._work.put((outcome, work))
        return cast("Deferred[T]", outcome)

    def stop(self) -> None:
        """Wait for all work that was given, tell what came of it, end the threads. Blocks."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        while self._done:
            self._bring_back()

    def _begin_thread(self) -> None:
        thread = Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (given := self._work.get()) is not None:
            outcome, work = given
            self._done.append((outcome, _result_of(work)))
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
            outcome, result = self._done.popleft()
            self._under_way -= 1
            outcome.callback(result)
            if self._done and self._monotonic() >= until:
                self._come_back()
                return


def _result_of(work: Callable[[], object]) -> object:
    try:
        return work()
    except BaseException:
        return Failure()
