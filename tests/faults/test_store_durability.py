"""What was done, in which order, before a commit returned: file, then its name, then the directory of the name."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.store.directory_sync import DirectorySync
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, FlagAction, Target
from tests.faults.store_files import Call, RecordingFiles

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
CAROL = EmailAddress.parse("carol@example.org")
BIG = b"0123456789abcdef\r\n" * 40_000


def folder(path: str) -> str:
    return path.rpartition("/")[0]


def prove_message_is_durable(calls: list[Call], final: str) -> None:
    """fsync(file) before its last rename, that before fsync(directory), that before the end; nothing written after."""
    names = {final}
    renamed = last(calls, lambda call: call.operation == "rename" and call.destination == final)
    names.add(calls[renamed].path)
    for call in reversed(calls[:renamed]):
        if call.operation == "link" and call.destination in names:
            names.add(call.path)
    synced = last(calls[:renamed], lambda call: call.operation == "fsync" and call.path in names)
    written = last(calls, lambda call: call.operation in ("write", "utime") and call.path in names)
    made_durable = last(calls, lambda call: call.operation == "fsync_directory" and call.path == folder(final))
    assert written < synced < renamed < made_durable


def last(calls: list[Call], holds: object) -> int:
    return max(index for index, call in enumerate(calls) if holds(call))  # type: ignore[operator]


@pytest.fixture
def files() -> RecordingFiles:
    return RecordingFiles()


@pytest.mark.parametrize(
    "body", [b"x\r\n", BIG, b"bare\nLF" + BIG, BIG + b"bare\nLF"], ids=["small", "big", "raw", "late"]
)
@pytest.mark.parametrize("newline", ["lf", "crlf"])
def test_each_copy_of_a_delivery(tmp_path: Path, files: RecordingFiles, body: bytes, newline: str) -> None:
    store = MaildirStore(tmp_path, files=files, newline=newline)
    delivery = store.deliver([Block(b"A: a\r\n", (Target(ALICE), Target(BOB))), Block(b"B: b\r\n", (Target(CAROL),))])
    delivery.write(body)
    delivery.commit(all_or_nothing=True)
    finals = [str(path) for path in tmp_path.rglob("new/*")]
    assert len(finals) == 3
    for final in finals:
        prove_message_is_durable(files.calls, final)


def test_all_renames_come_before_the_first_directory_is_synced(tmp_path: Path, files: RecordingFiles) -> None:
    people = [EmailAddress.parse(f"u{number}@example.org") for number in range(5)]
    store = MaildirStore(tmp_path, files=files)
    for address in people:
        store.account(address)
    files.calls.clear()
    delivery = store.deliver([Block(b"", tuple(map(Target, people)))])
    delivery.write(b"x\r\n")
    delivery.commit(all_or_nothing=True)
    operations = [call.operation for call in files.calls if call.operation in ("rename", "fsync_directory")]
    assert operations == ["rename"] * 5 + ["fsync_directory"] * 5
    assert [call.operation for call in files.calls].count("fsync") == 1


def test_a_new_maildir_s_folders_are_durable_before_the_message_is(tmp_path: Path, files: RecordingFiles) -> None:
    store = MaildirStore(tmp_path / "root", files=files)
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.commit(all_or_nothing=True)
    for made in [call.path for call in files.calls if call.operation == "mkdir"]:
        synced = [call.path for call in files.calls if call.operation == "fsync_directory"]
        assert folder(made) in synced


@pytest.mark.parametrize("flags", [frozenset(), frozenset({"\\Seen", "Work"})])
@pytest.mark.parametrize("body", [b"x\r\n", BIG], ids=["small", "big"])
def test_an_append_and_its_uid(tmp_path: Path, files: RecordingFiles, flags: frozenset[str], body: bytes) -> None:
    mailbox = MaildirStore(tmp_path, files=files).account(ALICE).open(INBOX)
    mailbox.append().commit(all_or_nothing=True)
    files.calls.clear()
    delivery = mailbox.append(flags=flags, internal_date=1e9)
    delivery.write(body)
    delivery.commit(all_or_nothing=True)
    renamed = [call for call in files.calls if call.operation == "rename" and "/Maildir/tmp/" in call.path]
    (final,) = {call.destination for call in renamed}
    prove_message_is_durable(files.calls, final)
    calls = files.calls
    uidlist = str(tmp_path / "example.org/alice/Maildir/dovecot-uidlist")
    locked = last(calls, lambda call: call.operation == "link" and call.destination == uidlist + ".lock")
    placed = calls.index(renamed[0])
    listed = last(calls, lambda call: call.operation == "write" and call.path == uidlist)
    durable = last(calls, lambda call: call.operation == "fsync" and call.path == uidlist)
    unlocked = last(calls, lambda call: call.operation == "unlink" and call.path == uidlist + ".lock")
    assert locked < placed < listed < durable < unlocked


def test_a_keyword_is_durable_before_a_name_carries_its_letter(tmp_path: Path, files: RecordingFiles) -> None:
    mailbox = MaildirStore(tmp_path, files=files).account(ALICE).open(INBOX)
    mailbox.append().commit(all_or_nothing=True)
    files.calls.clear()
    mailbox.change_flags([1], FlagAction.ADD, frozenset({"Work"}))
    keywords = str(tmp_path / "example.org/alice/Maildir/dovecot-keywords")
    replaced = last(files.calls, lambda call: call.operation == "rename" and call.destination == keywords)
    synced = last(files.calls, lambda call: call.operation == "fsync" and call.path == keywords + ".lock")
    carried = last(files.calls, lambda call: call.operation == "rename" and call.destination.endswith(":2,a"))
    assert synced < replaced < carried


def test_every_change_is_made_under_the_lock(tmp_path: Path, files: RecordingFiles) -> None:
    store = MaildirStore(tmp_path, files=files)
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.commit(all_or_nothing=True)
    mailbox = store.account(ALICE).open(INBOX)
    files.calls.clear()
    mailbox.recent(claim=True)
    mailbox.append(flags=frozenset({"Work"})).commit(all_or_nothing=True)
    mailbox.change_flags([1], FlagAction.ADD, frozenset({"\\Seen", "More"}))
    mailbox.expunge([1, 2])
    mailbox.refresh()
    held, changes = False, 0
    for call in files.calls:
        if call.destination.endswith("uidlist.lock"):
            held = True
        elif call.path.endswith("uidlist.lock"):
            held = held and call.operation != "unlink"
        elif call.operation in ("rename", "unlink", "names") and "/Maildir/tmp/" not in call.path:
            changes += 1
            assert held, call
    assert changes >= 5


def test_nobody_counts_on_a_new_maildir_that_another_thread_has_not_made_durable(tmp_path: Path) -> None:
    done: list[str] = []

    def deliver(by: str) -> None:
        delivery = store.deliver([Block(b"", (Target(ALICE),))])
        delivery.write(BIG)
        delivery.commit(all_or_nothing=True)
        done.append(by)

    class SlowFiles(FileSystem):
        def fsync_directory(self, path: bytes) -> None:
            if path.endswith(b"/example.org") and not done and not second.ident:
                second.start()
                second.join(0.3)
                done.append("the user's folder is durable")
            super().fsync_directory(path)

    store = MaildirStore(tmp_path, files=SlowFiles())
    second = threading.Thread(target=deliver, args=("second",))
    deliver("first")
    second.join(10)
    assert done[0] == "the user's folder is durable" and sorted(done[1:]) == ["first", "second"]


def test_those_who_wait_share_one_directory_sync() -> None:
    started, go_on, joined = threading.Event(), threading.Event(), threading.Semaphore(0)
    synced: list[bytes] = []

    class SlowFiles(FileSystem):
        def fsync_directory(self, path: bytes) -> None:
            synced.append(path)
            started.set()
            assert go_on.wait(10)

    class Counted(DirectorySync):
        def sync(self, directory: bytes) -> None:
            joined.release()
            super().sync(directory)

    directories = Counted(SlowFiles())
    threads = [threading.Thread(target=directories.sync, args=(b"d",)) for _ in range(9)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    for _ in range(9):
        assert joined.acquire(timeout=10)
    while len(directories._gathering) == 0:
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert 2 <= len(synced) < 9


def test_a_directory_sync_that_ends_without_a_verdict_makes_nobody_durable() -> None:
    started, go_on, arrived = threading.Event(), threading.Event(), threading.Semaphore(0)
    durable: list[str] = []

    class FailingAfterTheFirst(FileSystem):
        def fsync_directory(self, path: bytes) -> None:
            if started.is_set():
                raise MemoryError
            started.set()
            assert go_on.wait(10)

    directories = DirectorySync(FailingAfterTheFirst())

    def wait_for_it() -> None:
        arrived.release()
        with contextlib.suppress(OSError, MemoryError):
            directories.sync(b"d")
            durable.append(threading.current_thread().name)

    threads = [threading.Thread(target=wait_for_it, name=name) for name in ("leader", "second", "third", "fourth")]
    for thread in threads:
        thread.start()
        assert started.wait(10) and arrived.acquire(timeout=10)
    while b"d" not in directories._gathering:
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert durable == ["leader"]


def test_a_failed_directory_sync_is_told_to_all_who_waited_for_it() -> None:
    class BrokenFiles(FileSystem):
        def fsync_directory(self, path: bytes) -> None:
            raise OSError(5, "Input/output error")

    directories = DirectorySync(BrokenFiles())
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            directories.sync(b"d")
