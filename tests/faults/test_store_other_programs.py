"""Mailboxes that are open while other programs rename, remove and replace messages and folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, MessageGone, NoSuchMailbox, StorageFault
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.marks import LookTimes
from mailbox_d.store.ports import INBOX, Change, Expunged, FlagAction, Flagged, Mailbox

ALICE = EmailAddress.parse("alice@example.org")
ALWAYS_LOOK = StoreSettings(looks=LookTimes(doubtful=1e9, again=0))
SEEN = frozenset({"\\Seen"})
BODIES = {1: b"one\r\n", 2: b"x\r\n" * 60_000}
"""By UID; the second is more than is held in memory."""


def opened(root: Path, name: str = "Work") -> MaildirMailbox:
    return MaildirStore(root, settings=ALWAYS_LOOK).account(ALICE).open(name)


@pytest.fixture
def mailbox(tmp_path: Path) -> MaildirMailbox:
    account = MaildirStore(tmp_path, settings=ALWAYS_LOOK).account(ALICE)
    account.create("Work")
    mailbox = account.open("Work")
    for body in BODIES.values():
        append(mailbox, body)
    return mailbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "example.org/alice/Maildir/.Work"


def append(mailbox: Mailbox, body: bytes = b"new\r\n") -> None:
    delivery = mailbox.append()
    delivery.write(body)
    delivery.commit(all_or_nothing=True)


def content(mailbox: Mailbox, uid: int) -> bytes:
    reader = mailbox.read(uid)
    try:
        return reader.read(0, reader.size)
    finally:
        reader.close()


def file_of(folder: Path, uid: int) -> Path:
    name = (folder / "dovecot-uidlist").read_text().splitlines()[uid].partition(" :")[2]
    (path,) = folder.glob(f"*/{name}*")
    return path


# Fault 20: messages


def test_fault_20_a_message_that_moved_from_new_to_cur_is_read_and_told(mailbox: MaildirMailbox, folder: Path) -> None:
    feed = mailbox.feed()
    path = file_of(folder, 1)
    assert path.parent.name == "new"
    path.rename(folder / "cur" / f"{path.name}:2,S")
    assert content(mailbox, 1) == BODIES[1]
    assert list(feed.take()) == [Flagged(1, SEEN)]


@pytest.mark.parametrize("uid", BODIES)
def test_fault_20_a_reader_keeps_its_message_whatever_is_done_to_the_file(
    mailbox: MaildirMailbox, folder: Path, uid: int
) -> None:
    reader = mailbox.read(uid)
    path = file_of(folder, uid)
    begun = reader.read(0, 2)
    (folder / "tmp/other").write_bytes(b"another message\n" * 20_000)
    (folder / "tmp/other").rename(path)
    assert begun + reader.read(2, reader.size) == BODIES[uid]
    path.unlink()
    assert reader.read(0, reader.size) == BODIES[uid]
    reader.close()


@pytest.mark.parametrize("uid", BODIES)
def test_fault_20_a_message_that_was_replaced_is_read_whole_with_its_own_size(
    mailbox: MaildirMailbox, folder: Path, uid: int
) -> None:
    """By the name it is the same message: what must not be is one message's octets in another one's size."""
    (folder / "tmp/other").write_bytes(b"another\n" * 10_000)
    (folder / "tmp/other").rename(file_of(folder, uid))
    assert content(mailbox, uid) == b"another\r\n" * 10_000


def test_fault_20_a_file_that_has_another_message_s_place_is_not_that_message(
    mailbox: MaildirMailbox, folder: Path
) -> None:
    """The file of the first message is gone, and a new message lies in its inode."""
    feed = mailbox.feed()
    file_of(folder, 1).rename(folder / "cur/9.other,S=4,W=5:2,")
    with pytest.raises(MessageGone):
        mailbox.read(1)
    assert content(mailbox, 3) == BODIES[1]
    changes: list[Change] = list(feed.take())
    assert changes[0] == Expunged(1)
    assert [message.uid for message in mailbox.messages()] == [2, 3]


# Fault 21: folders

OPERATIONS: dict[str, Callable[[MaildirMailbox, MaildirMailbox], object]] = {
    "refresh": lambda mailbox, inbox: mailbox.refresh(),
    "flags": lambda mailbox, inbox: mailbox.change_flags([1], FlagAction.ADD, SEEN),
    "expunge": lambda mailbox, inbox: mailbox.expunge([1]),
    "append": lambda mailbox, inbox: append(mailbox),
    "read": lambda mailbox, inbox: mailbox.read(1),
    "date": lambda mailbox, inbox: mailbox.internal_date(1),
    "recent": lambda mailbox, inbox: mailbox.recent(claim=True),
    "copy out": lambda mailbox, inbox: mailbox.copy([1, 2], inbox),
    "move out": lambda mailbox, inbox: mailbox.move([1, 2], inbox),
    "copy in": lambda mailbox, inbox: inbox.copy([1], mailbox),
    "move in": lambda mailbox, inbox: inbox.move([1], mailbox),
}


def rename(folder: Path) -> None:
    folder.rename(folder.with_name(".Elsewhere"))


def replace(folder: Path) -> None:
    """Another mailbox now has the name."""
    rename(folder)
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    (folder / "cur/1.other:2,").write_bytes(b"other\n")
    (folder / "dovecot-uidlist").write_text("3 V77 N2 G" + "ab" * 16 + "\n1 :1.other\n")


@pytest.mark.parametrize("fate", [shutil.rmtree, rename, replace], ids=["removed", "renamed", "replaced"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_fault_21_a_folder_that_another_program_took_away_is_no_mailbox(
    mailbox: MaildirMailbox, folder: Path, tmp_path: Path, operation: str, fate: Callable[[Path], None]
) -> None:
    inbox = MaildirStore(tmp_path, settings=ALWAYS_LOOK).account(ALICE).open(INBOX)
    append(inbox)
    fate(folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NoSuchMailbox):
        OPERATIONS[operation](mailbox, inbox)
    assert sorted(tmp_path.rglob("*")) == before
    assert content(opened(tmp_path, INBOX), 1) == b"new\r\n"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_fault_21_a_mailbox_whose_folder_is_a_link_by_now_is_not_followed(
    mailbox: MaildirMailbox, folder: Path, tmp_path: Path, operation: str
) -> None:
    inbox = MaildirStore(tmp_path, settings=ALWAYS_LOOK).account(ALICE).open(INBOX)
    append(inbox)
    rename(folder)
    (folder / "cur").mkdir(parents=True)
    for part in ("new", "tmp"):
        (folder / part).symlink_to(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*") if ".Work" not in path.parts)
    with pytest.raises((NoSuchMailbox, StorageFault)):
        OPERATIONS[operation](mailbox, inbox)
    assert sorted(path for path in tmp_path.rglob("*") if ".Work" not in path.parts) == before


def test_fault_21_a_folder_that_comes_back_is_the_mailbox_again(
    mailbox: MaildirMailbox, folder: Path, tmp_path: Path
) -> None:
    rename(folder)
    with pytest.raises(MailError):
        mailbox.refresh()
    folder.with_name(".Elsewhere").rename(folder)
    assert [message.uid for message in opened(tmp_path).messages()] == [1, 2]
