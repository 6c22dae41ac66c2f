"""Messages that come into one mailbox at once: they share what each would else do alone, and nothing else."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxBusy, StorageFault, TooManyKeywords
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, Flags, Receipt, Target
from tests.faults.store_files import Call, FailingFiles, WatchedFiles

ALICE = EmailAddress.parse("alice@example.org")
SECONDS = 30.0
OTHERS = 7


class GatedFiles(WatchedFiles):
    """Counts what is done to paths; the first sync of the list waits for the gate, and then may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        self.at_the_gate = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.faults = 0

    def before(self, call: Call) -> None:
        self.calls.append((call.operation, os.path.basename(call.path)))
        if call.operation == "fsync" and call.path.endswith("/dovecot-uidlist"):
            self.at_the_gate.set()
            assert self.gate.wait(SECONDS)
            if self.faults:
                self.faults -= 1
                raise OSError(errno.EIO, "the disk is broken")


@pytest.fixture
def files() -> GatedFiles:
    return GatedFiles()


@pytest.fixture
def store(tmp_path: Path, files: GatedFiles) -> MaildirStore:
    return MaildirStore(tmp_path, files=files)


@pytest.fixture
def mailbox(store: MaildirStore) -> MaildirMailbox:
    return store.account(ALICE).open(INBOX)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1 + OTHERS) as pool:
        yield pool


def append(mailbox: MaildirMailbox, flags: Flags = frozenset()) -> int | None:
    delivery = mailbox.append(flags=flags)
    delivery.write(b"hello\r\n")
    try:
        (receipt,) = delivery.commit(all_or_nothing=True)
    finally:
        delivery.abort()
    assert isinstance(receipt, Receipt)
    return receipt.uid


def at_once(
    mailbox: MaildirMailbox, files: GatedFiles, pool: ThreadPoolExecutor, odd: Flags = frozenset()
) -> list[Future[int | None]]:
    """One message, and while it is just being listed the others; the first of these has odd flags."""
    files.gate.clear()
    files.at_the_gate.clear()
    appended = [pool.submit(append, mailbox)]
    assert files.at_the_gate.wait(SECONDS)
    files.calls.clear()
    appended += [pool.submit(append, mailbox, odd if number == 0 else frozenset()) for number in range(OTHERS)]
    pause = threading.Event()
    while len(mailbox._arrivals._waiting) < OTHERS:
        pause.wait(0.001)
    files.gate.set()
    for each in appended:
        each.exception(SECONDS)
    return appended


def left(tmp_path: Path) -> list[Path]:
    return [path for part in ("new", "cur", "tmp") for path in tmp_path.glob(f"**/{part}/*")]


def test_who_comes_meanwhile_shares_lock_look_and_syncs(
    mailbox: MaildirMailbox, files: GatedFiles, pool: ThreadPoolExecutor
) -> None:
    uids = [each.result() for each in at_once(mailbox, files, pool)]
    assert sorted(uids, key=str) == list(range(1, OTHERS + 2))
    assert uids[0] == 1
    assert files.calls.count(("fsync", "dovecot-uidlist")) == 1
    assert files.calls.count(("fsync_directory", "new")) == 2
    assert list(mailbox.messages().uids) == list(range(1, OTHERS + 2))


def test_one_that_cannot_be_put_there_keeps_no_other_from_it(
    mailbox: MaildirMailbox, files: GatedFiles, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    too_many = frozenset(f"keyword{number}" for number in range(27))
    first, odd, *others = at_once(mailbox, files, pool, too_many)
    assert isinstance(odd.exception(), TooManyKeywords)
    assert sorted(each.result() or 0 for each in [first, *others]) == list(range(1, OTHERS + 1))
    assert len(left(tmp_path)) == OTHERS


def test_what_fails_for_the_folder_fails_for_all_and_leaves_nothing(
    mailbox: MaildirMailbox, files: GatedFiles, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    append(mailbox)
    files.faults = 2
    failed = at_once(mailbox, files, pool)
    assert {type(each.exception()) for each in failed} == {StorageFault}
    assert len(left(tmp_path)) == 1
    assert append(mailbox) is not None
    assert len(mailbox.messages()) == 2


def test_a_locked_folder_is_told_to_all_and_the_message_can_be_put_there_again(
    mailbox: MaildirMailbox, store: MaildirStore, tmp_path: Path
) -> None:
    append(mailbox)
    delivery = mailbox.append()
    delivery.write(b"hello\r\n")
    (lock,) = (path.with_name("dovecot-uidlist.lock") for path in tmp_path.glob("**/dovecot-uidlist"))
    lock.write_text(f"{os.getppid()}:{os.uname().nodename}")
    with pytest.raises(MailboxBusy):
        delivery.commit(all_or_nothing=True)
    lock.unlink()
    (receipt,) = delivery.commit(all_or_nothing=True)
    assert isinstance(receipt, Receipt)
    assert receipt.uid == 2


def test_new_is_not_read_again_for_what_was_put_there(mailbox: MaildirMailbox, files: GatedFiles) -> None:
    append(mailbox)
    files.calls.clear()
    for _ in range(3):
        append(mailbox)
        mailbox.refresh()
    assert ("names", "new") not in files.calls
    assert len(mailbox.messages()) == 4


def test_mail_that_came_at_the_same_time_is_read_though_the_directory_s_time_does_not_show_it(
    mailbox: MaildirMailbox, store: MaildirStore, files: GatedFiles
) -> None:
    """What is delivered as a message is appended may come between the two looks at the directory's time."""
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(b"hello\r\n")
    outcomes: list[object] = []

    def deliver(call: Call) -> None:
        if call.operation == "rename" and "/new/" in call.destination and not outcomes:
            outcomes.append(None)
            outcomes.extend(delivery.commit(all_or_nothing=True))

    append(mailbox)
    files.after = deliver  # type: ignore[method-assign]
    append(mailbox)
    mailbox.refresh()
    assert isinstance(outcomes[-1], Receipt)
    assert len(mailbox.messages()) == 3


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_message_that_was_refused_is_not_there_whatever_failed_on_the_way(tmp_path: Path, code: int) -> None:
    refused = 0
    for number in count(1):
        files = FailingFiles(number, code, lambda call: call.operation != "close")
        root = tmp_path / str(number)
        mailbox = MaildirStore(root, files=files).account(ALICE).open(INBOX)
        append(mailbox)
        files.armed = True
        try:
            append(mailbox)
            expected = 2
        except StorageFault:
            expected, refused = 1, refused + 1
        files.armed = False
        with mailbox._disk.locks.hold(mailbox._folder):
            pass  # whoever locks next removes a lock that the disk would not have removed
        again = MaildirStore(root).account(ALICE).open(INBOX)
        assert len(again.messages()) == expected, files.failed
        if files.failed is None:
            break
    assert refused > 20
