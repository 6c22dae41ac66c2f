"""Domains whose servers were not reached are let be for a while, longer from time to time, and never for long."""

from __future__ import annotations

from mailbox_d.relay.dispatch.unreachable import DOMAINS_MAX, FIRST_WAIT, LONGEST_WAIT, Unreachable
from mailbox_d.relay.ports import PeerFailure

FAILURE = PeerFailure("Nobody is there", "4.4.1", stage="connect")


def test_a_pause_ends_and_the_next_one_is_longer_up_to_a_bound() -> None:
    now = [0.0]
    unreachable = Unreachable(lambda: now[0])
    expected = FIRST_WAIT
    for _ in range(10):
        unreachable.failed("a", FAILURE)
        now[0] += expected - 0.01
        assert unreachable.failure("a") is FAILURE
        now[0] += 0.02
        assert unreachable.failure("a") is None
        expected = min(expected * 2, LONGEST_WAIT)


def test_several_that_fail_at_once_count_once() -> None:
    now = [0.0]
    unreachable = Unreachable(lambda: now[0])
    for _ in range(5):
        unreachable.failed("a", FAILURE)
    now[0] += FIRST_WAIT + 0.01
    assert unreachable.failure("a") is None


def test_who_is_reached_is_forgotten() -> None:
    unreachable = Unreachable(lambda: 0.0)
    unreachable.failed("a", FAILURE)
    unreachable.reached("a")
    unreachable.failed("b", FAILURE)
    assert unreachable.failure("a") is None
    unreachable.forget()
    assert unreachable.failure("b") is None


def test_memory_is_bounded() -> None:
    unreachable = Unreachable(lambda: 0.0)
    for number in range(DOMAINS_MAX + 10):
        unreachable.failed(str(number), FAILURE)
    assert unreachable.failure("0") is None
    assert unreachable.failure(str(DOMAINS_MAX + 9)) is FAILURE


def test_no_pause_is_longer_than_messages_wait() -> None:
    now = [0.0]
    unreachable = Unreachable(lambda: now[0], first=1.0, longest=2.0)
    for seconds in (1.0, 2.0, 2.0):
        unreachable.failed("a", FAILURE)
        assert unreachable.failure("a") is FAILURE
        now[0] += seconds + 0.01
        assert unreachable.failure("a") is None
