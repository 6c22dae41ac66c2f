"""Fault 22: 8 processes that deliver, 8 that read and 4 that expunge in one Maildir, at once: none lost, none twice.

Half of those that deliver know nothing of us: they write into `tmp` and rename into `new`, under plain names. Each
process is one of its own, with a store of its own. At the end: every message that was delivered was expunged by one
process, or is there; no UID ever stood for two messages, no message ever had two UIDs, whoever told it.
1,200 messages by default; `make faults` (`MAILBOXD_FAULTS_IN_FULL`) has 100,000.
"""

from __future__ import annotations

import os
import pickle
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxBusy, MessageGone
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, Target
from tests.faults.mixed_work import body_of, identity_of
from tests.faults.tally import IN_FULL, count

pytestmark = pytest.mark.faults

ALICE = EmailAddress.parse("alice@example.org")
MESSAGES = 100_000 if IN_FULL else 1_200
DELIVERING, READING, EXPUNGING = 8, 8, 4
ROUNDS = 5
"""That each who expunges makes at least, however busy the machine is."""

T = TypeVar("T")

Told = dict[int, str]
"""By UID, which message it stood for."""


class HastyFiles(FileSystem):
    """Waits for no disk: processes are what is tried here."""

    def fsync(self, descriptor: int) -> None:
        pass

    def fsync_directory(self, path: bytes) -> None:
        pass


class Process:
    """A child that does one thing, and hands back what came of it."""

    def __init__(self, work: Callable[[], object], result: Path) -> None:
        self.result = result
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                result.write_bytes(pickle.dumps(work()))
                status = 0
            finally:
                os._exit(status)

    def outcome(self) -> Any:
        _, status = os.waitpid(self.pid, 0)
        assert status == 0, f"{self.result.name} has failed"
        return pickle.loads(self.result.read_bytes())


def opened(root: Path) -> MaildirMailbox:
    account = MaildirStore(root, files=HastyFiles()).account(ALICE)
    return until_it_is_free(lambda: account.open(INBOX))


def until_it_is_free(work: Callable[[], T]) -> T:
    """Do it as the lanes do: whoever finds the mailbox locked comes back a little later."""
    pause = 0.002
    while True:
        try:
            return work()
        except MailboxBusy:
            time.sleep(random.uniform(0, pause))
            pause = min(pause * 1.5, 0.1)


def deliver(root: Path, name: str, number: int) -> list[str]:
    """Deliver as our SMTP server does."""
    store = MaildirStore(root, files=HastyFiles())
    identities = [f"{name}.{one}" for one in range(number)]
    for identity in identities:
        delivery = store.deliver([Block(b"", (Target(ALICE),))])
        delivery.write(body_of(identity))
        delivery.commit(all_or_nothing=True)
    return identities


def deliver_as_others_do(root: Path, name: str, number: int) -> list[str]:
    """Deliver as a program does that knows nothing but Maildir."""
    maildir = root / "example.org/alice/Maildir"
    identities = [f"{name}.{one}" for one in range(number)]
    for identity in identities:
        unfinished = maildir / "tmp" / f"{time.time():.6f}.{identity}.elsewhere"
        unfinished.write_bytes(body_of(identity).replace(b"\r\n", b"\n"))
        unfinished.rename(maildir / "new" / unfinished.name)
    return identities


def read(root: Path, done: Path) -> Told:
    """Look again and again; which message each UID stood for."""
    mailbox, told = opened(root), Told()
    is_last = False
    while not is_last:
        is_last = done.exists()
        until_it_is_free(mailbox.refresh)
        for message in mailbox.messages():
            if message.uid not in told:
                note(mailbox, message.uid, told)
    return told


def note(mailbox: MaildirMailbox, uid: int, told: Told) -> str:
    """Read a message, if it is there still; which one it is."""
    try:
        reader = until_it_is_free(lambda: mailbox.read(uid))
    except MessageGone:
        return ""
    told[uid] = identity_of(reader.read(0, reader.size))
    reader.close()
    return told[uid]


def expunge(root: Path, done: Path) -> tuple[Told, list[str]]:
    """Remove some messages, again and again, and some times at least; which this process removed."""
    mailbox, told = opened(root), Told()
    chance, removed, rounds = random.Random(os.getpid()), list[str](), 0
    while not done.exists() or rounds < ROUNDS:
        rounds += 1
        until_it_is_free(mailbox.refresh)
        uids = [message.uid for message in mailbox.messages()]
        wanted = [uid for uid in chance.sample(uids, min(5, len(uids))) if note(mailbox, uid, told)]
        removed += [told[uid] for uid in until_it_is_free(lambda: mailbox.expunge(wanted))]  # noqa: B023
    return told, removed


def test_fault_22_many_processes_in_one_maildir(tmp_path: Path) -> None:
    root, done = tmp_path / "maildirs", tmp_path / "done"
    MaildirStore(root).account(ALICE).open(INBOX)
    each = MESSAGES // DELIVERING
    ways = [deliver, deliver_as_others_do] * (DELIVERING // 2)
    readers = [Process(lambda: read(root, done), tmp_path / f"read{one}") for one in range(READING)]
    expungers = [Process(lambda: expunge(root, done), tmp_path / f"expunge{one}") for one in range(EXPUNGING)]
    deliverers = [
        Process(lambda: way(root, f"d{one}", each), tmp_path / f"deliver{one}")  # noqa: B023
        for one, way in enumerate(ways)
    ]
    delivered = [identity for process in deliverers for identity in process.outcome()]
    done.touch()
    told = [process.outcome() for process in readers]
    expunged = [process.outcome() for process in expungers]
    removed = Counter(identity for _, some in expunged for identity in some)
    mailbox = opened(root)
    there = Counter(note(mailbox, message.uid, {}) for message in mailbox.messages())
    assert max(removed.values()) == 1, "one message was expunged by two processes"
    assert sum(removed.values()) > EXPUNGING
    lost = Counter(delivered) - removed - there
    doubled = removed + there - Counter(delivered)
    assert (lost, doubled) == (Counter(), Counter())
    names = {(uid, identity) for some in [*told, *(known for known, _ in expunged)] for uid, identity in some.items()}
    assert len({uid for uid, _ in names}) == len(names), "a UID stood for two messages"
    assert len({identity for _, identity in names}) == len(names), "a message had two UIDs"
    assert len(names) > MESSAGES // 4
    count("22: 20 processes in one Maildir", messages=len(delivered))
