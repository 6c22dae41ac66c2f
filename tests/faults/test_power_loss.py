"""Fault 4: the power fails at any moment, and of what was not synced any part may be missing from the disk.

Each scenario runs on a disk in memory that keeps what was done; then the disk is built as it may be after each step,
and the store that is opened on it must keep all that was told before (`promises.py`). Two models of what a file system
keeps are tried, see `model_disk.py`. What is answered with OK and not promised to survive a loss of power: flags that
STORE changed, and that EXPUNGE and MOVE removed messages from where they were (docs/dovecot.md): no flag and no
keyword is ever there that a message never had, and what is there again is there whole, under mod-sequences that are
above all that were told, though the clock has lost a year.

`make faults` (`MAILBOXD_FAULTS_IN_FULL`) tries every moment and more subsets of what may be missing.
"""

from __future__ import annotations

import math
import random
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError
from mailbox_d.store import boot
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.mod_sequences import ModSequences
from mailbox_d.store.ports import INBOX, QuotaLimits, SpecialUse, Usage
from mailbox_d.store.quota import QuotaRules
from tests.faults.model_disk import ModelDisk, Tree, paths
from tests.faults.power_cuts import LyingDisk, cut_off_at_last, started_again, states
from tests.faults.promises import Found, Place, Promises, look, patiently
from tests.faults.tally import count
from tests.faults.witness import Witness

pytestmark = pytest.mark.faults

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
CAROL = EmailAddress.parse("carol@example.org")
HERE: Place = (ALICE, INBOX)
THERE: Place = (ALICE, "Archive")
ROOT = Path("/mail")
HOLD = 200
"""Octets of a message that are kept in memory while it comes."""

BODIES = [b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number) for number in range(3)]
NEW = b"Subject: new\r\n\r\nthe new message\r\n"
BIG = b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 40
RAW = b"Subject: raw\r\n\r\nbare\nLF " + b"0123456789abcdef\r\n" * 40
LATE = b"Subject: late\r\n\r\n" + b"0123456789abcdef\r\n" * 40 + b"bare\nLF\r\n"
FLAGS = frozenset({"\\Seen", "Work"})

Scenario = Callable[[Witness], None]


def prepare(user: Witness) -> None:
    """What is there before: two mailboxes with messages, and Bob's INBOX."""
    user.create(THERE)
    for body in BODIES:
        user.append(HERE, body, FLAGS, 1e9)
    user.append(THERE, b"first\r\n")
    user.append((BOB, INBOX), b"bob's\r\n")


def deliver_and_look(user: Witness) -> None:
    user.deliver(NEW, ALICE)
    user.look(HERE)


def deliver_to_many(user: Witness) -> None:
    user.deliver(NEW, ALICE, BOB, CAROL, header=b"Return-Path: <x@example.com>\r\n", strict=False)
    user.look((CAROL, INBOX))


def deliver_large(body: bytes) -> Scenario:
    return lambda user: user.deliver(body, ALICE, BOB)


def append(user: Witness) -> None:
    user.append(HERE, NEW)
    user.append(HERE, BIG, frozenset({"\\Flagged", "More", "Work"}), 1.5e9)


def append_the_first(user: Witness) -> None:
    user.append((CAROL, INBOX), NEW)
    user.expunge((CAROL, INBOX), [1])


def copy(user: Witness) -> None:
    user.copy(HERE, [1, 3], THERE)


def move(user: Witness) -> None:
    user.move(HERE, [1, 2, 3], THERE)


def move_and_back(user: Witness) -> None:
    user.move(HERE, [1, 2], THERE)
    user.move(THERE, [2], HERE)
    user.append(HERE, NEW)


def expunge(user: Witness) -> None:
    user.expunge(HERE, [3])
    assert user.append(HERE, NEW) == 4
    user.expunge(HERE, [1, 4])


def keyword(user: Witness) -> None:
    user.change_flags(HERE, [1, 2], frozenset({"\\Answered", "Brand-New"}))
    user.change_flags(HERE, [2], frozenset({"Newer"}))
    user.append(HERE, NEW, frozenset({"Newer"}))


def rewrite_the_list(user: Witness) -> None:
    """The list is written anew when a quarter of its lines, and more than 20, are of messages that are gone."""
    user.expunge(HERE, [1, 2])
    user.append(HERE, NEW)
    user.deliver(BIG, ALICE)
    user.look(HERE)


def prepare_a_long_list(user: Witness) -> None:
    prepare(user)
    for number in range(25):
        user.append(HERE, b"of many: %d\r\n" % number)
    user.expunge(HERE, [*range(4, 24)])


