"""A lane's threads, with a reactor that is called by hand."""

from __future__ import annotations

import threading
from functools import partial
from queue import Queue
from typing import Any

import pytest
from twisted.logger import capturedLogs

from mailbox_d.errors import TemporaryError
from mailbox_d.net.lane_threads import LaneThreads

SECONDS = 10.0


class Reactor:
    """Keeps what threads want to be called."""

    def __init__(self) -> None:
        self.calls: Queue[Any] = Queue()

    def callFromThread(self, work: Any) -> None:
        self.calls.put(work)

    def turn(self) -> None:
        self.calls.get(timeout=SECONDS)()


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


def test_work_is_done_in_a_thread_and_told_in_the_reactor_s(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "lane", 1)
    seen: list[object] = []
    threads.do(threading.current_thread).addCallback(lambda thread: seen.extend([thread, threading.current_thread()]))
    reactor.turn()
    assert [thread.name for thread in seen] == ["lane-0", "MainThread"]  # type: ignore[attr-defined]
    threads.stop()


def test_what_a_thread_is_at_cannot_be_broken_off(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "lane", 1)
    go_on = threading.Event()
    told: list[object] = []
    outcome = threads.do(lambda: go_on.wait(SECONDS)).addBoth(told.append)
    outcome.cancel()
    assert told == []
    go_on.set()
    reactor.turn()
    assert told == [True]
    threads.stop()


def test_what_work_raises_is_told_with_its_place(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "lane", 1)
    failures: list[Any] = []
    threads.do(lambda: 1 // 0).addErrback(failures.append)
    reactor.turn()
    assert failures[0].type is ZeroDivisionError
    assert "test_lane_threads" in failures[0].getTraceback()
    threads.stop()


def test_there_are_as_many_threads_as_work_needs_and_no_more_than_the_width(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "of-two", 2)
    together = threading.Barrier(2, timeout=SECONDS)
    done: list[int] = []
    for _ in range(2):
        threads.do(together.wait).addCallback(done.append)
    while len(done) < 2:
        reactor.turn()
    for _ in range(20):
        threads.do(int).addCallback(done.append)
    assert _names("of-two") == ["of-two-0", "of-two-1"]
    threads.stop()
    assert len(done) == 22
    assert _names("of-two") == []


def _names(lane: str) -> list[str]:
    """A lane's threads that live."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith(f"{lane}-"))


def test_one_piece_after_the_other_needs_one_thread(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "lane", 8)
    names: set[str] = set()
    for _ in range(20):
        threads.do(lambda: names.add(threading.current_thread().name))
        reactor.turn()
    assert names == {"lane-0"}
    threads.stop()


def test_stopping_waits_for_the_work_that_was_given(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "lane", 1)
    done: list[int] = []
    for number in range(50):
        threads.do(lambda number=number: number).addCallback(done.append)
    threads.stop()
    assert done == list(range(50))


def test_who_goes_on_for_long_with_what_was_done_leaves_the_others_to_the_next_turn(reactor: Reactor) -> None:
    times = iter(range(1000))
    threads = LaneThreads(reactor, "lane", 1, monotonic=lambda: float(next(times)))
    done: list[int] = []
    finished = threading.Event()
    for number in range(5):
        threads.do(partial(int, number)).addCallback(done.append)
    threads.do(finished.set)
    assert finished.wait(SECONDS)
    reactor.turn()
    assert done == [0]
    reactor.turn()
    assert done == [0, 1]
    threads.stop()
    assert done == [0, 1, 2, 3, 4]


def test_a_user_s_work_that_hangs_leaves_threads_for_others(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "lane", 2, share=1)
    hangs = threading.Event()
    done: list[object] = []
    for _ in range(5):
        threads.do(partial(hangs.wait, SECONDS), ["ann"]).addCallback(lambda _: done.append("ann"))
    for _ in range(5):
        threads.do(int, ["bob"]).addCallback(lambda _: done.append("bob"))
    while len(done) < 5:
        reactor.turn()
    assert done == ["bob"] * 5
    hangs.set()
    while len(done) < 10:
        reactor.turn()
    threads.stop()


def test_stopping_waits_for_work_that_waits_for_its_user_s_other_work(reactor: Reactor) -> None:
    threads = LaneThreads(reactor, "lane", 2, share=1)
    done: list[int] = []
    for number in range(5):
        threads.do(partial(int, number), ["ann"]).addCallback(done.append)
    threads.stop()
    assert sorted(done) == list(range(5))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each thread that is to be begun whether it can be; any, when the list has ended."""
    begins: list[bool] = []
    start = threading.Thread.start

    def may_start(thread: threading.Thread) -> None:
        if begins and not begins.pop(0):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", may_start)
    return begins


def test_work_that_no_thread_can_be_begun_for_fails_for_now_and_is_counted_no_more(
    reactor: Reactor, short: list[bool]
) -> None:
    threads = LaneThreads(reactor, "lane", 2, share=1)
    short += [False, False, False]
    told: list[Any] = []
    for user in ("ann", "ann", "bob"):
        threads.do(int, [user]).addErrback(lambda failure: told.append(failure.type))
    assert told == [], "who gives work is told later"
    with capturedLogs() as logged:
        reactor.turn()
    assert told == [TemporaryError] * 3, "also who had to wait for the same user's other work"
    assert logged == [], "it was said once"
    for user in ("ann", "bob"):
        threads.do(partial(int, 7), [user]).addCallback(told.append)
    while len(told) < 5:
        reactor.turn()
    assert told[3:] == [7, 7]
    threads.stop()


def test_where_no_more_threads_can_be_begun_those_that_live_do_the_work(reactor: Reactor, short: list[bool]) -> None:
    threads = LaneThreads(reactor, "lane", 4, share=3)
    short += [True, False, False]
    hangs = threading.Event()
    done: list[str] = []
    with capturedLogs() as logged:
        for user in ("ann", "ann", "bob"):
            threads.do(partial(hangs.wait, SECONDS), [user]).addCallback(lambda _, user=user: done.append(user))
    assert [event["log_level"].name for event in logged] == ["warn"]
    hangs.set()
    while len(done) < 3:
        reactor.turn()
    assert done == ["ann", "ann", "bob"]
    together = threading.Barrier(2, timeout=SECONDS)
    for _ in range(2):
        threads.do(together.wait, ["ann"]).addCallback(lambda _: done.append("ann"))
    threads.stop()
    assert len(done) == 5, "there are as many threads as work needs, when there may be"


def test_stopping_without_a_thread_tells_what_came_of_the_work(reactor: Reactor, short: list[bool]) -> None:
    threads = LaneThreads(reactor, "lane", 2, share=1)
    short += [False] * 10
    told: list[Any] = []
    for _ in range(3):
        threads.do(int, ["ann"]).addErrback(lambda failure: told.append(failure.type))
    threads.stop()
    assert told == [TemporaryError] * 3
