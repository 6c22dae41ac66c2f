"""Faults 1 and 3 over and over: one account lives through all kills, while every kind of operation goes on.

A child works on it in a random order and ends before or after a random file operation; then this process looks: all
that was answered is there, under its UID, whole, once; what was under way is there, or is not, for each message by
itself. A message that was being moved, or whose folder was being renamed, may be in both places and is in one.
100 kills by default; `make faults` (`MAILBOXD_FAULTS_IN_FULL`) does 1,000.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest

from mailbox_d.store.lock_owner import owner_in
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import Flags
from tests.faults.mixed_work import ALICE, BOB, Begun, Copy, Name, Report, Worker, identity_of
from tests.faults.promises import Found, look
from tests.faults.store_files import Call, MortalFiles
from tests.faults.tally import IN_FULL, count

pytestmark = pytest.mark.faults

KILLS = 1000 if IN_FULL else 100
OPERATIONS = 20
"""How many a child does if nothing ends it; there are about fifteen file operations in each."""


class HastyFiles(MortalFiles):
    """Syncs are steps too, and wait for no disk: the page cache survives a kill."""

    def fsync(self, descriptor: int) -> None:
        self._pass(Call("fsync", self.paths.get(descriptor, "?")))

    def fsync_directory(self, path: bytes) -> None:
        self._pass(Call("fsync_directory", os.fsdecode(path)))

    def _pass(self, call: Call) -> None:
        self.before(call)
        self.after(call)


def reports_of_a_child(root: Path, seed: int) -> tuple[list[Report], bool]:
    """Let a child work until it dies, or (false) has done its work; what it reported."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            _work(root, seed, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        reports = list(_received(pipe))
    _, ended = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(ended)
    assert code in (0, 9), f"seed {seed}: the child failed"
    return reports, code == 9


def _work(root: Path, seed: int, writing: int) -> None:
    chance = random.Random(seed)
    files = HastyFiles(chance.randint(1, 250), before=chance.random() < 0.5)
    dies_between_operations = chance.random() < 0.2
    store = MaildirStore(root, files=files, hold=2000)

    def report(one: Report) -> None:
        os.write(writing, pickle.dumps(one))
        files.armed = isinstance(one, Begun) or dies_between_operations

    Worker(store, chance, report, f"r{seed}").work(OPERATIONS)


def _received(reading: BinaryIO) -> Iterator[Report]:
    with contextlib.suppress(EOFError):
        while True:
            yield pickle.load(reading)


@dataclass(slots=True)
class Expected:
    """What must be there, by all that was reported and seen so far."""

    sure: Counter[Copy] = field(default_factory=Counter)
    told: dict[Name, str] = field(default_factory=dict)
    flags: dict[Name, Flags] = field(default_factory=dict)
    open: Begun | None = None
    """What was under way at the last report."""

    def take(self, report: Report) -> None:
        if isinstance(report, Begun):
            self.open = report
        else:
            self.told.update(report.told)
            self._finish()

    def _finish(self) -> None:
        assert self.open is not None
        self.sure.update(self.open.adds)
        self.sure.subtract(self.open.removes)
        self.flags.update({name: after for name, (_, after) in self.open.flags.items()})
        self.open = None

    def faults_of(self, found: Found) -> Iterator[str]:
        """What is not as it must be."""
        counts = copies(found)
        adds, removes = (Counter(self.open.adds), Counter(self.open.removes)) if self.open else (Counter(), Counter())
        for copy in {*counts, *self.sure, *adds}:
            least, most = self.sure[copy] - removes[copy], self.sure[copy] + adds[copy]
            if not least <= counts[copy] <= most:
                yield f"{copy} is there {counts[copy]} times and not {least} to {most}"
        if self.open is not None and self.open.moves:
            before, now = (Counter(identity for _, identity in some.elements()) for some in (+self.sure, counts))
            yield from (f"{one} is in neither mailbox" for _, one in self.open.adds if now[one] < before[one])
        yield from self._names_that_changed(found)

    def _names_that_changed(self, found: Found) -> Iterator[str]:
        for place, mailbox in found.mailboxes.items():
            for message in mailbox.messages:
                name = (place[0], mailbox.validity, message.uid)
                if self.told.setdefault(name, identity_of(message.body)) != identity_of(message.body):
                    yield f"{place}: UID {message.uid} was {self.told[name]} and is {identity_of(message.body)}"
                if message.flags not in self._flags(name, message.flags):
                    yield f"{place}: UID {message.uid} has the flags {set(message.flags)}"
            known = [uid for address, validity, uid in self.told if (address, validity) == (place[0], mailbox.validity)]
            if mailbox.next_uid <= max(known, default=0):
                yield f"{place}: UID {mailbox.next_uid} would be given again"

    def _flags(self, name: Name, default: Flags) -> Collection[Flags]:
        under_way = self.open.flags if self.open is not None else {}
        return under_way.get(name, (self.flags.get(name, default),))

    def adopt(self, found: Found) -> None:
        """From now on what was found must be there."""
        self.sure, self.open = copies(found), None
        for place, mailbox in found.mailboxes.items():
            self.flags |= {(place[0], mailbox.validity, one.uid): one.flags for one in mailbox.messages}


def copies(found: Found) -> Counter[Copy]:
    return Counter((place, identity_of(body)) for place in found.mailboxes for body in found.bodies(place))


def break_locks(root: Path) -> int:
    """Let what the dead child left be as old as waiting would make it; each lock must say whose it was."""
    locks = list(root.rglob("*.lock"))
    for lock in locks:
        if lock.name == "dovecot-uidlist.lock":
            assert owner_in(lock.read_bytes()) is not None
        os.utime(lock, (1, 1))
    return len(locks)


def test_faults_1_and_3_an_account_lives_through_kills_in_the_middle_of_everything(tmp_path: Path) -> None:
    expected, kills, left = Expected(), 0, 0
    store = MaildirStore(tmp_path)
    store.account(ALICE).create("Archive")
    for seed in itertools.count():
        reports, was_killed = reports_of_a_child(tmp_path, seed)
        for report in reports:
            expected.take(report)
        kills += was_killed
        left += break_locks(tmp_path)
        found = look(MaildirStore(tmp_path), ALICE, BOB)
        faults = list(expected.faults_of(found))
        assert not faults, f"seed {seed}, in {expected.open}: {faults}"
        expected.adopt(found)
        if kills == KILLS:
            break
    assert left > kills // 20, "hardly any kill hit an operation under its lock"
    assert len(expected.told) > kills
    count("1, 3: kills of the store's work", kills=kills, messages=len(expected.told))
