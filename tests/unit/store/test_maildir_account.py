"""Mailboxes that are renamed and deleted while sessions of the same user work in them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

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


def test_no_message_goes_with_a_mailbox_that_another_program_deletes_before_the_first_is_removed(
    tmp_path: Path,
) -> None:
    """From then on it is as if it had been deleted after the move."""
    for number in range(1, 1000):
        root = tmp_path / str(number)
        files = MeddledFiles(number)
        inbox, archive, _ = filled(root, files)
        other = MaildirStore(root).account(ALICE)
        files.meddle = partial(other.delete, "Archive")
        with suppress(MailError):
            inbox.move([1, 2, 3], archive)
        files.meddle = None
        if bodies(MaildirStore(root).account(ALICE).open(INBOX)) != BODIES:
            break
    assert files.meddled_at is not None
    assert files.meddled_at.operation == "unlink"
    assert files.meddled_at.path.startswith(str(root / "example.org/alice/Maildir/cur"))
