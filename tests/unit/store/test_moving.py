"""Moves while another program works on the same messages, at each step of the way: by links into their places, and by
files in `tmp` where a file takes no link there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from mailbox_d.errors import MailboxBusy, StorageFault
from mailbox_d.store import folder_files
from mailbox_d.store.files import FileSystem, parent
from mailbox_d.store.ports import FlagAction
from tests.faults.store_files import RecordingFiles
from tests.unit.store.meddling import BODIES, SEEN, MeddledFiles, bodies, filled, opened

FLAGGED = frozenset({"\\Flagged", "\\Seen"})


def found(root: Path) -> list[list[bytes]]:
    """What lies in the three mailboxes, as another process sees it."""
    return [bodies(mailbox) for mailbox in opened(root)]


def everything(root: Path) -> list[bytes]:
    return sorted(chain.from_iterable(found(root)))


@pytest.fixture(autouse=True, params=["by links", "through tmp"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How messages get into their places."""
    link = FileSystem.link

    def refuse(self: FileSystem, source: bytes, destination: bytes) -> None:
        if b"/cur/" in destination:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        link(self, source, destination)

    if request.param == "through tmp":
        monkeypatch.setattr(FileSystem, "link", refuse)


def at_each_step(
    tmp_path: Path, other: Callable[[Path], Callable[[], None]]
) -> Iterator[tuple[Path, Mapping[int, int]]]:
    """Move all messages to Archive over and over, the other program acting at the first step, the second and so on, and
    at last when all is done."""
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = MeddledFiles(number)
        inbox, archive, _ = filled(root, files)
        feed = archive.feed()
        files.meddle = other(root)
        moved = inbox.move([1, 2, 3], archive)
        is_last, meddle, files.meddle = files.seen < number, files.meddle, None
        if is_last:
            meddle()
        arrived = [change.message.uid for change in feed.take()]  # type: ignore[union-attr]
        assert arrived == [message.uid for message in archive.messages()]
        assert set(moved.values()) <= set(arrived)
        assert not list(root.rglob("tmp/*"))
        yield root, moved
        if is_last:
            break
    assert number > 60


def cur(root: Path) -> Path:
    return root / "example.org/alice/Maildir/cur"


@pytest.mark.parametrize("goal", [1, 2], ids=["to the same mailbox", "to another one"])
def test_of_two_programs_that_move_messages_at_any_step_one_does(tmp_path: Path, goal: int) -> None:
    others: list[int] = []

    def other(root: Path) -> Callable[[], None]:
        mailboxes = opened(root)

        def act() -> None:
            with suppress(MailboxBusy):
                others.append(len(mailboxes[0].move([1, 2], mailboxes[goal])))

        return act

    counts = set()
    for root, moved in at_each_step(tmp_path, other):
        assert everything(root) == BODIES
        counts.add(len(moved))
    assert counts == {1, 3}
    assert set(others) == {0, 2}


def test_what_another_program_expunges_at_any_step_is_not_in_the_other_mailbox(tmp_path: Path) -> None:
    expunged: dict[str, set[int]] = {}

    def other(root: Path) -> Callable[[], None]:
        mailbox = opened(root)[0]

        def act() -> None:
            with suppress(MailboxBusy):
                expunged[root.name] = set(mailbox.expunge([1]))

        return act

    for root, moved in at_each_step(tmp_path, other):
        gone = expunged.get(root.name, set())
        assert set(moved) == {1, 2, 3} - gone
        assert found(root) == [[], BODIES[len(gone) :], []]
    assert {1} in expunged.values() and set() in expunged.values()


def test_flags_that_another_program_sets_at_any_step_go_along(tmp_path: Path) -> None:
    flagged: dict[str, bool] = {}

    def other(root: Path) -> Callable[[], None]:
        mailbox = opened(root)[0]

        def act() -> None:
            with suppress(MailboxBusy):
                flagged[root.name] = bool(mailbox.change_flags([2], FlagAction.ADD, FLAGGED))

        return act

    for root, _ in at_each_step(tmp_path, other):
        flags = [message.flags for message in opened(root)[1].messages()]
        assert flags == [SEEN, FLAGGED if flagged.get(root.name) else SEEN, SEEN]
    assert {True, False} == set(flagged.values())