def arrive_and_be_seen(user: Witness) -> None:
    user.deliver(NEW, ALICE)
    user.open(HERE).recent(claim=True)
    user.deliver(BIG, ALICE)
    user.look(HERE)


def make_and_fill(user: Witness) -> None:
    user.create((ALICE, "Made"))
    user.append((ALICE, "Made"), NEW, FLAGS)


def rename_a_tree(user: Witness) -> None:
    user.create((ALICE, "Archive/2024"))
    user.append((ALICE, "Archive/2024"), NEW)
    user.rename((ALICE, "Archive/2024"), (ALICE, "Archive/Old"))
    user.rename(THERE, (ALICE, "Attic"))


def rename_the_inbox(user: Witness) -> None:
    user.deliver(NEW, ALICE)
    user.rename(HERE, (ALICE, "All"))
    user.deliver(BIG, ALICE)


def delete(user: Witness) -> None:
    user.create((ALICE, "Made"))
    user.append((ALICE, "Made"), NEW)
    user.delete((ALICE, "Made"))
    user.create((ALICE, "Made"))
    user.append((ALICE, "Made"), BIG)


def follow(user: Witness) -> None:
    for name in ("Archive", "Sent", "Archive/2024"):
        user.subscribe(ALICE, name)
    user.subscribe(ALICE, "Sent", False)


def assign(user: Witness) -> None:
    user.assign(ALICE, "Sent", SpecialUse.SENT)
    user.assign(ALICE, "Archive", SpecialUse.ARCHIVE)
    user.assign(ALICE, "Sent", SpecialUse.DRAFTS)


def anything(user: Witness) -> None:
    """Operations in a random order that is always the same."""
    chance = random.Random(4)
    for number in range(12):
        uids = list(user.look(HERE).values())
        some = chance.sample(uids, min(2, len(uids)))
        chance.choice(
            [
                lambda: user.deliver(b"delivered %d\r\n" % number, ALICE, BOB),  # noqa: B023
                lambda: user.append(HERE, b"appended %d\r\n" % number, FLAGS),  # noqa: B023
                lambda: user.change_flags(HERE, some, frozenset({"\\Flagged", f"Key{number}"})),  # noqa: B023
                lambda: user.copy(HERE, some, THERE) if some else None,  # noqa: B023
                lambda: user.move(HERE, some, THERE) if some else None,  # noqa: B023
                lambda: user.expunge(HERE, some[:1]),  # noqa: B023
            ]
        )()


SCENARIOS: dict[str, tuple[Scenario, Scenario]] = {
    "deliver": (prepare, deliver_and_look),
    "deliver to many": (prepare, deliver_to_many),
    "deliver a large one": (prepare, deliver_large(BIG)),
    "deliver a raw one": (prepare, deliver_large(RAW)),
    "deliver one that turns raw late": (prepare, deliver_large(LATE)),
    "append": (prepare, append),
    "append the first": (prepare, append_the_first),
    "copy": (prepare, copy),
    "move": (prepare, move),
    "move there and back": (prepare, move_and_back),
    "expunge": (prepare, expunge),
    "keyword": (prepare, keyword),
    "rewrite the list": (prepare_a_long_list, rewrite_the_list),
    "be seen": (prepare, arrive_and_be_seen),
    "make a mailbox": (prepare, make_and_fill),
    "rename mailboxes": (prepare, rename_a_tree),
    "rename INBOX": (prepare, rename_the_inbox),
    "delete a mailbox": (prepare, delete),
    "subscribe": (prepare, follow),
    "special use": (prepare, assign),
    "anything": (prepare, anything),
}


A_YEAR = 366 * 86400.0
AN_HOUR = 3600.0
LIMITS = QuotaLimits(10**6, 10**3)


def store_on(disk: ModelDisk, clock_is_ahead: float = 0.0) -> MaildirStore:
    def clock() -> float:
        return time.time() + clock_is_ahead

    return MaildirStore(ROOT, files=disk, hold=HOLD, quotas=QuotaRules(lambda _: LIMITS, grace=0), clock=clock)


def recorded(name: str, disk_type: Callable[[Tree | None], ModelDisk] = ModelDisk) -> tuple[ModelDisk, Promises]:
    """The scenario's disk, on which all that was there before is safe, and what was told meanwhile: an hour later, so
    that mod-sequences have to be promised anew."""
    preparation, work = SCENARIOS[name]
    before = ModelDisk()
    before.mkdir(b"/mail")
    promises = Promises(lambda: 0)
    preparation(Witness(store_on(before), promises))
    promises.made = [promise for promise in promises.made if promise.until == math.inf]
    disk = disk_type(before.nodes)
    promises.now = lambda: len(disk.journal)
    work(Witness(store_on(disk, AN_HOUR), promises))
    return disk, promises


