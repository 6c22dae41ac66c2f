"""The dispatcher goes round the domains: none waits for another, and there are so many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from mailbox_d.errors import StorageFault
from mailbox_d.net.lanes import InlineLane
from mailbox_d.queue.message import Attempt, Fate, Notify, Parcel
from mailbox_d.relay.dispatch.admission import KnownDomains
from mailbox_d.relay.dispatch.conclusion import Conclusion, ReportSettings
from mailbox_d.relay.dispatch.connections import Connections
from mailbox_d.relay.dispatch.contents import PackedContent, WholeContent
from mailbox_d.relay.dispatch.dispatcher import SLOW_SECONDS, Dispatcher, DispatchLimits
from tests.unit.relay.queued import Queued


class ReactorClock(Clock):
    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        self.callLater(0, call, *args)


class HeldLane(InlineLane):
    """A lane whose results come back later, where they are held."""

    held: Deferred[None] | None = None

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        result = work(*args, **kwargs)
        if self.held is not None:
            await self.held
        return result


class World:
    """A dispatcher whose attempts wait until they are let go."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self.reactor = ReactorClock()
        self.queued = Queued(folder)
        self.under_way: list[tuple[str, Parcel, Deferred[Fate]]] = []
        self.most: Counter[str] = Counter()
        self.order: list[str] = []
        self.fault: Exception | None = None
        self.tells_when_broken_off: list[Fate] | None = None
        self.crowded: set[str] = set()
        self.known = KnownDomains(lambda domain: domain == "ours.example")
        self.faults_of_ready = 0
        lane = self.lane = HeldLane()
        conclusion = Conclusion(
            self.queued.queue,
            lane,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            ReportSettings("mail.example.org", 1000, 1000.0),
            clock=lambda: self.queued.now,
            sleep=lambda seconds: Deferred(),
        )
        self.dispatcher = Dispatcher(
            self.reactor,
            self.queued.queue,
            lane,
            self.queued.loading,
            self,
            conclusion,
            Connections(self.reactor.callLater, most=50, most_each=5, idle_seconds=1.0, messages=100),
            DispatchLimits(**limits),
            self.known,
            ready=self.ready,
            clock=lambda: self.queued.now,
        )

    async def ready(self) -> None:
        if self.faults_of_ready:
            self.faults_of_ready -= 1
            raise ZeroDivisionError("a fault")

    def tell(self, event: object) -> None:
        pass

    async def post(self, identifier: str, report: object) -> None:
        pass

    def must_wait(self, domain: str) -> bool:
        return domain in self.crowded

    async def attempt(self, parcel: Parcel, domain: str, content: PackedContent) -> list[Attempt]:
        if self.fault is not None:
            raise self.fault
        waiting: Deferred[Fate] = Deferred()
        place = domain, parcel, waiting
        self.order.append(parcel.message.identifier)
        self.under_way.append(place)
        now = Counter(each[0] for each in self.under_way)
        self.most |= now + Counter({"": now.total()})
        try:
            fate = await waiting
        except CancelledError:
            if self.tells_when_broken_off is None:
                raise
            told = zip(parcel.waiting, self.tells_when_broken_off, strict=False)
            return [Attempt(self.queued.now, each.address, fate, "4.0.0") for each, fate in told]
        finally:
            self.under_way.remove(place)
        return [Attempt(self.queued.now, each.address, fate, "2.0.0") for each in parcel.waiting]

    def go_on(self, seconds: float = 0.1) -> None:
        """Let the reactor turn."""
        for _ in range(10):
            self.reactor.advance(seconds / 10)

    def finish(self, domain: str = "", fate: Fate = Fate.RELAYED) -> None:
        """Let what is under way (in a domain) come to its end, and all that follows."""
        for where, _, waiting in list(self.under_way):
            if domain in ("", where):
                waiting.callback(fate)
        self.go_on()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, runs=6, runs_each=2, messages=3)
    made.dispatcher.startService()
    made.go_on()
    yield made
    made.dispatcher.stopService()
    made.finish()
    made.go_on(20)


def add(world: World, domain: str, count: int) -> None:
    for number in range(count):
        world.queued.add(f"{domain.partition('.')[0]}{number}", f"carol@{domain}")
    world.dispatcher.scheduled()
    world.go_on()


def test_what_is_scheduled_is_sent_at_once(world: World) -> None:
    add(world, "a.example", 1)
    world.finish()
    assert world.queued.messages == []


def test_a_domain_that_does_not_answer_keeps_no_other_waiting(world: World) -> None:
    add(world, "dead.example", 50)
    add(world, "alive.example", 10)
    while any(name.startswith("alive") for name in world.queued.messages):
        before = len(world.queued.messages)
        world.finish("alive.example")
        assert len(world.queued.messages) < before
    assert sum(name.startswith("dead") for name in world.queued.messages) == 50


