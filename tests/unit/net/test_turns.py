"""Sessions share a turn of the reactor."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailbox_d.net.turns import TURN_SECONDS, Turns

QUARTER = TURN_SECONDS / 4


class Stage:
    """A reactor whose time passes by what is worked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.done: list[str] = []
        self.calls: list[Callable[[], None]] = []
        self.turns = Turns(lambda _, call: self.calls.append(call), monotonic=lambda: self.now)

    def turn(self) -> None:
        """What is asked for meanwhile is for the next turn, as with the reactor."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    def work(self, name: str, seconds: float = QUARTER) -> Callable[[], None]:
        def work() -> None:
            self.done.append(name)
            self.now += seconds

        return work


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_comes_one_at_a_time_is_done_at_once(stage: Stage) -> None:
    for number in range(20):
        stage.turns.take(stage.work(str(number), TURN_SECONDS))
        stage.now += QUARTER
        assert len(stage.done) == number + 1
    assert stage.calls == []


def test_of_what_comes_at_once_a_turn_s_worth_is_done_in_each_turn_in_order(stage: Stage) -> None:
    for name in "abcdefghij":
        stage.turns.take(stage.work(name))
    assert "".join(stage.done) == "abcd"
    stage.turn()
    assert "".join(stage.done) == "abcdefgh"
    stage.turns.take(stage.work("k"))
    stage.turn()
    assert "".join(stage.done) == "abcdefghijk"


def test_who_has_had_a_turn_waits_behind_those_who_wait(stage: Stage) -> None:
    stage.turns.wait(stage.work("a"))
    stage.turns.take(stage.work("b"))
    assert stage.done == []
    stage.turn()
    assert stage.done == ["a", "b"]


def test_what_asks_for_another_turn_in_its_own_has_the_next_one(stage: Stage) -> None:
    def again() -> None:
        stage.done.append("a")
        stage.turns.wait(stage.work("b", 0))

    stage.turns.wait(again)
    stage.turn()
    assert stage.done == ["a"]
    stage.turn()
    assert stage.done == ["a", "b"]


def test_what_fails_keeps_nobody_from_their_turn(stage: Stage) -> None:
    stage.turns.wait(lambda: 1 // 0)
    stage.turns.wait(stage.work("a"))
    with pytest.raises(ZeroDivisionError):
        stage.turn()
    stage.turn()
    assert stage.done == ["a"]
