"""Mailboxes that are renamed and deleted while sessions of the same user work in them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import rmtree

import pytest

from mailbox_d.errors import MailboxBusy, MailError
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Account
from tests.unit.store.meddling import ALICE, BODIES, MeddledFiles, bodies, filled

OPERATIONS: dict[str, Callable[[Account], object]] = {
    "delete": lambda account: account.delete("Archive"),
    "rename": lambda account: account.rename("Archive", "Elsewhere"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mailbox_that_is_renamed_or_deleted_during_a_move_takes_no_lock_along(tmp_path: Path, operation: str) -> None:
    outcomes = set()
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = MeddledFiles(number)
        store = MaildirStore(root, files=files)
        filled(root, files)
        account = store.account(ALICE)
        inbox, archive = account.open(INBOX), account.open("Archive")
        outcome = ["done"]

        def act(account: Account = account, outcome: list[str] = outcome) -> None:
            try:
                OPERATIONS[operation](account)
            except MailboxBusy:
                outcome[0] = "busy"

        files.meddle = act
        try:
            inbox.move([1, 2, 3], archive)
        except MailError:
            outcome.append("not moved")
        files.meddle = None
        if files.seen < number:
            break
        assert not list(root.rglob("*.lock"))
        afresh = MaildirStore(root).account(ALICE)
        here = bodies(afresh.open(INBOX))
        there = [bodies(afresh.open(name)) for name in ("Archive", "Elsewhere") if _is_there(afresh, name)]
        if operation == "rename" or outcome != ["done"]:
            assert sorted([*here, *(body for found in there for body in found)]) == BODIES
        outcomes.add(tuple(outcome))
    assert outcomes == {("done",), ("busy",), ("done", "not moved")}


def _is_there(account: Account, name: str) -> bool:
    return any(listed.name == name for listed in account.mailboxes())


def _take_away(folder: Path) -> None:
    """Remove a folder as Dovecot does, which asks for no lock."""
    trash = folder.with_name("..DOVECOT-TRASHED")
    folder.rename(trash)
    rmtree(trash)


def test_no_message_goes_with_a_mailbox_that_another_program_deletes_before_the_first_is_removed(
    tmp_path: Path,
) -> None:
    """From then on it is as if it had been deleted after the move."""
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = MeddledFiles(number)
        inbox, archive, _ = filled(root, files)
        files.meddle = partial(_take_away, root / "example.org/alice/Maildir/.Archive")
        with suppress(MailError):
            inbox.move([1, 2, 3], archive)
        files.meddle = None
        if bodies(MaildirStore(root).account(ALICE).open(INBOX)) != BODIES:
            break
    assert files.meddled_at is not None
    assert files.meddled_at.operation == "unlink"
    assert files.meddled_at.path.startswith(str(root / "example.org/alice/Maildir/cur"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mailbox_that_another_program_is_changing_is_neither_renamed_nor_deleted(
    tmp_path: Path, operation: str
) -> None:
    """Its lock would go along."""
    account = MaildirStore(tmp_path).account(ALICE)
    for name in ("Archive", "Archive/2026"):
        account.create(name)
    lock = tmp_path / "example.org/alice/Maildir/.Archive/dovecot-uidlist.lock"
    lock.write_text(f"{os.getppid()}:{socket.gethostname()}")
    with pytest.raises(MailboxBusy):
        OPERATIONS[operation](account)
    assert _is_there(account, "Archive")
    lock.unlink()
    OPERATIONS[operation](account)
    assert [path.name for path in tmp_path.glob("**/*.lock")] == []
    assert _is_there(account, "Elsewhere/2026") is (operation == "rename")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_folder_that_takes_no_lock_is_renamed_and_deleted_all_the_same(tmp_path: Path, operation: str) -> None:
    account = MaildirStore(tmp_path).account(ALICE)
    account.create("Archive")
    folder = tmp_path / "example.org/alice/Maildir/.Archive"
    (folder / "tmp").rmdir()
    (folder / "tmp").symlink_to(tmp_path)
    OPERATIONS[operation](account)
    assert not folder.exists()
    assert tmp_path.exists()


def test_two_programs_delete_mailboxes_at_once(tmp_path: Path) -> None:
    """There is one place by which they go: of what the other one has there, nothing stays behind."""
    outcomes = set()
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = MeddledFiles(number)
        account, other = MaildirStore(root, files=files).account(ALICE), MaildirStore(root).account(ALICE)
        for name in ("Archive", "Trash"):
            account.create(name)
        files.meddle = partial(other.delete, "Trash")
        try:
            account.delete("Archive")
            outcomes.add("done")
        except MailboxBusy:
            outcomes.add("busy")
        files.meddle = None
        if files.seen < number:
            break
        assert not _is_there(account, "Trash")
        if _is_there(account, "Archive"):
            account.delete("Archive")
        assert [path.name for path in root.glob("**/..*")] == []
    assert "done" in outcomes