def test_what_a_program_without_a_lock_removes_at_any_step_is_not_in_the_other_mailbox(tmp_path: Path) -> None:
    removed: dict[str, bool] = {}

    def other(root: Path) -> Callable[[], None]:
        path = min(cur(root).iterdir())

        def act() -> None:
            removed[root.name] = path.exists()
            path.unlink(missing_ok=True)

        return act

    for root, moved in at_each_step(tmp_path, other):
        gone = removed[root.name]
        assert (len(moved), len(everything(root))) == ((2, 2) if gone else (3, 3))
    assert {True, False} == set(removed.values())


def test_what_a_program_without_a_lock_moves_at_any_step_is_there_once(tmp_path: Path) -> None:
    def other(root: Path) -> Callable[[], None]:
        path = min(cur(root).iterdir())

        def act() -> None:
            with suppress(FileNotFoundError):
                path.rename(cur(root).parent / ".Trash/cur" / path.name)

        return act

    counts = set()
    for root, moved in at_each_step(tmp_path, other):
        inbox, archive, trash = found(root)
        assert sorted(archive + trash) == BODIES and not inbox
        counts.add(len(moved))
    assert counts == {2, 3}


def test_what_a_program_without_a_lock_renames_at_any_step_is_moved(tmp_path: Path) -> None:
    def other(root: Path) -> Callable[[], None]:
        path = min(cur(root).iterdir())

        def act() -> None:
            with suppress(FileNotFoundError):
                path.rename(path.with_name(path.name.partition(":")[0] + ":2,FS"))

        return act

    for root, moved in at_each_step(tmp_path, other):
        assert found(root) == [[], BODIES, []]
        assert list(moved) == [1, 2, 3]


def test_a_message_that_cannot_be_caught_stays_and_its_copy_is_taken_back(tmp_path: Path) -> None:
    files = MeddledFiles(matches=lambda call: call.operation == "unlink" and "Maildir/cur/" in call.path)
    inbox, archive, _ = filled(tmp_path, files)
    (path,) = (path for path in cur(tmp_path).iterdir() if path.read_bytes() == b"1\n")

    def meddle() -> None:
        (now,) = cur(tmp_path).glob(path.name.partition(":")[0] + "*")
        now.rename(now.with_name(now.name + "x"))

    files.meddle = meddle
    assert list(inbox.move([1, 2, 3], archive)) == [1, 3]
    files.meddle = None
    assert found(tmp_path) == [[b"1\r\n"], [b"0\r\n", b"2\r\n"], []]
    assert archive.status().uid_next == 4


@pytest.mark.parametrize("lost", ["Maildir", "Maildir/.Archive"])
def test_a_lock_that_is_lost_on_the_way_loses_and_doubles_nothing(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_files, "_BREATH", 2)
    outcomes = set()
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = MeddledFiles(number)
        inbox, archive, _ = filled(root, files)
        lock = root / "example.org/alice" / lost / "dovecot-uidlist.lock"
        files.meddle = partial(lock.unlink, missing_ok=True)
        outcome = "moved"
        try:
            inbox.move([1, 2, 3], archive)
        except StorageFault:
            outcome = "some moved"
        except MailboxBusy:
            outcome = "busy"
        files.meddle = None
        if files.seen < number:
            break
        here, there, _ = found(root)
        assert sorted(here + there) == BODIES
        assert len(there) == {"moved": 3, "some moved": 1, "busy": 0}[outcome]
        outcomes.add(outcome)
    assert outcomes == {"moved", "some moved", "busy"}


def test_two_folders_are_locked_in_the_order_of_their_paths(tmp_path: Path) -> None:
    files = RecordingFiles()
    inbox, archive, trash = filled(tmp_path, files)
    for source, goal in [(inbox, trash), (trash, archive), (archive, inbox)]:
        uids = [message.uid for message in source.messages()]
        files.calls.clear()
        assert len(source.move(uids, goal)) == 3
        locks = [parent(call.destination.encode()) for call in files.calls if call.destination.endswith("list.lock")]
        assert len(locks) in (2, 4), "the way through tmp is taken when the other has failed"
        assert all(locks[at : at + 2] == sorted(set(locks)) for at in range(0, len(locks), 2))


def test_no_file_is_removed_before_all_copies_are_listed(tmp_path: Path) -> None:
    files = RecordingFiles()
    inbox, archive, _ = filled(tmp_path, files)
    files.calls.clear()
    inbox.move([1, 2, 3], archive)
    steps = [call.operation for call in files.calls if "/cur/" in call.path or call.path.endswith("uidlist")]
    assert steps.index("fsync") < steps.index("unlink")
    assert steps.count("unlink") == 3
