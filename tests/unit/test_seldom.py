"""One matter is said once a while."""

from __future__ import annotations

from mailbox_d.seldom import AGAIN, MOST, Seldom


def test_once_a_while() -> None:
    now = [1000.0]
    seldom = Seldom(lambda: now[0])
    assert [seldom.is_due("a") for _ in range(3)] == [True, False, False]
    assert seldom.is_due("b")
    now[0] += AGAIN
    assert [seldom.is_due("a") for _ in range(2)] == [True, False]


def test_a_clock_that_is_set_back_keeps_nothing_from_being_said() -> None:
    now = [1000.0]
    seldom = Seldom(lambda: now[0])
    seldom.is_due("a")
    now[0] -= 500
    assert seldom.is_due("a")


def test_the_oldest_matters_are_forgotten() -> None:
    seldom = Seldom(lambda: 0.0)
    for number in range(MOST + 1):
        assert seldom.is_due(number)
    assert seldom.is_due(0)
    assert not seldom.is_due(MOST)
