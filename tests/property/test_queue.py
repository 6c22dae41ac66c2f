"""Random operations on a queue, with the process's end and losses of power between them, against what was told.

Each life of a queue begins with what the one before has left on the disk, and knows of it what was found then.
"""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mailbox_d.queue.message import Fate
from tests.faults.model_disk import Model, ModelDisk, Torn
from tests.faults.queue_witness import QueueUser, broken, finish, look, queue_on
from tests.unit.queue.mail import NOON

ADDRESSES = ["bob@a.example", "carol@a.example", "carol@b.example", "dave@c.example"]
domains = st.sampled_from(["a.example", "b.example", "c.example"])


class QueueLives(RuleBasedStateMachine):
    """A queue on a disk in memory."""

    @initialize()
    def begin(self) -> None:
        self.disk = ModelDisk()
        self.user = QueueUser(queue_on(self.disk))
        self.names: list[str] = []
        self.now = NOON

    def name(self, number: int) -> str:
        return self.names[number % len(self.names)] if self.names else "A1"

    @rule(kind=st.sampled_from("AL"), addresses=st.sets(st.sampled_from(ADDRESSES), min_size=1), withdraw=st.booleans())
    def send(self, kind: str, addresses: set[str], withdraw: bool) -> None:
        self.names.append(f"{kind}{len(self.names)}")
        self.user.send(self.names[-1], *sorted(addresses), withdraw=withdraw)

    @rule(domain=domains, fate=st.sampled_from(Fate), only=st.sampled_from(["", *ADDRESSES]))
    def attempt(self, domain: str, fate: Fate, only: str) -> None:
        self.user.attempt(domain, fate, only, self.now)

    @rule(seconds=st.sampled_from([1.0, 150.0, 5000.0, -3600.0, 1e7, -1e7]))
    def let_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=st.integers(0, 20), is_held=st.booleans())
    def hold(self, number: int, is_held: bool) -> None:
        self.user.hold(self.name(number), is_held)

    @rule(number=st.integers(0, 20))
    def retry(self, number: int) -> None:
        self.user.retry(self.name(number))

    @rule(number=st.integers(0, 20))
    def remove(self, number: int) -> None:
        self.user.remove(self.name(number))

    @rule()
    def sync(self) -> None:
        self.user.sync()

    @rule()
    def look_at_all_files(self) -> None:
        self.user.queue.jobs.note_loss()
        for _ in self.user.queue.upkeep():
            pass

    @rule()
    def kill(self) -> None:
        self.live_again(self.disk, power=False)

    @rule(seed=st.integers(0, 99), model=st.sampled_from(Model), torn=st.sampled_from(Torn))
    def lose_power(self, seed: int, model: Model, torn: Torn) -> None:
        chance, cut = random.Random(seed), len(self.disk.journal)
        lost = {effect for effect in self.disk.pending(cut, model) if chance.random() < 0.5}
        self.live_again(ModelDisk(self.disk.after_power_loss(cut, lost, model, torn)), power=True)

    def live_again(self, disk: ModelDisk, *, power: bool) -> None:
        queue = queue_on(disk)
        found = look(queue)
        assert list(broken(self.user.events, found, power=power)) == []
        self.disk, self.user = disk, QueueUser(queue)
        for identifier, seen in found.items():
            self.user.note("publishing", identifier, recipients=seen.waiting)
            self.user.note("published", identifier)
            self.user.note("held" if seen.is_held else "unheld", identifier)

    def teardown(self) -> None:
        if not hasattr(self, "user"):
            return
        here = look(self.user.queue)
        assert list(broken(self.user.events, here, power=False)) == []
        assert look(queue_on(self.disk)) == here
        finish(self.user.queue)


TestQueue = QueueLives.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
