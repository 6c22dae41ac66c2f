"""Somebody who uses a queue, and what of that which was told then a queue does not keep that is opened later."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mailbox_d.errors import StorageFault
from mailbox_d.queue.job import Job
from mailbox_d.queue.mail_queue import MailQueue, QueueSettings
from mailbox_d.queue.message import Attempt, Fate, Source
from mailbox_d.queue.schedule import Schedule, Selection
from mailbox_d.store.files import FileSystem
from tests.unit.queue.mail import BACKOFF, HOLD, NOON, RECEIVED, envelope

LATER = 10.0**9
"""Seconds after which all is due."""

TRIES = 3


def queue_on(files: FileSystem, root: Path = Path("/queue")) -> MailQueue:
    """A queue whose schedule is lost with the process."""
    settings = QueueSettings(hold=HOLD)
    queue = MailQueue(root, BACKOFF, settings, files, lambda: NOON, Schedule(":memory:"))
    queue.open()
    return queue


def body_of(identifier: str) -> bytes:
    """Each message has a body of its own; those with an L in their names are large."""
    line = b"the body of %b\r\n" % identifier.encode()
    return line * (60 if "L" in identifier else 1)


class Event(NamedTuple):
    """What was begun or is done: the moment, what, with which message, and which recipients' outcomes are final."""

    moment: int
    what: str
    identifier: str = ""
    finals: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()


@dataclass
class QueueUser:
    """Works with a queue. A fault of the disk is told, and the next thing is done."""

    queue: MailQueue
    moment: Callable[[], int] = lambda: 0
    tell: Callable[[Event], Any] | None = None
    events: list[Event] = field(default_factory=list)
    faults: list[StorageFault] = field(default_factory=list)

    def note(self, what: str, identifier: str = "", finals: Iterable[str] = (), recipients: Iterable[str] = ()) -> None:
        self.events.append(Event(self.moment(), what, identifier, tuple(finals), tuple(recipients)))
        if self.tell is not None:
            self.tell(self.events[-1])

    def send(self, identifier: str, *addresses: str, withdraw: bool = False) -> None:
        try:
            self.note("publishing", identifier, recipients=addresses)
            draft = self.queue.begin(identifier, envelope(*addresses), Source.USER, "", RECEIVED)
            try:
                draft.write(body_of(identifier))
                draft.write(b"end\r\n")
                draft.publish()
                self.note("published", identifier)
                if withdraw:
                    self.note("withdrawing", identifier)
                    draft.withdraw()
                else:
                    draft.schedule()
            finally:
                draft.abort()
        except StorageFault as fault:
            self.faults.append(fault)

    def attempt(self, domain: str, fate: Fate, only: str = "", now: float = NOON) -> bool:
        """One job of a domain is tried; of its recipients all, or only one. False where there is none."""
        job = self.queue.take(domain, now)
        if job is None:
            return False
        parcel = self.queue.load(job)
        if parcel is not None:
            tried = [one.address for one in parcel.waiting if not only or str(one.address) == only]
            self.settle(job, [Attempt(now, address, fate, "2.0.0", reply="ok") for address in tried], now)
        return True

    def settle(self, job: Job, attempts: list[Attempt], now: float) -> None:
        finals = [str(attempt.recipient) for attempt in attempts if attempt.is_final]
        self.note("settling", job.identifier, finals)
        for _ in range(TRIES):
            try:
                settlement = self.queue.settle(job, attempts, now)
            except StorageFault as fault:
                self.faults.append(fault)
                continue
            self.note("removed" if settlement.is_removed else "settled", job.identifier, finals)
            return

    def hold(self, identifier: str, is_held: bool) -> None:
        try:
            self.note("holding", identifier)
            if (self.queue.hold if is_held else self.queue.unhold)(identifier):
                self.note("held" if is_held else "unheld", identifier)
        except StorageFault as fault:
            self.faults.append(fault)

    def retry(self, identifier: str) -> None:
        try:
            self.queue.retry(identifier, NOON)
        except StorageFault as fault:
            self.faults.append(fault)

    def remove(self, identifier: str) -> None:
        try:
            self.note("withdrawing", identifier)
            if self.queue.remove(identifier, NOON):
                self.note("removed", identifier)
        except StorageFault as fault:
            self.faults.append(fault)

    def restart(self) -> None:
        """Another process has the queue from now on, unless the disk would not let it begin."""
        for _ in range(TRIES):
            try:
                self.queue = queue_on(self.queue.folders.files, Path(self.queue.folders.root.decode()))
            except StorageFault as fault:
                self.faults.append(fault)
                continue
            for _ in self.queue.upkeep():
                pass
            return

    def sync(self) -> None:
        try:
            self.note("syncing")
            self.queue.sync_removals()
            self.note("synced")
        except StorageFault as fault:
            self.faults.append(fault)


