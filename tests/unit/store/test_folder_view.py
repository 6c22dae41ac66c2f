"""What is believed of directories that another program changes, without the lock, while they are read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Expunged, Flagged

ALICE = EmailAddress.parse("alice@example.org")
SEEN = frozenset({"\\Seen"})
UIDS = [1, 2, 3, 4]


class BusyDirectory(FileSystem):
    """Each reading of `cur` misses the messages of its turn, whose files are renamed meanwhile; then all is quiet."""

    def __init__(self) -> None:
        self.readings = 0
        self.turns: list[list[int]] = []

    def names(self, directory: bytes) -> list[bytes]:
        found = super().names(directory)
        if not directory.endswith(b"/cur"):
            return found
        self.readings += 1
        missed = self.turns.pop(0) if self.turns else []
        for name in found:
            if number_in(name) in missed:
                self.rename(directory + b"/" + name, directory + b"/" + name.partition(b":")[0] + b":2,S")
        return [name for name in found if number_in(name) not in missed]


def number_in(name: bytes) -> int:
    return int(name[len("170000000") : name.index(b".")])


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    path = tmp_path / "example.org/alice/Maildir"
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    for uid in UIDS:
        (path / f"cur/170000000{uid}.M1P1.host,S=3,W=3:2,").write_bytes(b"a: ")
    return path


@pytest.fixture
def files() -> BusyDirectory:
    return BusyDirectory()


Opening = Callable[[], MaildirMailbox]


@pytest.fixture
def opening(tmp_path: Path, maildir: Path, files: BusyDirectory) -> Opening:
    """Opens the mailbox as another process would, with a clock for which all on the disk is old."""
    return lambda: MaildirStore(tmp_path, files=files, clock=lambda: time.time() + 1000).account(ALICE).open(INBOX)


@pytest.mark.parametrize("turns", [[[2]], [[2, 3]], [[2], [3]], [[2], [3], [4]], [[2, 3], [3, 4], [2, 4]]])
def test_messages_whose_files_are_renamed_while_their_directory_is_read_stay(
    opening: Opening, files: BusyDirectory, maildir: Path, turns: list[list[int]]
) -> None:
    mailbox = opening()
    feed = mailbox.feed()
    (maildir / "cur/1700000001.M1P1.host,S=3,W=3:2,").rename(maildir / "cur/1700000001.M1P1.host,S=3,W=3:2,S")
    files.turns = [list(turn) for turn in turns]
    mailbox.refresh()
    mailbox.refresh()
    changes = list(feed.take())
    flagged = {1}.union(*turns)
    assert sorted(change.uid for change in changes if isinstance(change, Flagged)) == sorted(flagged)
    assert len(changes) == len(flagged)
    assert [(each.uid, each.flags) for each in mailbox.messages()] == [
        (uid, SEEN if uid in flagged else frozenset()) for uid in UIDS
    ]


@pytest.mark.parametrize("turns", [[[2]], [[2, 3], [3, 4]], [[2], [3], [4]]])
def test_messages_whose_files_are_renamed_while_their_mailbox_is_first_read_keep_their_uids(
    opening: Opening, files: BusyDirectory, turns: list[list[int]]
) -> None:
    opening().refresh()
    files.turns = [list(turn) for turn in turns]
    mailbox = opening()
    mailbox.refresh()
    assert [each.uid for each in mailbox.messages()] == UIDS


def test_what_every_reading_lacks_is_gone(opening: Opening, files: BusyDirectory, maildir: Path) -> None:
    mailbox = opening()
    feed = mailbox.feed()
    (maildir / "cur/1700000001.M1P1.host,S=3,W=3:2,").unlink()
    files.readings, files.turns = 0, [[2], [3], [4]]
    mailbox.refresh()
    assert [change for change in feed.take() if isinstance(change, Expunged)] == [Expunged(1)]
    assert [each.uid for each in mailbox.messages()] == UIDS[1:]
    assert files.readings == 3


def test_a_directory_at_rest_is_read_once(opening: Opening, files: BusyDirectory, maildir: Path) -> None:
    mailbox = opening()
    feed = mailbox.feed()
    (maildir / "cur/1700000001.M1P1.host,S=3,W=3:2,").unlink()
    files.readings = 0
    mailbox.refresh()
    assert list(feed.take()) == [Expunged(1)]
    assert files.readings == 1
