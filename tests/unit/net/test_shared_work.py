"""Work that several wait for is done once, and ends when nobody waits any more."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from mailbox_d.net.shared_work import SharedWork


class Work:
    def __init__(self) -> None:
        self.was_cancelled = False
        self.done: Deferred[str] = Deferred(self._cancelled)
        self.shared: SharedWork[str] = SharedWork()

    async def run(self) -> str:
        return await self.done

    def _cancelled(self, _: Deferred[str]) -> None:
        self.was_cancelled = True


@pytest.mark.parametrize("outcome", ["well", ValueError("badly")])
def test_all_are_told(outcome: str | ValueError) -> None:
    work, told = Work(), list[object]()
    waiting = [work.shared.wait() for _ in range(2)]
    work.shared.begin(work.run())
    waiting.append(work.shared.wait())
    for one in waiting:
        one.addCallbacks(told.append, lambda failure: told.append(failure.value))
    assert told == []
    if isinstance(outcome, str):
        work.done.callback(outcome)
    else:
        work.done.errback(outcome)
    assert told == [outcome] * 3


def test_work_that_needs_no_wait_is_told_too() -> None:
    work, told = Work(), list[str]()
    work.done.callback("at once")
    work.shared.wait().addCallback(told.append)
    work.shared.begin(work.run())
    assert told == ["at once"]


def test_who_leaves_leaves_it_to_the_others_and_the_last_ends_it() -> None:
    work, left = Work(), list[type]()
    first, second = work.shared.wait(), work.shared.wait()
    work.shared.begin(work.run())
    for one in (first, second):
        one.addErrback(lambda failure: left.append(failure.type))
    first.cancel()
    assert (left, work.was_cancelled) == ([CancelledError], False)
    second.cancel()
    assert (left, work.was_cancelled) == ([CancelledError] * 2, True)
