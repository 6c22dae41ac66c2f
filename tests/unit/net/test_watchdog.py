"""The watchdog counts what holds up the reactor."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.task import Clock

from mailbox_d.net.run_queue import RunQueue
from mailbox_d.net.watchdog import Watchdog


class Log:
    def warn(self, *_: object, **__: object) -> None:
        pass

    info = warn


def test_late_ticks_are_counted() -> None:
    clock = Clock()
    dog = Watchdog(clock, waited=lambda: 0.0)
    dog.log = Log()  # type: ignore[assignment]
    dog.startService()
    for _ in range(20):
        clock.advance(0.05)
    assert dog.stalls == 0
    clock.advance(0.3)
    assert (dog.stalls, dog.longest) == (1, 0.25)
    for _ in range(20):
        clock.advance(0.05)
    assert dog.stalls == 1
    dog.stopService()


def test_waiting_for_a_processor_is_no_stall_but_what_is_beside_it_is() -> None:
    clock, waited = Clock(), [7.0]
    dog = Watchdog(clock, waited=lambda: waited[0])
    dog.log = Log()  # type: ignore[assignment]
    dog.startService()
    waited[0] += 0.24
    clock.advance(0.3)
    assert (dog.stalls, dog.starved) == (0, 1)
    waited[0] += 0.1
    clock.advance(0.3)
    assert (dog.stalls, dog.starved, dog.longest) == (1, 1, 0.15)
    clock.advance(0.3)
    assert (dog.stalls, dog.starved, dog.longest) == (2, 1, 0.25)
    dog.stopService()


def test_how_long_this_thread_has_waited_only_grows() -> None:
    queue = RunQueue()
    times = [queue.waited() for _ in range(3)]
    assert times == sorted(times)
    assert times[0] >= 0


def test_a_kernel_that_counts_nothing_is_taken_for_one_without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = RunQueue()
    monkeypatch.setattr(queue, "_path", Path("/proc/self/nothing"))
    assert queue.waited() == 0
