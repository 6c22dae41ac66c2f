"""The mailboxes in memory: nobody waits for another one's."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.store import maildir_account
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import FileSystem
from mailbox_d.store.folder import Folder
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.open_mailboxes import OpenMailboxes
from mailbox_d.store.ports import INBOX, Target
from tests.unit.store.meddling import ALICE


def folder(root: Path, name: str) -> Folder:
    return Folder(os.fsencode(root), name.encode())


def mailbox(root: Path, name: str) -> MaildirMailbox:
    return MaildirMailbox(Disk(FileSystem()), folder(root, name), Target(ALICE, name))


def meanwhile(action: Callable[[], None]) -> None:
    """Another thread does this, and need not wait for us."""
    other = threading.Thread(target=action, daemon=True)
    other.start()
    other.join(30)
    assert not other.is_alive()


def test_while_a_mailbox_is_made_others_are_found_woken_and_ended(tmp_path: Path) -> None:
    opened = OpenMailboxes(kept=10)
    ours, theirs = folder(tmp_path, ".a"), folder(tmp_path, ".b")

    def work() -> None:
        opened.find(theirs, lambda: mailbox(tmp_path, ".b"))
        opened.wake(theirs)
        opened.end(theirs)

    def make() -> MaildirMailbox:
        meanwhile(work)
        return mailbox(tmp_path, ".a")

    assert opened.find(ours, make) is opened.find(ours, lambda: pytest.fail("it is there"))


def test_of_two_who_make_one_mailbox_both_get_the_same(tmp_path: Path) -> None:
    opened = OpenMailboxes(kept=10)
    found = []

    def make() -> MaildirMailbox:
        meanwhile(lambda: found.append(opened.find(folder(tmp_path, ".a"), lambda: mailbox(tmp_path, ".a"))))
        return mailbox(tmp_path, ".a")

    found.append(opened.find(folder(tmp_path, ".a"), make))
    assert found[0] is found[1]


def test_one_that_ended_is_made_anew(tmp_path: Path) -> None:
    opened = OpenMailboxes(kept=10)
    first = opened.find(folder(tmp_path, ".a"), lambda: mailbox(tmp_path, ".a"))
    first.end()
    second = opened.find(folder(tmp_path, ".a"), lambda: mailbox(tmp_path, ".a"))
    assert first is not second
    assert second is opened.find(folder(tmp_path, ".a"), lambda: pytest.fail("it is there"))


def test_however_much_is_left_in_tmp_some_of_it_is_looked_at_with_each_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildir_account, "_SWEPT", 10)
    store = MaildirStore(tmp_path)
    store.account(ALICE).open(INBOX)
    tmp = tmp_path / "example.org/alice/Maildir/tmp"
    for number in range(100):
        (tmp / f"{number}.left").touch()
    looked_at: set[bytes] = set()

    class Files(FileSystem):
        def lstat(self, path: bytes) -> os.stat_result:
            if path.endswith(b".left"):
                looked_at.add(path)
            return super().lstat(path)

    MaildirStore(tmp_path, files=Files()).account(ALICE).open(INBOX)
    assert len(looked_at) == 10
    for _ in range(1000):
        MaildirStore(tmp_path, files=Files()).account(ALICE).open(INBOX)
        if len(looked_at) == 100:
            break
    assert len(looked_at) == 100
