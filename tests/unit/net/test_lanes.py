"""Lanes: work in threads, and patience with mailboxes that others have locked."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from mailbox_d.errors import MailboxBusy
from mailbox_d.net import lanes
from mailbox_d.net.lanes import InlineLane, Lane


class AtOnce:
    """Threads that do their work where it is given."""

    users: list[Any]
    """For whom."""

    def __init__(self, reactor: Any, name: str, width: int, *, share: int | None = None) -> None:
        self.users = []

    def do(self, work: Any, users: Any = ()) -> Deferred[Any]:
        self.users.append(users)
        return maybeDeferred(work)


class BusyMailbox:
    """Is locked for the first `times` tries."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.tries = 0

    def open(self) -> str:
        self.tries += 1
        if self.tries <= self.left:
            raise MailboxBusy("The mailbox is locked")
        return "opened"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in place of the reactor, and threads that do their work at once."""

    monkeypatch.setattr(lanes, "LaneThreads", AtOnce)
    return Clock()


def outcome_of(work: Any) -> list[Any]:
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(outcome.append)
    return outcome


def test_a_busy_mailbox_is_tried_again_with_growing_pauses(clock: Clock) -> None:
    mailbox = BusyMailbox(3)
    outcome = outcome_of(Lane(clock, "store", 1).run(mailbox.open))
    waited = 0.0
    while not outcome:
        (call,) = clock.getDelayedCalls()
        waited += call.getTime() - clock.seconds()
        clock.advance(call.getTime() - clock.seconds())
    assert outcome == ["opened"]
    assert mailbox.tries == 4
    assert waited == pytest.approx(0.002 + 0.003 + 0.0045)


def test_patience_has_an_end(clock: Clock) -> None:
    mailbox = BusyMailbox(10**6)
    outcome = outcome_of(Lane(clock, "store", 1, patience=5.0).run(mailbox.open))
    for _ in range(100):
        clock.advance(0.5)
    assert outcome[0].type is MailboxBusy


def test_other_errors_are_not_tried_again(clock: Clock) -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise ValueError

    outcome = outcome_of(Lane(clock, "store", 1).run(fail))
    assert outcome[0].type is ValueError
    assert len(tries) == 1


def test_the_inline_lane_works_where_it_stands() -> None:
    assert outcome_of(InlineLane().run(max, 1, 2)) == [2]


def test_a_wake_up_from_any_thread_runs_in_the_reactor_s() -> None:
    class Reactor:
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def callFromThread(self, call: Any) -> None:
            self.calls.append(call)

    reactor, woken = Reactor(), []
    Lane(reactor, "store", 1).wake(lambda: woken.append(True))
    assert not woken
    (call,) = reactor.calls
    call()
    assert woken == [True]


def test_a_lane_for_users_has_the_threads_of_all(clock: Clock) -> None:
    lane = Lane(clock, "store", 2)
    outcome_of(lane.of("ann@example.org").run(int))
    outcome_of(lane.of("ann@example.org", "bob@example.org", "ann@example.org").run(int))
    outcome_of(lane.run(int))
    assert lane._threads.users == [  # type: ignore[attr-defined]
        ("ann@example.org",),
        ("ann@example.org", "bob@example.org"),
        (),
    ]


def test_what_work_would_wait_for_is_ended_before_the_lane_is(clock: Clock) -> None:
    lane = Lane(clock, "directory", 2)
    stopped: list[str] = []
    lane._threads.stop = lambda: stopped.append("threads")  # type: ignore[method-assign]
    lane.of("staff").before_stop(lambda: stopped.append("staff"))
    lane.before_stop(lambda: stopped.append("guests"))
    lane.stop()
    assert stopped == ["staff", "guests", "threads"]
