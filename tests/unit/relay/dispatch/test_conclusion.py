"""What follows from an attempt: reports before notes, given up in the end, nothing lost where the disk refuses."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import StorageFault, TemporaryError
from mailbox_d.net.lanes import InlineLane
from mailbox_d.queue.message import Attempt, Fate, Notify
from mailbox_d.queue.reports import Report
from mailbox_d.record.events import Event, GivenUp, Received, Reported, Tried
from mailbox_d.relay.dispatch.conclusion import EXPIRED, MOST_FAULTS, Conclusion, ReportSettings
from mailbox_d.store.files import FileSystem
from tests.unit.relay.at_once import done
from tests.unit.relay.queued import ALICE, Queued

CAROL, DAVE = EmailAddress.parse("carol@example.com"), EmailAddress.parse("dave@example.com")
HOUR = 3600.0


class Refusing(FileSystem):
    """A disk that takes no outcomes for a while."""

    refusals = 0

    def open(self, path: bytes, flags: int) -> int:
        if self.refusals and flags & os.O_CREAT and b"/outcomes/" in path:
            self.refusals -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().open(path, flags)


@dataclass
class World:
    folder: Path
    files: Refusing = field(default_factory=Refusing)
    posted: list[Report] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    post_fault: Exception | None = None

    def __post_init__(self) -> None:
        self.queued = Queued(self.folder, self.files)
        self.conclusion = Conclusion(
            self.queued.queue,
            InlineLane(),
            self,
            self,
            ReportSettings("mail.example.org", 50_000, 2 * 24 * HOUR),
            clock=lambda: self.queued.now,
            sleep=self.sleep,
        )

    async def post(self, identifier: str, report: Report) -> None:
        if self.post_fault is not None:
            raise self.post_fault
        self.posted.append(report)

    def tell(self, event: Event) -> None:
        self.events.append(event)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def attempt(self, *said: tuple[EmailAddress, Fate], status: str = "4.2.0") -> None:
        """Conclude an attempt at the next due message with these outcomes."""
        loaded = self.queued.load()
        attempts = [Attempt(self.queued.now, who, fate, status, "mx", "192.0.2.1", "450 so") for who, fate in said]
        done(self.conclusion.conclude(loaded, attempts, lambda: None))

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_delivered_is_gone_and_nobody_is_told(world: World) -> None:
    world.queued.add("A", str(CAROL))
    world.attempt((CAROL, Fate.RELAYED))
    assert world.queued.messages == []
    assert world.posted == []
    (event,) = world.told(Tried)
    assert isinstance(event, Tried)
    assert event.next_at == 0.0


def test_what_is_not_delivered_yet_waits_and_the_record_knows_until_when(world: World) -> None:
    world.queued.add("A", str(CAROL))
    world.attempt((CAROL, Fate.DEFERRED))
    assert world.queued.messages == ["A"]
    (event,) = world.told(Tried)
    assert isinstance(event, Tried)
    assert event.next_at == pytest.approx(world.queued.now + 300.0)


def test_a_failure_is_reported_once_for_all_recipients(world: World) -> None:
    world.queued.add("A", str(CAROL), str(DAVE))
    world.attempt((CAROL, Fate.FAILED), (DAVE, Fate.FAILED), status="5.1.1")
    (report,) = world.posted
    assert report.envelope.recipients[0].address == ALICE
    assert report.octets.count(b"Action: failed") == 2
    assert world.queued.messages == []
    assert [type(event) for event in world.events] == [Received, Reported, Tried, Tried]


@pytest.mark.parametrize("fault", [StorageFault("The disk is full"), ZeroDivisionError("a fault of ours")])
def test_a_report_that_cannot_be_written_leaves_the_failure_to_the_next_attempt(world: World, fault: Exception) -> None:
    world.queued.add("A", str(CAROL), str(DAVE))
    world.post_fault = fault
    world.attempt((CAROL, Fate.FAILED), (DAVE, Fate.RELAYED), status="5.1.1")
    assert world.queued.messages == ["A"]
    world.post_fault = None
    world.queued.now += HOUR
    world.attempt((CAROL, Fate.FAILED), status="5.1.1")
    assert len(world.posted) == 1
    assert world.queued.messages == []


def test_a_sender_is_warned_once_and_the_message_given_up_in_the_end(world: World) -> None:
    world.queued.add("A", str(CAROL))
    for _ in range(200):
        if not world.queued.messages:
            break
        world.attempt((CAROL, Fate.DEFERRED))
        world.queued.now += 4 * HOUR
    assert world.queued.messages == []
    delayed, failed = world.posted
    assert b"Action: delayed" in delayed.octets
    assert b"Action: failed" in failed.octets
    assert b"Status: " + EXPIRED.encode() in failed.octets
    (given_up,) = world.told(GivenUp)
    assert isinstance(given_up, GivenUp)
    assert given_up.recipient == CAROL


def test_nobody_is_told_of_mail_from_nobody(world: World) -> None:
    world.queued.add("A", str(CAROL), sender=None, notify=Notify.SUCCESS | Notify.FAILURE)
    world.attempt((CAROL, Fate.FAILED))
    assert world.posted == []
    assert world.queued.messages == []


def test_what_was_taken_is_noted_however_long_the_disk_refuses(world: World) -> None:
    """It would be sent twice otherwise."""
    world.queued.add("A", str(CAROL), str(DAVE))
    world.files.refusals = 4
    world.attempt((CAROL, Fate.RELAYED), (DAVE, Fate.DEFERRED))
    assert world.slept == [0.5, 1.0, 2.0, 4.0]
    world.queued.now += HOUR
    assert [each.address for each in world.queued.load().parcel.waiting] == [DAVE]


def test_what_is_only_deferred_keeps_nothing_waiting_for_a_full_disk(world: World) -> None:
    """Others' mail may go, which makes room."""
    world.queued.add("A", str(CAROL))
    world.queued.add("B", str(DAVE).replace("example.com", "example.net"))
    world.files.refusals = 100
    world.attempt((CAROL, Fate.DEFERRED))
    assert len(world.slept) == 1
    (event,) = world.told(Tried)
    assert isinstance(event, Tried)
    assert event.next_at == pytest.approx(world.queued.now + 300.0)
    assert world.queued.queue.jobs.claimed == 0
    assert world.queued.queue.take("example.com", world.queued.now + 299) is None
    assert world.queued.queue.take("example.com", world.queued.now + 301) is not None


