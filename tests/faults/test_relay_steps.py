"""Fault 2: the process ends before or after any file operation while mail comes in, is tried, and is settled.

Copies here and the queue's file; an outcome after another server's 250; a report before its cause is noted; what is
queued for users here. What was answered arrives everywhere; what was not arrives at most once; and a kill has one thing
at most come twice: what was done and not noted yet. By default every third step of one scenario; `make faults`
(`MAILBOXD_FAULTS_IN_FULL`) kills a thousand times and more.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.net.lanes import InlineLane
from mailbox_d.policy.recipients import Recipients, ServedDomain
from mailbox_d.policy.transaction import LOCAL_PEER, Client, Delivered, Transaction
from mailbox_d.queue.message import Attempt, Fate
from mailbox_d.record.recorder import NO_RECORD
from mailbox_d.relay.dispatch.conclusion import Conclusion, ReportSettings
from mailbox_d.relay.dispatch.courier import Courier
from mailbox_d.relay.dispatch.loading import Loaded
from mailbox_d.relay.dispatch.local_attempt import LocalAttempting
from mailbox_d.relay.intake.deliveries import Intake, Outgoing
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_store import MaildirStore
from tests.faults.relaying import REPORTED
from tests.faults.store_files import MortalFiles
from tests.faults.tally import IN_FULL, count
from tests.unit.relay.at_once import done
from tests.unit.relay.queued import Queued

pytestmark = pytest.mark.faults

STRIDE = 1 if IN_FULL else 3
SEEDS = range(6) if IN_FULL else range(1)
MESSAGES = 3
HOSTNAME = "mail.example.org"
ALICE, BOB = EmailAddress.parse("alice@example.org"), EmailAddress.parse("bob@example.org")


class Realm:
    """Alice and bob."""

    name = "staff"

    async def find_user(self, address: EmailAddress) -> User | None:
        return User(address) if address in (ALICE, BOB) else None

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        return None

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        return None


def recipients_of(seed: int, number: int) -> list[EmailAddress]:
    """Whom a message of a scenario is for: what elsewhere is done with it is in their names."""
    chance = random.Random(f"{seed} {number}")
    kinds = [chance.choice(("take", "later", "never")) for _ in range(chance.randint(1, 4))]
    elsewhere = {f"{kind}.{number}@{chance.choice('ab')}.example" for kind in kinds}
    return [*map(EmailAddress.parse, sorted(elsewhere)), *([BOB] * (number % 2))]


class House:
    """The parts that take mail and send it, in one thread; servers elsewhere `say` what they have taken."""

    def __init__(self, folder: Path, files: FileSystem, say: Callable[[str], object]) -> None:
        self.say = say
        self.queued = Queued(folder, files)
        self.store = MaildirStore(folder / "maildirs", files=files)
        queue, lane = self.queued.queue, InlineLane()
        recipients = Recipients({"example.org": ServedDomain(Realm())})  # type: ignore[arg-type]
        self.intake = Intake(self.store, HOSTNAME, Outgoing(queue, lambda sender, via: sender, lambda: None))
        self.local = LocalAttempting(
            queue,
            lane,
            recipients,
            self.intake,
            NO_RECORD,
            lambda address: None,
            hostname=HOSTNAME,
            clock=self.now,
        )
        self.conclusion = Conclusion(
            queue,
            lane,
            Courier(queue, lane, lambda: None),
            NO_RECORD,
            ReportSettings(HOSTNAME, 1000, 5 * 86400.0),
            clock=self.now,
            sleep=self._sleep,
        )

    def now(self) -> float:
        return self.queued.now

    async def _sleep(self, seconds: float) -> None:
        raise AssertionError("the disk is well")

    def take_in(self, number: int, recipients: list[EmailAddress]) -> None:
        """Alice submits a message."""
        transaction = Transaction(Client(LOCAL_PEER, "client", "ESMTPA", user=User(ALICE)), ALICE)
        for one in recipients:
            is_here = one == BOB
            transaction.add(Delivered(one, (one,) if is_here else (), () if is_here else (one,)))
        delivery = self.intake.begin(transaction, f"M{number}", self.now())
        delivery.write(b"Subject: %d\r\n\r\nHello\r\n" % number)
        delivery.commit(all_or_nothing=True)
        self.say(f"answered {number}")

    def send_all(self) -> None:
        """Until nothing waits any more."""
        queue = self.queued.queue
        for _ in queue.upkeep():
            pass
        while queue.messages:
            for domain in queue.due_domains(self.now(), 100):
                while (loaded := self.queued.loading.next(domain)) is not None:
                    self._send(loaded)
            self.queued.now += 1000
        queue.sync_removals()

    def _send(self, loaded: Loaded) -> None:
        if loaded.job.domain == "example.org":
            attempts = done(self.local.attempt(loaded.parcel))
        else:
            attempts = [self._attempt(loaded, one.address) for one in loaded.parcel.waiting]
            if taken := [str(each.recipient) for each in attempts if each.fate is Fate.RELAYED]:
                self.say(f"taken {' '.join(taken)}")
        done(self.conclusion.conclude(loaded, attempts, lambda: None))
        done(loaded.content.close())

    def _attempt(self, loaded: Loaded, recipient: EmailAddress) -> Attempt:
        kind = recipient.local_part.partition(".")[0]
        if kind == "never":
            return Attempt(self.now(), recipient, Fate.FAILED, "5.1.1", "mx", reply="550 5.1.1 Nobody")
        if kind == "later" and recipient not in loaded.parcel.last:
            return Attempt(self.now(), recipient, Fate.DEFERRED, "4.2.0", "mx", reply="450 4.2.0 Not now")
        return Attempt(self.now(), recipient, Fate.RELAYED, "2.0.0", "mx", reply="250 2.0.0 Taken")


def run_until_it_dies(folder: Path, seed: int, number: int, *, before: bool) -> tuple[bool, list[str]]:
    """Let a child take mail and send it until a file operation: whether it came to the end, and what was said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            files = MortalFiles(number, before=before)
            house = House(folder, files, lambda words: os.write(writing, f"{words}\n".encode()))
            files.armed = True
            for message in range(MESSAGES):
                house.take_in(message, recipients_of(seed, message))
            house.send_all()
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode().splitlines()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 0, said


