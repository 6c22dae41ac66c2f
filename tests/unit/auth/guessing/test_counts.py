"""Failures that decay, and the waits that come of them."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from mailbox_d.auth.guessing.counts import Counts, Waits

WAITS = Waits(3, first=2.0, most=15.0, half_life=900.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def counts(clock: Clock, most: int = 100, at_once: int = 0) -> Counts:
    return Counts(clock.seconds, WAITS, most, at_once=at_once)


def test_waits_begin_above_what_is_free_double_and_have_an_end() -> None:
    assert [WAITS.after(failures) for failures in (0, 3, 4, 5, 6, 7, 10**9)] == [0.0, 0.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_the_next_try_is_as_far_away_as_the_failures_say(clock: Clock) -> None:
    counted = counts(clock)
    for _ in range(3):
        counted.fail("ann")
        assert not counted.must_wait("ann")
    counted.fail("ann")
    assert counted.must_wait("ann")
    assert not counted.must_wait("bob")
    clock.advance(1.9)
    assert counted.must_wait("ann")
    clock.advance(0.1)
    assert not counted.must_wait("ann")


def test_half_of_the_failures_are_forgotten_after_each_half_life(clock: Clock) -> None:
    counted = counts(clock)
    for _ in range(8):
        counted.fail("ann")
    clock.advance(900)
    assert counted.failures("ann") == pytest.approx(4)
    clock.advance(1800)
    assert counted.failures("ann") == pytest.approx(1)
    clock.advance(1e12)
    assert counted.failures("ann") == pytest.approx(0)


def test_attack_36_what_is_tried_at_the_same_moment_is_no_way_around_a_wait(clock: Clock) -> None:
    counted = counts(clock)
    for _ in range(5):
        counted.fail("ann")
    clock.advance(4)
    assert not counted.must_wait("ann") and not counted.is_busy("ann")
    counted.begin("ann")
    assert counted.is_busy("ann") and not counted.is_busy("bob")
    counted.fail("ann")
    counted.end("ann")
    assert counted.must_wait("ann") and not counted.is_busy("ann")


def test_who_never_failed_keeps_nobody_waiting(clock: Clock) -> None:
    counted = counts(clock)
    for _ in range(3):
        counted.fail("ann")
    counted.begin("ann")
    assert not counted.is_busy("ann")


def test_those_who_wait_for_a_try_are_called_one_after_the_other(clock: Clock) -> None:
    counted = counts(clock)
    for _ in range(5):
        counted.fail("ann")
    counted.begin("ann")
    called: list[int] = []

    def next_one(number: int) -> None:
        called.append(number)
        if number != 1:  # which is refused, and begins nothing
            counted.begin("ann")
        if number == 2:  # which is over at once
            counted.end("ann")

    for number in range(5):
        counted.when_over("ann", partial(next_one, number))
    assert not called
    counted.end("ann")
    assert called == [0]
    counted.end("ann")
    assert called == [0, 1, 2, 3]
    counted.end("ann")
    counted.end("ann")
    assert called == [0, 1, 2, 3, 4]
    assert not counted._queues and not counted._under_way


def test_many_who_are_over_at_once_are_no_recursion(clock: Clock) -> None:
    counted = counts(clock)
    for _ in range(5):
        counted.fail("ann")
    counted.begin("ann")

    def over_at_once() -> None:
        counted.begin("ann")
        counted.end("ann")

    for _ in range(5000):
        counted.when_over("ann", over_at_once)
    counted.end("ann")
    assert not counted._queues


def test_one_failure_is_taken_back_and_no_wait(clock: Clock) -> None:
    counted = counts(clock)
    for _ in range(5):
        counted.fail("ann")
    counted.forgive("ann")
    counted.forgive("bob")
    assert counted.failures("ann") == 4 and counted.failures("bob") == 0
    assert counted.must_wait("ann")
    for _ in range(9):
        counted.forgive("ann")
    assert counted.failures("ann") == 0


def test_so_many_tries_of_one_name_may_be_under_way_or_wait(clock: Clock) -> None:
    counted = counts(clock, at_once=2)
    counted.begin("ann")
    counted.when_over("ann", lambda: None)
    assert counted.is_full("ann")
    assert not counted.is_full("bob")
    counted.end("ann")
    assert not counted.is_full("ann")
    assert not counted._under_way


@given(st.lists(st.tuples(st.sampled_from(["begin", "fail", "end", "look"]), st.integers(0, 20)), max_size=200))
def test_whatever_strangers_do_only_so_much_is_remembered(steps: list[tuple[str, int]]) -> None:
    counted = counts(Clock(), most=5, at_once=3)
    for step, name in steps:
        {"begin": counted.begin, "fail": counted.fail, "end": counted.end, "look": counted.must_wait}[step](str(name))
        assert len(counted) <= 5
        assert all(number > 0 for number in counted._under_way.values())
        assert len(counted._under_way) <= sum(taken == "begin" for taken, _ in steps)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=100))
def test_no_more_tries_get_through_than_the_waits_let_through(steps: list[tuple[bool, float]]) -> None:
    """Whoever tries as fast as they like has `free` tries, and one for each wait from then on."""
    clock = Clock()
    counted = counts(clock)
    times: list[float] = []
    for tries, pause in steps:
        clock.advance(pause)
        if tries and not counted.must_wait("ann") and not counted.is_busy("ann"):
            counted.begin("ann")
            counted.fail("ann")
            counted.end("ann")
            times.append(clock.seconds())
    waits = [later - earlier for earlier, later in pairwise(times[5:])]
    assert all(wait >= 2.0 for wait in waits)


def test_who_was_looked_at_last_is_remembered(clock: Clock) -> None:
    counted = counts(clock, most=2)
    counted.fail("ann")
    counted.fail("bob")
    counted.must_wait("ann")
    counted.fail("carol")
    assert (counted.failures("ann"), counted.failures("bob")) == (1, 0)
