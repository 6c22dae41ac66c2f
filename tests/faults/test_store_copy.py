"""Copies and moves that fail or are cut off at any step: never a part of a copy, never a message lost."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxBusy, StorageFault
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Mailbox
from tests.faults.store_files import CHANGING, ERRNOS, FailingFiles, RecordingFiles
from tests.faults.test_store_kill import run_until_it_dies, settled

ALICE = EmailAddress.parse("alice@example.org")
BODIES = [b"0\r\n", b"1\r\n", b"2\r\n"]
FLAGS = frozenset({"\\Seen", "Work"})


def append(mailbox: Mailbox, body: bytes) -> None:
    delivery = mailbox.append(flags=FLAGS, internal_date=1e9)
    delivery.write(body)
    delivery.commit(all_or_nothing=True)


def filled(store: MaildirStore) -> tuple[Mailbox, Mailbox]:
    account = store.account(ALICE)
    account.create("Archive")
    source, goal = account.open(INBOX), account.open("Archive")
    for body in BODIES:
        append(source, body)
    append(goal, b"first\r\n")
    return source, goal


def read(mailbox: Mailbox) -> list[bytes]:
    bodies = []
    for message in mailbox.messages():
        reader = mailbox.read(message.uid)
        bodies.append(reader.read(0, reader.size))
        reader.close()
    return bodies


def look_again(*mailboxes: Mailbox) -> None:
    """Catch up under the lock, by which one that could not be removed goes too."""
    for mailbox in mailboxes:
        mailbox.expunge([])


def found(root: Path) -> tuple[list[bytes], list[bytes]]:
    """What another process finds in both mailboxes."""
    account = MaildirStore(root).account(ALICE)
    return read(account.open(INBOX)), read(account.open("Archive"))


@pytest.mark.parametrize("code", ERRNOS, ids=lambda code: errno.errorcode[code])
def test_a_copy_that_fails_at_any_step_is_all_or_nothing(tmp_path: Path, code: int) -> None:
    for number in range(1, 100):
        root = tmp_path / str(number)
        files = FailingFiles(number, code)
        source, goal = filled(MaildirStore(root, files=files))
        files.armed = True
        try:
            copied = source.copy([1, 2, 3], goal)
        except StorageFault:
            copied = {}
        files.armed = False
        look_again(source, goal)
        expected = [b"first\r\n", *(BODIES if copied else [])]
        assert read(goal) == expected, files.failed
        assert found(root) == (BODIES, expected), files.failed
        again = source.copy([2], goal)
        assert again[2] == goal.messages()[-1].uid
        assert found(root) == (BODIES, [*expected, BODIES[1]])
        assert {message.flags for message in goal.messages()} == {FLAGS}
        if files.failed is None:
            break
        assert files.failed.operation == "unlink" or not list(root.rglob("tmp/*"))
    assert number > 10


@pytest.mark.parametrize("code", ERRNOS, ids=lambda code: errno.errorcode[code])
def test_a_move_that_fails_at_any_step_leaves_each_message_in_one_mailbox(tmp_path: Path, code: int) -> None:
    for number in range(1, 100):
        root = tmp_path / str(number)
        files = FailingFiles(number, code)
        source, goal = filled(MaildirStore(root, files=files))
        files.armed = True
        try:
            source.move([1, 2, 3], goal)
            moved = True
        except StorageFault:
            moved = False
        files.armed = False
        look_again(source, goal)
        here, there = found(root)
        assert (read(source), read(goal)) == (here, there), files.failed
        assert sorted([*here, *there[1:]]) == BODIES, files.failed
        assert not (moved and here)
        if files.failed is None:
            break
    assert number > 15


def test_fault_6_a_disk_that_takes_nothing_more_leaves_a_move_where_it_was(tmp_path: Path) -> None:
    files = FailingFiles(1, errno.EROFS, lambda call: call.operation in CHANGING - {"close"}, always=True)
    source, goal = filled(MaildirStore(tmp_path, files=files))
    files.armed = True
    with pytest.raises(StorageFault):
        source.move([1, 2, 3], goal)
    files.armed = False
    assert found(tmp_path) == (BODIES, [b"first\r\n"])


def test_a_move_whose_mailbox_is_locked_can_be_repeated(tmp_path: Path) -> None:
    source, goal = filled(MaildirStore(tmp_path))
    lock = tmp_path / "example.org/alice/Maildir/dovecot-uidlist.lock"
    lock.write_bytes(b"1:elsewhere")
    with pytest.raises(MailboxBusy):
        source.move([1, 2, 3], goal)
    assert read(goal) == [b"first\r\n"]
    lock.unlink()
    source.move([1, 2, 3], goal)
    assert found(tmp_path) == ([], [b"first\r\n", *BODIES])


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK, errno.EPERM], ids=lambda code: errno.errorcode[code])
def test_what_cannot_be_linked_is_copied_with_its_date(tmp_path: Path, code: int) -> None:
    files = FailingFiles(
        1, code, lambda call: call.operation == "link" and "uidlist" not in call.destination, always=True
    )
    source, goal = filled(MaildirStore(tmp_path, files=files))
    files.armed = True
    assert source.copy([1, 2, 3], goal) == {1: 2, 2: 3, 3: 4}
    assert files.failed is not None
    assert found(tmp_path) == (BODIES, [b"first\r\n", *BODIES])
    assert [goal.internal_date(uid) for uid in (2, 3, 4)] == [1e9] * 3
    assert not list(tmp_path.rglob("tmp/*"))


def test_a_copy_is_durable_before_its_source_is_removed(tmp_path: Path) -> None:
    files = RecordingFiles()
    source, goal = filled(MaildirStore(tmp_path, files=files))
    files.calls.clear()
    source.move([1, 2], goal)
    steps = [
        call.operation
        for call in files.calls
        if (call.operation == "link" and "/cur/" in call.destination)
        or (call.operation == "fsync_directory" and call.path.endswith("/cur"))
        or (call.operation == "fsync" and call.path.endswith("uidlist"))
        or (call.operation == "unlink" and "/cur/" in call.path)
    ]
    assert steps[:6] == ["link", "link", "fsync_directory", "fsync", "unlink", "unlink"]


def test_links_share_the_file_and_keep_the_name_in_another_folder_alone(tmp_path: Path) -> None:
    source, goal = filled(MaildirStore(tmp_path))
    source.copy([1], goal)
    source.copy([1], source)
    maildir = tmp_path / "example.org/alice/Maildir"
    one = min((maildir / "cur").iterdir())
    other = maildir / ".Archive/cur" / one.name
    assert one.stat().st_ino == other.stat().st_ino
    assert one.stat().st_nlink == 3
    assert len({path.name for path in (maildir / "cur").iterdir()}) == 4


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("verb", ["copy", "move"])
def test_fault_3_killed_at_each_step_of_a_copy_or_a_move(tmp_path: Path, verb: str, before: bool) -> None:
    def work(store: MaildirStore) -> None:
        account = store.account(ALICE)
        getattr(account.open(INBOX), verb)([1, 2, 3], account.open("Archive"))

    for number in range(1, 200):
        root = tmp_path / str(number)
        filled(MaildirStore(root))
        answered = run_until_it_dies(root, work, number, before=before)
        settled(root)
        here, there = found(root)
        assert there[0] == b"first\r\n"
        assert {*here, *there[1:]} == set(BODIES), "no message is lost"
        if answered:
            assert (here, there[1:]) == ([] if verb == "move" else BODIES, BODIES)
            break
    assert answered and number > 10
