"""Work is carried on in turns, asks children, pauses on no thread, and can be ended anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.control.driver import Driver, InReactor, Steps, Stopped, take_turn
from mailbox_d.errors import MailboxBusy
from mailbox_d.net.children import ChildFailed
from mailbox_d.net.lanes import InlineLane
from mailbox_d.store.upkeep.steps import Note, Pause, Told, Work, ask, patiently


class Answering:
    """Children that answer a word with itself, and die of `die`."""

    running = False

    def startService(self) -> None:
        self.running = True

    def stopService(self) -> None:
        self.running = False

    async def run(self, asked: Sequence[bytes]) -> list[bytes]:
        if asked == [b"die"]:
            raise ChildFailed
        return list(asked)


def begun(work: Steps) -> tuple[Driver, Clock, list[Told], Deferred[None], Answering]:
    clock, told, children = Clock(), list[Told](), Answering()
    driver = Driver(clock, InlineLane(), children)  # type: ignore[arg-type]

    async def tell(steps: Sequence[Told]) -> None:
        told.extend(steps)

    return driver, clock, told, Deferred.fromCoroutine(driver.drive(work, tell)), children


def result(deferred: Deferred[None]) -> Any:
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found[0] if found else "nothing yet"


def test_something_is_done_in_the_reactors_thread_and_its_result_comes_back() -> None:
    waiting: Deferred[str] = Deferred()

    async def done() -> str:
        return await waiting

    def work() -> Steps:
        yield Note("", "before")
        yield Note("", (yield InReactor(done)))

    _, _, told, end, _ = begun(work())
    assert told == [Note("", "before")] and result(end) == "nothing yet"
    waiting.callback("it is done")
    assert told[1:] == [Note("", "it is done")]


def test_children_answer_and_one_that_fails_answers_nothing() -> None:
    def work() -> Work[None]:
        answered = yield from ask([[b"a"], [b"die"], [b"b", b"c"]])
        yield Note("", str(answered))

    _, _, told, done, children = begun(work())
    assert told == [Note("", "[[b'a'], None, [b'b', b'c']]")]
    assert result(done) is None and not children.running


def test_a_busy_mailbox_is_waited_for_and_then_given_up() -> None:
    tried = [0]

    def busy() -> str:
        tried[0] += 1
        raise MailboxBusy("The mailbox is in use by another program")

    def work() -> Work[None]:
        yield from patiently(busy, patience=0.2)

    _, clock, _, done, _ = begun(work())
    clock.pump([0.05] * 10)
    assert tried[0] in (5, 6)
    assert isinstance(result(done).value, MailboxBusy)


def test_a_stop_ends_a_pause_and_closes_the_work() -> None:
    closed: list[bool] = []

    def work() -> Work[None]:
        try:
            while True:
                yield Pause(10.0)
        finally:
            closed.append(True)

    driver, clock, _, done, children = begun(work())
    assert result(done) == "nothing yet"
    driver.stop()
    assert closed == [True] and not clock.getDelayedCalls() and not children.running


def test_a_stop_is_told_to_whoever_drives() -> None:
    def work() -> Work[None]:
        yield Pause(10.0)

    driver, _, _, done, _ = begun(work())
    driver.stop()
    assert isinstance(result(done).value, Stopped)


def test_a_turn_is_short_in_time_and_in_what_it_tells() -> None:
    def work() -> Work[None]:
        while True:
            yield Note("", "")

    seconds = iter(range(100))
    assert len(take_turn(work(), None, lambda: float(next(seconds))).told) == 1
    assert len(take_turn(work(), None, lambda: 0.0).told) == 200


def test_an_error_of_the_work_is_an_outcome_and_not_tried_again() -> None:
    def work() -> Work[None]:
        yield Note("", "before")
        raise MailboxBusy("The mailbox is in use by another program")

    _, _, told, done, _ = begun(work())
    assert told == [Note("", "before")]
    with pytest.raises(MailboxBusy):
        result(done).raiseException()
