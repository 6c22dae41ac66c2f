"""The process ends before or after any file operation: what was answered is there, and nothing is there in part."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxBusy
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, FlagAction, Target
from tests.faults.store_files import MortalFiles

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
FIRST = b"first\r\n"
SMALL = b"small\r\nmessage\r\n"
BIG = b"0123456789abcdef\r\n" * 2000

Work = Callable[[MaildirStore], None]


def deliver(body: bytes) -> Work:
    def work(store: MaildirStore) -> None:
        delivery = store.deliver([Block(b"", (Target(ALICE), Target(BOB)))])
        delivery.write(body[:9])
        delivery.write(body[9:])
        delivery.commit(all_or_nothing=True)

    return work


def append(store: MaildirStore) -> None:
    delivery = store.account(ALICE).open(INBOX).append(flags=frozenset({"\\Seen", "Work"}))
    delivery.write(SMALL)
    delivery.commit(all_or_nothing=True)


def run_until_it_dies(root: Path, work: Work, number: int, *, before: bool) -> bool:
    """Do the work in a child that ends at one of its file operations; whether it came to answer."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            files = MortalFiles(number, before=before)
            store = MaildirStore(root, files=files, hold=1000)
            files.armed = True
            work(store)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9)
    return code == 0


def bodies(store: MaildirStore, address: EmailAddress) -> dict[int, bytes]:
    mailbox = store.account(address).open(INBOX)
    found = {}
    for message in mailbox.messages():
        reader = mailbox.read(message.uid)
        found[message.uid] = reader.read(0, reader.size)
        reader.close()
    return found


def break_lock(root: Path) -> None:
    """Let the dead child's lock be old enough to be broken, as two seconds of waiting would."""
    for lock in root.rglob("dovecot-uidlist.lock"):
        os.utime(lock, (1, 1))


def settled(root: Path) -> MaildirStore:
    """The store as the next process finds it."""
    break_lock(root)
    store = MaildirStore(root)
    for address in (ALICE, BOB):
        account = store.account(address)
        for listed in account.mailboxes():
            if listed.selectable:
                with contextlib.suppress(MailboxBusy):
                    account.open(listed.name)
    return store


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", ["small", "big", "append"])
def test_fault_1_killed_at_each_step(tmp_path: Path, name: str, before: bool) -> None:
    work, body = {"small": (deliver(SMALL), SMALL), "big": (deliver(BIG), BIG), "append": (append, SMALL)}[name]
    for number in range(1, 200):
        root = tmp_path / str(number)
        mailbox = MaildirStore(root).account(ALICE).open(INBOX)
        first = mailbox.append()
        first.write(FIRST)
        first.commit(all_or_nothing=True)
        MaildirStore(root).account(BOB).open(INBOX)
        answered = run_until_it_dies(root, work, number, before=before)
        store = settled(root)
        ours = bodies(store, ALICE)
        assert ours[1] == FIRST, "what was there keeps its UID and its octets"
        assert list(ours.values())[1:] in ([body], [] if not answered else None)
        assert list(bodies(store, BOB).values()) in ([body], [] if not answered or name == "append" else None)
        last = append_and_tell(store)
        assert last > max(ours)
        if answered:
            break
    assert answered and number > 8


def append_and_tell(store: MaildirStore) -> int:
    (receipt,) = store.account(ALICE).open(INBOX).append().commit(all_or_nothing=True)
    return receipt.uid  # type: ignore[union-attr, return-value]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_fault_3_killed_while_flags_change_messages_go_and_folders_move(tmp_path: Path, before: bool) -> None:
    def work(store: MaildirStore) -> None:
        account = store.account(ALICE)
        mailbox = account.open(INBOX)
        mailbox.change_flags([1, 2], FlagAction.ADD, frozenset({"\\Flagged", "Work"}))
        mailbox.expunge([1])
        account.create("made")
        account.rename("made", "moved/here")
        account.subscribe("moved/here")
        account.rename(INBOX, "all")

    for number in range(1, 300):
        root = tmp_path / str(number)
        mailbox = MaildirStore(root).account(ALICE).open(INBOX)
        for count in range(3):
            delivery = mailbox.append()
            delivery.write(b"%d\r\n" % count)
            delivery.commit(all_or_nothing=True)
        answered = run_until_it_dies(root, work, number, before=before)
        store = settled(root)
        account = store.account(ALICE)
        everywhere = bodies(store, ALICE).values()
        for listed in account.mailboxes():
            if listed.selectable and listed.name != INBOX:
                box = account.open(listed.name)
                everywhere = [*everywhere, *(box.read(message.uid).read(0, 99) for message in box.messages())]
        assert sorted(everywhere) in ([b"0\r\n", b"1\r\n", b"2\r\n"], [b"1\r\n", b"2\r\n"])
        if answered:
            break
    assert answered and number > 20
