"""A user moves into a Maildir that the realm names, and the disk says no, or the process ends, at any step of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import StorageFault
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import Block, Receipt, Target
from mailbox_d.store.residences import Residence, ResidenceRules
from tests.faults.store_files import ERRNOS, FailingFiles, MortalFiles, RecordingFiles

ALICE = EmailAddress.parse("alice@example.org")
PLACE, MOVED = "staff/alice", "elsewhere/alice"
STEPS = 100


def store(root: Path, files: FileSystem, place: str = PLACE) -> MaildirStore:
    rules = ResidenceRules(lambda address: Residence(place), frozenset({"example.org"}))
    return MaildirStore(root, files=files, residences=rules)


def deliver(to: MaildirStore) -> None:
    delivery = to.deliver([Block(b"", (Target(ALICE),))])
    try:
        delivery.write(b"Subject: x\r\n\r\n")
        (outcome,) = delivery.commit(all_or_nothing=True)
        assert isinstance(outcome, Receipt)
    finally:
        delivery.abort()


def assert_is_home(root: Path, place: str, messages: int) -> None:
    """All is as if nothing had gone wrong."""
    assert (root / "example.org/alice/Maildir").readlink() == Path("../..") / place
    assert sorted(path.name for path in (root / "example.org/alice").iterdir()) == ["Maildir"]
    assert len(list((root / place / "new").iterdir())) == messages
    assert (root / place / "mailboxd-owner").read_text().endswith("alice@example.org\n")
    assert len(store(root, FileSystem(), place).account(ALICE).open("INBOX").messages()) == messages


@pytest.mark.parametrize("code", ERRNOS, ids=lambda code: errno.errorcode[code])
def test_a_step_that_fails_is_done_again(tmp_path: Path, code: int) -> None:
    for number in range(1, STEPS):
        root = tmp_path / str(number)
        root.mkdir()
        files = FailingFiles(number, code)
        files.armed = True
        failed = False
        try:
            store(root, files).account(ALICE)
        except StorageFault:
            failed = True
        deliver(store(root, FileSystem()))
        assert_is_home(root, PLACE, 1)
        if files.failed is None:
            assert not failed
            return
    raise AssertionError("there is no end of steps")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("moves", [True, False], ids=["to another place", "for the first time"])
def test_whatever_ends_it_in_the_middle_is_done_again(tmp_path: Path, before: bool, moves: bool) -> None:
    for number in range(1, STEPS):
        root = tmp_path / str(number)
        root.mkdir()
        if moves:
            store(root, FileSystem()).account(ALICE)
            (root / "elsewhere").mkdir()
            (root / PLACE).rename(root / MOVED)
        place = MOVED if moves else PLACE
        if not ends_at(root, place, number, before=before):
            assert_is_home(root, place, 0)
            return
        deliver(store(root, FileSystem(), place))
        assert_is_home(root, place, 1)
    raise AssertionError("there is no end of steps")


def ends_at(root: Path, place: str, number: int, *, before: bool) -> bool:
    """Whether the process came so far, and ended there."""
    child = os.fork()
    if not child:
        files = MortalFiles(number, before=before)
        files.armed = True
        store(root, files, place).account(ALICE)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def test_the_mark_and_the_link_are_durable_in_this_order(tmp_path: Path) -> None:
    files = RecordingFiles()
    store(tmp_path, files).account(ALICE)
    calls = [(call.operation, call.path.removeprefix(str(tmp_path)).lstrip("/")) for call in files.calls]
    marked = calls.index(("fsync_directory", PLACE), calls.index(next(call for call in calls if call[0] == "link")))
    linked = next(at for at, call in enumerate(calls) if call[0] == "rename")
    assert marked < linked < calls.index(("fsync_directory", "example.org/alice"), linked)