def send_and_settle(user: QueueUser) -> None:
    user.send("A1", "bob@a.example")
    user.send("L1", "bob@a.example", "carol@b.example", "dave@b.example")
    user.attempt("a.example", Fate.DELIVERED)
    user.attempt("a.example", Fate.DEFERRED)
    user.attempt("b.example", Fate.DELIVERED, only="carol@b.example")
    user.sync()
    user.attempt("a.example", Fate.FAILED, now=NOON + 1000)
    user.attempt("b.example", Fate.RELAYED, now=NOON + 1000)
    user.send("A2", "bob@a.example")
    user.sync()


def withdraw_and_send(user: QueueUser) -> None:
    user.send("A1", "bob@a.example", withdraw=True)
    user.send("L1", "bob@a.example", withdraw=True)
    user.send("A2", "bob@a.example")
    user.attempt("a.example", Fate.DELIVERED)
    user.sync()


def restart_and_settle(user: QueueUser) -> None:
    user.send("A1", "bob@a.example", "carol@b.example")
    user.attempt("a.example", Fate.DELIVERED)
    user.attempt("b.example", Fate.DELIVERED)
    user.restart()
    user.send("A2", "bob@a.example", "carol@b.example")
    user.attempt("a.example", Fate.DELIVERED)
    user.restart()
    user.attempt("b.example", Fate.DELIVERED)


def hold_and_retry(user: QueueUser) -> None:
    user.send("A1", "bob@a.example", "carol@b.example")
    user.attempt("b.example", Fate.DELIVERED)
    user.hold("A1", True)
    user.hold("A1", False)
    user.attempt("a.example", Fate.DEFERRED)
    user.retry("A1")
    user.hold("A1", True)
    user.send("A2", "bob@a.example", "carol@b.example")
    user.attempt("a.example", Fate.DEFERRED)
    user.remove("A2")
    user.sync()


def try_often(user: QueueUser) -> None:
    """So often that the outcomes are written anew, in tests that let this be soon."""
    user.send("A1", "bob@a.example", "carol@b.example")
    user.attempt("b.example", Fate.DELIVERED)
    for number in range(12):
        user.attempt("a.example", Fate.DEFERRED, now=NOON + 1000.0 * number)
    user.attempt("a.example", Fate.FAILED, now=NOON + 50_000)
    user.sync()


def anything(seed: int) -> Callable[[QueueUser], None]:
    """Many things in an order that is always the same for a seed."""

    def work(user: QueueUser) -> None:
        chance = random.Random(seed)
        for number in range(14):
            domain = chance.choice("ab") + ".example"
            names = [f"{kind}{earlier}" for kind in "AL" for earlier in range(number)]
            addresses = chance.sample(["bob@a.example", "carol@b.example", "dave@b.example"], chance.randint(1, 3))
            chance.choice(
                [
                    lambda: user.send(chance.choice("AL") + str(number), *addresses),  # noqa: B023
                    lambda: user.send(chance.choice("AL") + str(number), *addresses),  # noqa: B023
                    lambda: user.attempt(domain, chance.choice(list(Fate)), now=NOON + number * 2000),  # noqa: B023
                    lambda: user.attempt(domain, Fate.DELIVERED, now=NOON + number * 2000),  # noqa: B023
                    lambda: user.hold(chance.choice(names), chance.random() < 0.5) if names else None,  # noqa: B023
                    lambda: user.retry(chance.choice(names)) if names else None,  # noqa: B023
                    lambda: user.send(f"A{number}", *addresses, withdraw=True),  # noqa: B023
                    user.sync,
                ]
            )()

    return work


SCENARIOS: dict[str, Callable[[QueueUser], None]] = {
    "send and settle": send_and_settle,
    "withdraw": withdraw_and_send,
    "restart": restart_and_settle,
    "hold and retry": hold_and_retry,
    "try often": try_often,
    **{f"anything {seed}": anything(seed) for seed in range(4)},
}


class Seen(NamedTuple):
    """A message as a queue has it: its octets, who waits, and whether it is held."""

    octets: bytes
    waiting: frozenset[str]
    is_held: bool