def test_domains_that_only_cost_time_leave_room_for_those_that_are_known(world: World) -> None:
    """Six at a time, three of them for domains that nobody knows."""
    world.known.delivered("good.example")
    for number in range(10):
        add(world, f"bad{number}.example", 1)
    assert len(world.under_way) == 3
    add(world, "good.example", 2)
    add(world, "ours.example", 1)
    assert sorted(domain for domain, _, _ in world.under_way if not domain.startswith("bad")) == [
        "good.example",
        "good.example",
        "ours.example",
    ]


def test_a_domain_is_known_when_mail_was_delivered_there(world: World) -> None:
    add(world, "a.example", 1)
    world.finish(fate=Fate.FAILED)
    assert "a.example" not in world.known
    add(world, "a.example", 1)
    world.finish()
    assert "a.example" in world.known


def test_a_domain_whose_servers_only_take_time_is_known_no_more(world: World) -> None:
    for domain, seconds in (("quick.example", 1.0), ("slow.example", SLOW_SECONDS + 1)):
        world.known.delivered(domain)
        add(world, domain, 1)
        world.go_on(seconds)
        world.finish(fate=Fate.DEFERRED)
    assert "quick.example" in world.known
    assert "slow.example" not in world.known


def test_there_are_so_many_at_a_time(world: World) -> None:
    for number in range(5):
        world.known.delivered(f"d{number}.example")
    for number in range(5):
        add(world, f"d{number}.example", 4)
    for _ in range(30):
        world.finish()
    assert world.queued.messages == []
    assert world.most.pop("") == 6
    assert max(world.most.values()) == 2


def test_each_domain_has_its_turn(tmp_path: Path) -> None:
    """With room for one at a time nobody has two turns before all have had one."""
    world = World(tmp_path, runs=1, runs_each=1, messages=1)
    for number in range(4):
        for name in ("a", "b", "c"):
            world.queued.add(f"{name}{number}", f"carol@{name}.example")
    world.dispatcher.startService()
    world.go_on()
    while world.under_way:
        world.finish()
    turns = [identifier[0] for identifier in world.order]
    assert len(turns) == 12
    assert all(set(turns[start : start + 3]) == {"a", "b", "c"} for start in range(0, 12, 3))


def test_what_is_due_later_is_sent_later(world: World) -> None:
    add(world, "a.example", 1)
    world.finish(fate=Fate.DEFERRED)
    assert world.under_way == []
    world.queued.now += 301
    world.go_on(600)
    world.finish()
    assert world.queued.messages == []


def test_a_fault_of_ours_defers_and_ends_nothing_else(world: World) -> None:
    world.fault = ZeroDivisionError("a fault")
    add(world, "a.example", 2)
    world.fault = None
    assert len(world.queued.messages) == 2
    add(world, "b.example", 1)
    world.finish()
    assert sorted(world.queued.messages) == ["a0", "a1"]


class Failing:
    """In place of something that is called: it fails the first times, then does what it should."""

    def __init__(self, call: Callable[..., Any], times: int, fault: type[Exception] = ZeroDivisionError) -> None:
        self.call = call
        self.left = times
        self.fault = fault

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.left:
            self.left -= 1
            raise self.fault("a fault")
        return self.call(*args, **kwargs)


@pytest.mark.parametrize("name", ["due_domains", "take", "next_due"])
def test_a_fault_of_ours_while_work_is_looked_for_is_not_the_end(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.queued.queue, name, Failing(getattr(world.queued.queue, name), 2))
    add(world, "a.example", 1)
    world.go_on(30)
    world.finish()
    assert world.queued.messages == []


@pytest.mark.parametrize("name", ["load", "content"])
def test_what_cannot_be_loaded_by_a_fault_of_ours_is_tried_later_and_keeps_nothing_waiting(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.queued.queue, name, Failing(getattr(world.queued.queue, name), 1))
    add(world, "a.example", 2)
    world.finish()
    assert len(world.queued.messages) == 1
    world.queued.now += 301
    world.go_on(600)
    world.finish()
    assert world.queued.messages == []


def test_a_fault_of_ours_in_what_must_come_first_is_not_the_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.faults_of_ready = 2
    world.dispatcher.startService()
    add(world, "a.example", 1)
    assert world.under_way == []
    world.go_on(30)
    world.finish()
    assert world.queued.messages == []


def test_a_fault_of_ours_in_the_upkeep_is_not_the_end_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upkeep = Failing(world.queued.queue.upkeep, 1)
    monkeypatch.setattr(world.queued.queue, "upkeep", upkeep)
    world.queued.queue.jobs.note_loss()
    world.go_on(30)
    assert upkeep.left == 0
    assert not world.queued.queue.wants_upkeep


def test_stopping_waits_for_what_is_being_sent_but_not_for_ever(world: World) -> None:
    add(world, "a.example", 1)
    stopped: list[object] = []
    world.dispatcher.stopService().addCallback(stopped.append)
    world.go_on(7)
    assert stopped == []
    world.go_on(2)
    assert stopped == [None]
    assert world.queued.messages == ["a0"]


