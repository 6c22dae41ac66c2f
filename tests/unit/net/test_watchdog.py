"""The watchdog counts what holds up the reactor."""

from __future__ import annotations

from twisted.internet.task import Clock

from mailbox_d.net.watchdog import Watchdog


class Log:
    def warn(self, *_: object, **__: object) -> None:
        pass

    info = warn


def test_late_ticks_are_counted() -> None:
    clock = Clock()
    dog = Watchdog(clock)
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
