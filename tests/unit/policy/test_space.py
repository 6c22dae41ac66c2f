"""Room on the disk."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.policy.space import FreeSpace
from mailbox_d.policy.verdict import Refused


class Disk:
    free = 150
    asked = 0

    async def measure(self) -> int:
        self.asked += 1
        return self.free


def check(space: FreeSpace, size: int) -> Refused | None:
    results: list[Refused | None] = []
    Deferred.fromCoroutine(space.check(size)).addCallback(results.append)
    return results[0]


def test_a_message_needs_half_as_much_again() -> None:
    space = FreeSpace(Disk().measure, Clock().seconds)
    assert check(space, 100) is None
    assert check(space, 101) is not None


def test_the_disk_is_asked_once_a_second_at_most() -> None:
    disk, clock = Disk(), Clock()
    space = FreeSpace(disk.measure, clock.seconds)
    for _ in range(10):
        check(space, 1)
    assert disk.asked == 1
    disk.free = 0
    clock.advance(1)
    assert check(space, 1) is not None
