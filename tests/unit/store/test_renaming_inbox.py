"""INBOX is renamed while other programs work in it, and on disks that fail: each message is in one place."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.errors import MailboxBusy, MailError, StorageFault
from mailbox_d.store import folder_files
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_account import MaildirAccount
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX
from tests.faults.store_files import CHANGING, LOOKING, Call, FailingFiles
from tests.unit.store.meddling import ALICE, ALWAYS_LOOK, BODIES, MeddledFiles, UnsyncedFiles, bodies

WORK = frozenset({"\\Flagged", "$Work"})
OTHERS_LOCK = f"{os.getppid()}:{socket.gethostname()}"


def account_of(root: Path, files: FileSystem | None = None) -> MaildirAccount:
    return MaildirStore(root, settings=ALWAYS_LOOK, files=files or UnsyncedFiles()).account(ALICE)


def filled(root: Path, files: FileSystem | None = None) -> MaildirAccount:
    """An account with messages in INBOX, one of them in `new`."""
    inbox = account_of(root).open(INBOX)
    for number, body in enumerate(BODIES):
        delivery = inbox.append(flags=frozenset() if number == 2 else WORK)
        delivery.write(body)
        delivery.commit(all_or_nothing=True)
    return account_of(root, files)


def maildir(root: Path) -> Path:
    return root / "example.org/alice/Maildir"


def names(root: Path) -> list[str]:
    return [listed.name for listed in account_of(root).mailboxes()]


def found(root: Path, account: MaildirAccount | None = None) -> dict[str, list[bytes]]:
    """What the account holds, by mailbox; as a program sees it that has nothing of it in memory, or as `account`."""
    opened = ((name, (account or account_of(root)).open(name)) for name in names(root))
    return {name: bodies(mailbox) for name, mailbox in opened}


def at_each_step(tmp_path: Path, meddle_in: Callable[[Path], Callable[[], None]]) -> list[tuple[Path, str]]:
    """Rename INBOX with another program acting at each step of it; where, and how it ended."""
    ended = []
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = MeddledFiles(number)
        account = filled(root, files)
        account.open(INBOX)
        files.meddle = meddle_in(root)
        outcome = "done"
        try:
            account.rename(INBOX, "Old")
        except MailboxBusy:
            outcome = "busy"
        files.meddle = None
        if files.seen < number:
            break
        ended.append((root, outcome))
    return ended


def test_an_inbox_in_use_by_another_program_is_let_be_and_renamed_later(tmp_path: Path) -> None:
    account = filled(tmp_path)
    account.open(INBOX)
    lock = maildir(tmp_path) / "dovecot-uidlist.lock"
    lock.write_text(OTHERS_LOCK)
    for _ in range(2):
        with pytest.raises(MailboxBusy):
            account.rename(INBOX, "Old")
        assert names(tmp_path) == [INBOX]
    lock.unlink()
    account.rename(INBOX, "Old")
    assert found(tmp_path) == {INBOX: [], "Old": BODIES}


def test_a_program_that_takes_the_lock_at_any_step_has_it_renamed_before_or_after(tmp_path: Path) -> None:
    def other(root: Path) -> Callable[[], None]:
        lock = maildir(root) / "dovecot-uidlist.lock"

        def act() -> None:
            if not lock.exists():
                lock.write_text(OTHERS_LOCK)

        return act

    outcomes = set()
    for root, outcome in at_each_step(tmp_path, other):
        (maildir(root) / "dovecot-uidlist.lock").unlink(missing_ok=True)
        if outcome == "busy":
            assert found(root) == {INBOX: BODIES}
            account_of(root).rename(INBOX, "Old")
        assert found(root) == {INBOX: [], "Old": BODIES}
        outcomes.add(outcome)
    assert outcomes == {"done", "busy"}


def test_a_program_that_has_the_new_mailbox_locked_at_any_step_keeps_it_from_nothing(tmp_path: Path) -> None:
    def other(root: Path) -> Callable[[], None]:
        lock = maildir(root) / ".Old/dovecot-uidlist.lock"

        def act() -> None:
            if lock.parent.exists() and not lock.exists():
                lock.write_text(OTHERS_LOCK)

        return act

    outcomes = set()
    for root, outcome in at_each_step(tmp_path, other):
        if outcome == "busy":
            assert found(root) == {INBOX: BODIES}
            account_of(root).rename(INBOX, "Old")
        (maildir(root) / ".Old/dovecot-uidlist.lock").unlink(missing_ok=True)
        assert found(root) == {INBOX: [], "Old": BODIES}
        outcomes.add(outcome)
    assert outcomes == {"done", "busy"}


def test_flags_that_another_program_sets_at_any_step_go_along(tmp_path: Path) -> None:
    def other(root: Path) -> Callable[[], None]:
        def act() -> None:
            for path in maildir(root).glob("**/cur/*"):
                path.rename(f"{path}S")

        return act

    for root, outcome in at_each_step(tmp_path, other):
        assert (outcome, found(root)) == ("done", {INBOX: [], "Old": BODIES})
        messages = account_of(root).open("Old").messages()
        assert [sorted(message.flags - {"\\Seen"}) for message in messages].count(sorted(WORK)) == 2


def test_what_another_program_removes_at_any_step_stays_removed(tmp_path: Path) -> None:
    def other(root: Path) -> Callable[[], None]:
        def act() -> None:
            for path in maildir(root).glob("**/cur/*"):
                if path.read_bytes() == b"1\n":
                    path.unlink()

        return act

    for root, _ in at_each_step(tmp_path, other):
        assert found(root) == {INBOX: [], "Old": [BODIES[0], BODIES[2]]}


def test_a_message_that_cannot_be_caught_leaves_all_where_they_were(tmp_path: Path) -> None:
    files = MeddledFiles(matches=lambda call: call.operation == "rename" and "Maildir/cur/" in call.path)
    account = filled(tmp_path, files)
    inbox = account.open(INBOX)
    feed = inbox.feed()

    def meddle() -> None:
        for path in (maildir(tmp_path) / "cur").iterdir():
            if path.read_bytes() == b"1\n":
                path.rename(f"{path}x")

    files.meddle = meddle
    with pytest.raises(MailboxBusy):
        account.rename(INBOX, "Old")
    files.meddle = None
    assert found(tmp_path) == {INBOX: BODIES}
    inbox.refresh()
    assert bodies(account_of(tmp_path).open(INBOX)) == BODIES
    assert len(inbox.messages()) == 3
    assert len(list(feed.take())) > 0
    account.rename(INBOX, "Old")
    assert found(tmp_path) == {INBOX: [], "Old": BODIES}


def test_mail_that_comes_into_the_new_mailbox_keeps_it_from_being_removed(tmp_path: Path) -> None:
    files = FailingFiles(3, errno.EIO, lambda call: call.operation == "rename" and "Maildir/cur/" in call.path)
    account = filled(tmp_path, files)
    account.open(INBOX)
    files.number = 1
    files.armed = True

    def deliver(call: Call) -> None:
        FailingFiles.after(files, call)
        if call.operation == "rename" and call.destination.endswith(".Old"):
            (maildir(tmp_path) / ".Old/new/1700000000.M1P1.elsewhere").write_bytes(b"new\n")

    files.after = deliver  # type: ignore[method-assign]
    with pytest.raises(StorageFault):
        account.rename(INBOX, "Old")
    assert found(tmp_path) == {INBOX: BODIES, "Old": [b"new\r\n"]}


@pytest.mark.parametrize("operations", [CHANGING - {"close"}, frozenset(LOOKING)], ids=["changing", "looking"])
def test_after_a_fault_at_any_step_it_can_be_done_again(tmp_path: Path, operations: frozenset[str]) -> None:
    outcomes = set()
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = FailingFiles(number, errno.EIO, lambda call: call.operation in operations)
        account = filled(root, files)
        inbox = account.open(INBOX)
        uids = inbox.messages().uids
        files.armed = True
        try:
            account.rename(INBOX, "Old")
            outcomes.add("done")
        except MailError:
            outcomes.add("fault")
            files.armed = False
            assert found(root, account) == {INBOX: BODIES}
            inbox.refresh()
            assert inbox.messages().uids == uids
            account.rename(INBOX, "Old")
        files.armed = False
        assert found(root, account) == {INBOX: [], "Old": BODIES}
        assert not list(root.rglob("*.lock"))
        inbox.refresh()
        assert not inbox.messages()
        if files.failed is None:
            break
    assert outcomes == {"done", "fault"}


def test_a_fault_of_our_own_on_the_way_leaves_all_where_they_were(tmp_path: Path) -> None:
    files = MeddledFiles()
    account = filled(tmp_path, files)
    account.open(INBOX)
    renames: list[Call] = []

    def fail(call: Call) -> None:
        renames.extend([call] if call.operation == "rename" and "Maildir/cur/" in call.path else [])
        if len(renames) == 2:
            renames.append(call)
            raise RuntimeError("a bug")

    files.before = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        account.rename(INBOX, "Old")
    assert found(tmp_path) == {INBOX: BODIES}
    account.rename(INBOX, "Old")
    assert found(tmp_path) == {INBOX: [], "Old": BODIES}


def test_of_a_disk_that_takes_nothing_more_each_message_is_in_one_place(tmp_path: Path) -> None:
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = FailingFiles(number, errno.EROFS, always=True)
        account = filled(root, files)
        account.open(INBOX)
        files.armed = True
        try:
            account.rename(INBOX, "Old")
        except MailError:
            assert files.failed is not None
        files.armed = False
        everywhere = [body for some in found(root, account).values() for body in some]
        assert sorted(everywhere) == BODIES
        if files.failed is None:
            break


def test_a_lock_that_is_lost_on_the_way_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_files, "_BREATH", 2)

    def other(root: Path) -> Callable[[], None]:
        def act() -> None:
            for path in maildir(root).glob("**/dovecot-uidlist.lock"):
                path.unlink()

        return act

    outcomes = set()
    for root, outcome in at_each_step(tmp_path, other):
        assert found(root) == ({INBOX: BODIES} if outcome == "busy" else {INBOX: [], "Old": BODIES})
        outcomes.add(outcome)
    assert outcomes == {"done", "busy"}