def found_in(folder: Path, user: EmailAddress) -> list[bytes]:
    """The messages in a user's INBOX."""
    maildir = folder / "maildirs" / user.domain / user.local_part / "Maildir"
    return [path.read_bytes() for part in ("new", "cur") for path in sorted((maildir / part).glob("*"))]


def arrived(folder: Path, said: list[str]) -> Counter[tuple[int, str]]:
    """How often each message came to each of its recipients, or back for them."""
    counts: Counter[tuple[int, str]] = Counter()
    for line in said:
        verb, *names = line.split(" ")
        if verb == "taken":
            counts.update((_number(name), name) for name in names)
    for octets in found_in(folder, ALICE):
        counts.update((_number(name), name) for name in map(bytes.decode, REPORTED.findall(octets)))
    for octets in found_in(folder, BOB):
        counts[int(octets.partition(b"Subject: ")[2].split()[0]), str(BOB)] += 1
    return counts


def _number(name: str) -> int:
    return int(name.partition("@")[0].partition(".")[2])


def wrong(seed: int, answered: set[int], counts: Counter[tuple[int, str]]) -> list[str]:
    """What is missing, and what came more often than one kill explains."""
    faults = []
    for number in range(MESSAGES):
        for recipient in map(str, recipients_of(seed, number)):
            times = counts.pop((number, recipient), 0)
            if number in answered and not times:
                faults.append(f"{recipient} has not message {number}")
            if times > (1 if recipient == str(BOB) else 2):
                faults.append(f"{recipient} has message {number} {times} times")
    return faults + [f"{one} was never sent" for one in counts]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("seed", SEEDS)
def test_fault_2_killed_at_each_step_of_relaying(tmp_path: Path, seed: int, before: bool) -> None:
    kills = again = 0
    for number in range(1, 2000, STRIDE):
        folder = tmp_path / str(number)
        is_done, said = run_until_it_dies(folder, seed, number, before=before)
        answered = {int(line.split()[1]) for line in said if line.startswith("answered")}
        house = House(folder, FileSystem(), said.append)
        house.send_all()
        counts = arrived(folder, said)
        domains = {(one, name.rpartition("@")[2]) for (one, name), times in counts.items() if times > 1}
        again += len(domains)
        assert len(domains) <= 1, f"step {number}: {domains} came twice"
        faults = wrong(seed, answered, counts)
        assert not faults, f"step {number}: {faults}: {said}"
        if is_done:
            assert not domains and len(answered) == MESSAGES
            break
        kills += 1
    assert is_done and kills > 15
    count("2: kills at each step of relaying", kills=kills, messages=kills * MESSAGES, unavoidable=again)