def look(queue: MailQueue) -> dict[str, Seen]:
    """What a queue has after all its files were looked at; all that is not held can be sent, once."""
    for _ in queue.upkeep():
        pass
    assert not queue.wants_upkeep, "it wants more upkeep"
    found = {identifier: _seen(queue, identifier) for identifier in queue.identifiers(Selection())}
    assert queue.messages == len(found), f"{queue.messages} are counted and {len(found)} are there"
    due = [f"{job.identifier} {job.domain}" for job in _all_due(queue)]
    jobs = {
        f"{identifier} {address.rpartition('@')[2]}"
        for identifier, seen in found.items()
        for address in seen.waiting
        if not seen.is_held
    }
    assert sorted(due) == sorted(jobs), f"{due} are due of {jobs}"
    return found


def _seen(queue: MailQueue, identifier: str) -> Seen:
    state, content = queue.show(identifier), queue.content(identifier)
    assert state is not None and content is not None
    with content:
        octets = content.read(0, content.octets)
    return Seen(octets, frozenset(str(one.address) for one in state.waiting()), state.is_held)


def _all_due(queue: MailQueue) -> list[Job]:
    """All that can be sent some time; it is given back."""
    now = NOON + LATER
    jobs = []
    for domain in queue.due_domains(now, 100):
        while job := queue.take(domain, now):
            assert queue.load(job) is not None, "a job is due that is none"
            jobs.append(job)
    for job in jobs:
        queue.release(job)
    return jobs


@dataclass
class _Told:
    """What was told of one message. It is gone for good when its removal was synced: a loss of power may undo others.
    `maybe`: whose outcome was to be noted, and may be."""

    recipients: frozenset[str] = frozenset()
    must_be: bool = False
    is_gone: bool = False
    is_gone_for_good: bool = False
    final: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    held: bool | None = False

    def hear(self, event: Event) -> None:
        match event.what:
            case "publishing":
                self.recipients = frozenset(event.recipients)
            case "published":
                self.must_be = True
            case "withdrawing":
                self.must_be = False
            case "settling":
                self.maybe.update(event.finals)
                self.must_be = self.must_be and not self.recipients <= self.final | self.maybe
            case "settled":
                self.final.update(event.finals)
            case "removed":
                self.is_gone, self.must_be = True, False
            case "holding":
                self.held = None
            case "held" | "unheld":
                self.held = event.what == "held"


def broken(events: Collection[Event], found: dict[str, Seen], *, power: bool) -> Iterator[str]:
    """What of that which was told by these events is not so; `power`: the power failed, and not only the process."""
    told = _told(events)
    for identifier, seen in found.items():
        if identifier not in told:
            yield f"{identifier} was never sent"
            continue
        yield from _wrong(identifier, told[identifier], seen, power=power)
    for identifier, one in told.items():
        if one.must_be and identifier not in found:
            yield f"{identifier} is lost"


def sent_again(events: Collection[Event], found: dict[str, Seen]) -> int:
    """How many messages go once more to some whose outcome was about to be noted, or was and not for good."""
    told = _told(events)
    return sum(bool(seen.waiting & (told[name].maybe - told[name].final)) for name, seen in found.items())


def _wrong(identifier: str, told: _Told, seen: Seen, *, power: bool) -> Iterator[str]:
    if seen.octets != RECEIVED + body_of(identifier) + b"end\r\n":
        yield f"{identifier} is {seen.octets!r}"
    if told.is_gone_for_good or (told.is_gone and not power):
        yield f"{identifier} is there again"
    if again := seen.waiting & told.final:
        yield f"{identifier} waits for {again}, which have their outcome"
    if forgotten := told.recipients - told.final - told.maybe - seen.waiting:
        yield f"{identifier} does not wait for {forgotten}"
    if told.held is not None and seen.is_held != told.held:
        yield f"{identifier}: held is {seen.is_held}"


def _told(events: Collection[Event]) -> dict[str, _Told]:
    told: dict[str, _Told] = {}
    being_synced: list[_Told] = []
    for event in events:
        if event.identifier:
            told.setdefault(event.identifier, _Told()).hear(event)
        elif event.what == "syncing":
            being_synced = [one for one in told.values() if one.is_gone]
        else:
            for one in being_synced:
                one.is_gone_for_good = True
    return told


def finish(queue: MailQueue) -> None:
    """All that is there is sent, and nothing is left of it."""
    user = QueueUser(queue)
    for identifier in list(queue.identifiers(Selection())):
        user.hold(identifier, False)
    for domain in queue.due_domains(NOON + LATER, 100):
        while user.attempt(domain, Fate.DELIVERED, now=NOON + LATER):
            pass
    user.sync()
    assert not user.faults and look(queue) == {} and queue.messages == 0