@pytest.mark.parametrize("times", [1, MOST_FAULTS - 1])
def test_a_fault_of_ours_while_an_outcome_is_noted_leaves_nothing_claimed(
    world: World, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [MemoryError("a fault") for _ in range(times)]
    settle = world.queued.queue.settle

    def failing(*given: Any) -> Any:
        if faults:
            raise faults.pop()
        return settle(*given)

    monkeypatch.setattr(world.queued.queue, "settle", failing)
    world.queued.add("A", str(CAROL))
    world.attempt((CAROL, Fate.RELAYED))
    assert world.queued.messages == []
    assert world.queued.queue.jobs.claimed == 0


def test_a_fault_of_ours_that_does_not_end_holds_nothing_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(world.queued.queue, "settle", fail)
    world.queued.add("A", str(CAROL))
    with pytest.raises(ZeroDivisionError):
        world.attempt((CAROL, Fate.RELAYED))
    assert len(world.slept) == MOST_FAULTS - 1


def test_what_follows_comes_from_the_same_trip(world: World) -> None:
    world.queued.add("A", str(CAROL))
    world.queued.add("B", str(CAROL))
    loaded = world.queued.load()
    attempts = [Attempt(world.queued.now, CAROL, Fate.RELAYED, "2.0.0")]
    following = done(world.conclusion.conclude(loaded, attempts, lambda: world.queued.loading.next("example.com")))
    assert following.job.identifier != loaded.job.identifier


def test_an_outcome_is_noted_once_there_is_a_thread_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.queued.add("A", str(CAROL))
    loaded = world.queued.load()
    faults = [TemporaryError("The service is not available now")]
    settle = world.queued.queue.settle

    def refused(*given: Any) -> Any:
        if faults:
            raise faults.pop()
        return settle(*given)

    monkeypatch.setattr(world.queued.queue, "settle", refused)
    attempt = Attempt(world.queued.now, CAROL, Fate.RELAYED, "2.0.0")
    done(world.conclusion.conclude(loaded, [attempt], lambda: None))
    assert world.queued.messages == [] and len(world.slept) == 1


def test_what_follows_is_not_lost_with_an_outcome_that_cannot_be_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queued.add("A", str(CAROL))
    loaded = world.queued.load()

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(world, "tell", fail)
    attempt = Attempt(world.queued.now, CAROL, Fate.RELAYED, "2.0.0")
    assert done(world.conclusion.conclude(loaded, [attempt], lambda: "the next")) == "the next"