def broken(disk: ModelDisk, promises: Promises, seed: str) -> tuple[int, list[str]]:
    """How many disks there may be after a loss of power, and the promises that the first bad one breaks."""
    number = 0
    for number, (cut, tree) in enumerate(states(disk, seed), 1):
        after = started_again(tree)
        try:
            faults = [f"after {cut} steps: {fault}" for fault in broken_on(after, promises, cut)]
        except (AssertionError, MailError) as error:
            faults = [f"after {cut} steps: {error!r}", *traceback.format_exc().splitlines()]
        if faults:
            return number, [*faults, *map(str, disk.journal[max(0, cut - 30) : cut])]
    return number, []


def broken_on(disk: ModelDisk, promises: Promises, cut: int) -> list[str]:
    """The promises that a disk breaks for whoever starts on it; and life must go on there, also after another cut."""
    store, told_here = store_on(disk, -A_YEAR), Promises(lambda: 0)
    found = look(store, ALICE, BOB, CAROL)
    faults = [*promises.broken(found, cut), *wrong_room(store, disk, found)]
    user = Witness(store, told_here)
    for place in found.mailboxes:
        told_here.tell_state(place, user.open(place))
    uid = user.append(HERE, b"life goes on\r\n", frozenset({"Keyword-After"}))
    if (ALICE, user.open(HERE).uid_validity, uid) in promises.told(cut):
        faults.append(f"UID {uid} is given again")
    patiently(lambda: user.subscribe(ALICE, "After"))
    patiently(lambda: user.assign(ALICE, "After", SpecialUse.TRASH))
    again = look(store_on(cut_off_at_last(disk), -2 * A_YEAR), ALICE, BOB, CAROL)
    return [*faults, *(f"after another cut: {fault}" for fault in told_here.missed(again, 0))]


def wrong_room(store: MaildirStore, disk: ModelDisk, found: Found) -> Iterator[str]:
    """Accounts that are not said to hold what they hold: no mailbox is shut that has room, and none takes in more."""
    for address, account in found.accounts.items():
        sizes = [len(node.octets) for path, node in paths(disk.nodes) if is_message(path, address)]
        holds, quota = Usage(sum(sizes), len(sizes)), account.quota()
        if quota is None or quota.usage != holds:
            yield f"{address} holds {holds}, and is told to: {quota}"
        room = (LIMITS.octets or 0) - holds.octets
        if not store.has_room(address, room) or store.has_room(address, room + 1):
            yield f"{address} has {room} octets of room, and they are not what it gets"


def is_message(path: bytes, address: EmailAddress) -> bool:
    return f"/{address.local_part}/".encode() in path and (b"/cur/" in path or b"/new/" in path) and b"/.." not in path


@pytest.mark.parametrize("name", SCENARIOS)
def test_fault_4_power_loss(name: str) -> None:
    disk, promises = recorded(name)
    number, faults = broken(disk, promises, name)
    count("4: power loss", states=number, messages=len(promises.begun) * number)
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)
    assert number > 10


@pytest.mark.parametrize(
    ("name", "liar"),
    [
        ("deliver", partial(LyingDisk, files=False)),
        ("deliver", partial(LyingDisk, directories=False)),
        ("append", partial(LyingDisk, files=False)),
        ("copy", partial(LyingDisk, directories=False)),
        ("keyword", partial(LyingDisk, directories=False)),
        ("rewrite the list", partial(LyingDisk, files=False)),
        ("make a mailbox", partial(LyingDisk, directories=False)),
        ("rename mailboxes", partial(LyingDisk, directories=False)),
        ("subscribe", partial(LyingDisk, files=False)),
        ("special use", partial(LyingDisk, directories=False)),
    ],
)
def test_a_disk_that_does_not_sync_is_found_out(name: str, liar: Callable[[Tree | None], ModelDisk]) -> None:
    _, faults = broken(*recorded(name, liar), name)
    assert faults


def test_numbers_that_are_told_before_they_are_promised_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModSequences, "_promise", lambda self, number: None)
    _, faults = broken(*recorded("append"), "append")
    assert any("HIGHESTMODSEQ was" in fault for fault in faults)


def test_a_quota_file_that_is_believed_after_a_boot_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "seconds_since_boot", lambda: 1e12)
    _, faults = broken(*recorded("anything"), "anything")
    assert any("is told to" in fault for fault in faults)
