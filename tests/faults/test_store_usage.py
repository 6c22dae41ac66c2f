"""The disk says no at one step or another of what changes an account: what it holds is never told wrong for good."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, QuotaLimits, Target, Usage
from mailbox_d.store.quota import QuotaRules
from tests.faults.store_files import FailingFiles

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
RULES = QuotaRules({ALICE: QuotaLimits(10**6)}.get)
BODY = b"x" * 100


def deliver(store: MaildirStore) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(BODY)
    try:
        delivery.commit(all_or_nothing=True)
    finally:
        delivery.abort()


def deliver_to_two(store: MaildirStore) -> None:
    delivery = store.deliver([Block(b"", (Target(BOB), Target(ALICE)))])
    delivery.write(BODY)
    delivery.commit(all_or_nothing=False)


def append(store: MaildirStore) -> None:
    delivery = store.account(ALICE).open(INBOX).append()
    delivery.write(BODY)
    try:
        delivery.commit(all_or_nothing=True)
    finally:
        delivery.abort()


def copy(store: MaildirStore) -> None:
    account = store.account(ALICE)
    account.open(INBOX).copy([1, 2], account.open("Archive"))


def move(store: MaildirStore) -> None:
    account = store.account(ALICE)
    account.open(INBOX).move([1, 2], account.open("Archive"))


def expunge(store: MaildirStore) -> None:
    store.account(ALICE).open(INBOX).expunge([1, 2])


def delete(store: MaildirStore) -> None:
    store.account(ALICE).delete("Archive")


def there(root: Path) -> Usage:
    halves = [
        *root.glob("example.org/alice/Maildir/[cn][ue][rw]/*"),
        *root.glob("example.org/alice/Maildir/.Archive/[cn]*/*"),
    ]
    return Usage(sum(path.stat().st_size for path in halves), len(halves))


CHANGES = (deliver, deliver_to_two, append, copy, move, expunge, delete)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_one_fault_at_any_step(tmp_path: Path, change: Callable[[MaildirStore], None], code: int) -> None:
    for number in range(1, 100):
        root = tmp_path / str(number)
        files = FailingFiles(number, code)
        store = MaildirStore(root, files=files, quotas=RULES)
        for _ in range(3):
            append(store)
        store.account(ALICE).create("Archive")
        copy(store)
        files.armed = True
        with contextlib.suppress(MailError):
            change(store)
        files.armed = False
        quota = store.account(ALICE).quota()
        if files.failed is None or _can_be_told(files):
            assert quota is not None and quota.usage == there(root), files.failed
        if files.failed is None:
            break
    assert number > 2


def _can_be_told(files: FailingFiles) -> bool:
    """Whether what failed was no cleaning up behind a fault: a file that cannot be removed is counted the next time."""
    return files.failed is not None and files.failed.operation not in ("unlink", "rmdir")


def _deliver_often(root: Path, limit: int, times: int) -> None:
    store = MaildirStore(root, quotas=QuotaRules({ALICE: QuotaLimits(limit)}.get, 0))
    for _ in range(times):
        with contextlib.suppress(MailError):
            deliver(store)


def test_processes_that_deliver_at_once_go_beyond_by_a_few_messages_at_most(tmp_path: Path) -> None:
    limit, processes = 20 * len(BODY), 3
    MaildirStore(tmp_path).account(ALICE)
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=_deliver_often, args=(tmp_path, limit, 15)) for _ in range(processes)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * processes
    count = there(tmp_path).messages
    looks_at_once = processes - 1
    claims_lost_by_counts = processes * (processes - 1)
    assert 20 <= count <= 20 + looks_at_once + claims_lost_by_counts