def test_what_is_broken_off_waits_as_before(world: World) -> None:
    add(world, "a.example", 1)
    world.tells_when_broken_off = []
    stopped: list[object] = []
    world.dispatcher.stopService().addCallback(stopped.append)
    (file,) = (world.queued.folder / "queue/messages").iterdir()
    before = file.read_bytes()
    world.go_on(9)
    assert stopped == [None]
    assert file.read_bytes() == before


def test_what_was_broken_off_is_followed_by_nothing(world: World) -> None:
    add(world, "a.example", 4)
    world.tells_when_broken_off = [Fate.DEFERRED]
    begun = list(world.order)
    stopped: list[object] = []
    world.dispatcher.stopService().addCallback(stopped.append)
    world.go_on(9)
    assert stopped == [None]
    assert world.order == begun


def test_what_goes_on_after_it_was_broken_off_is_broken_off_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes no outcome must not keep the daemon from ending."""
    monkeypatch.setattr(world.queued.queue, "settle", Failing(world.queued.queue.settle, 1000, StorageFault))
    add(world, "a.example", 1)
    world.tells_when_broken_off = [Fate.RELAYED]
    stopped: list[object] = []
    world.dispatcher.stopService().addCallback(stopped.append)
    world.go_on(20)
    assert stopped == [None]


def test_what_would_only_wait_for_others_is_not_begun(world: World) -> None:
    world.crowded.add("crowded.example")
    add(world, "crowded.example", 1)
    add(world, "a.example", 1)
    assert [domain for domain, _, _ in world.under_way] == ["a.example"]
    world.crowded.clear()
    world.finish()
    assert [domain for domain, _, _ in world.under_way] == ["crowded.example"]


def test_a_file_that_cannot_be_closed_costs_nothing_that_follows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(content: PackedContent) -> None:
        raise OSError("a fault")

    monkeypatch.setattr(WholeContent, "close", fail)
    add(world, "a.example", 3)
    for _ in range(3):
        world.finish()
    assert world.queued.messages == []


def test_a_domain_that_takes_our_reports_is_not_known_by_that(world: World) -> None:
    """Anybody can cause a report."""
    world.queued.add("report", "carol@a.example", sender=None)
    world.dispatcher.scheduled()
    world.go_on()
    world.finish()
    assert world.queued.messages == []
    assert "a.example" not in world.known


def test_what_is_found_while_all_stops_is_not_begun(world: World) -> None:
    """Nobody would wait for it to be noted."""
    held = world.lane.held = Deferred()
    add(world, "a.example", 1)
    stopped: list[object] = []
    world.dispatcher.stopService().addCallback(stopped.append)
    world.lane.held = None
    held.callback(None)
    world.go_on()
    assert stopped == [None]
    assert (world.order, world.queued.messages) == ([], ["a0"])


def test_what_is_sent_before_the_end_is_noted(world: World) -> None:
    add(world, "a.example", 1)
    stopped: list[object] = []
    world.dispatcher.stopService().addCallback(stopped.append)
    world.finish()
    assert stopped == [None]
    assert world.queued.messages == []


def test_what_is_decided_here_is_noted_of_what_nobody_sends(world: World) -> None:
    identifier = "A1"
    world.queued.add(identifier, "carol@a.example", notify=Notify.NEVER)
    world.dispatcher.scheduled()
    world.go_on()
    assert (world.dispatcher.runs, world.dispatcher.sessions) == (1, 0)

    def fail(parcel: Parcel) -> list[Attempt]:
        return [Attempt(world.queued.now, each.address, Fate.FAILED, "5.3.0") for each in parcel.waiting]

    Deferred.fromCoroutine(world.dispatcher.decide(identifier, fail))
    assert world.queued.messages == [identifier], "it is being sent"
    world.finish(fate=Fate.DEFERRED)
    Deferred.fromCoroutine(world.dispatcher.decide(identifier, lambda parcel: []))
    assert world.queued.messages == [identifier] and world.queued.queue.being_sent() == ()
    Deferred.fromCoroutine(world.dispatcher.decide(identifier, fail))
    assert world.queued.messages == []


@pytest.mark.parametrize("place", ["decision", "lane"])
def test_a_fault_while_something_is_decided_here_leaves_nothing_claimed(
    world: World, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queued.add("A1", "carol@a.example", "dave@b.example", notify=Notify.NEVER)
    claimed: list[int] = []

    def fail(*_: object) -> list[Attempt]:
        claimed.append(world.queued.queue.jobs.claimed)
        raise ZeroDivisionError("a fault")

    if place == "lane":
        monkeypatch.setattr(world.queued.loading, "all_of", fail)
    result = Deferred.fromCoroutine(world.dispatcher.decide("A1", fail))
    faults: list[Any] = []
    result.addErrback(faults.append)
    assert claimed == [2] and len(faults) == 1
    world.go_on()
    assert sorted(domain for domain, _, _ in world.under_way) == ["a.example", "b.example"]
