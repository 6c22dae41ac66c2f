"""A store in which another program acts at any step of what is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailbox_d.address import EmailAddress
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.marks import LookTimes
from mailbox_d.store.ports import INBOX
from tests.faults.store_files import SYNCING, Call, WatchedFiles

ALICE = EmailAddress.parse("alice@example.org")
ALWAYS_LOOK = StoreSettings(looks=LookTimes(doubtful=1e9, again=0))
SEEN = frozenset({"\\Seen"})
NAMES = (INBOX, "Archive", "Trash")
BODIES = [b"0\r\n", b"1\r\n", b"2\r\n"]


class UnsyncedFiles(FileSystem):
    """Spares the tests the time for making things durable."""

    def fsync(self, descriptor: int) -> None:
        pass

    def fsync_directory(self, path: bytes) -> None:
        pass


class MeddledFiles(WatchedFiles):
    """Lets another program act before one file operation, the one of this number, or before each that matches."""

    def __init__(self, number: int = 0, matches: Callable[[Call], bool] = lambda call: False) -> None:
        super().__init__()
        self.number = number
        self.matches = matches
        self.seen = 0
        self.meddled_at: Call | None = None
        self.meddle: Callable[[], None] | None = None

    def watched(self, operation: str, args: tuple[Any, ...]) -> Any:
        if operation in SYNCING:
            return self.before(Call(operation, ""))
        return super().watched(operation, args)

    def before(self, call: Call) -> None:
        if self.meddle is None:
            return
        self.seen += 1
        if self.seen == self.number or self.matches(call):
            self.meddled_at = call
            other = threading.Thread(target=self.meddle)
            other.start()
            other.join()


def opened(root: Path, files: WatchedFiles | None = None) -> list[MaildirMailbox]:
    account = MaildirStore(root, settings=ALWAYS_LOOK, files=files or UnsyncedFiles()).account(ALICE)
    return [account.open(name) for name in NAMES]


def filled(root: Path, files: WatchedFiles) -> list[MaildirMailbox]:
    """The mailboxes, with messages in INBOX alone."""
    account = MaildirStore(root, settings=ALWAYS_LOOK, files=UnsyncedFiles()).account(ALICE)
    for name in NAMES[1:]:
        account.create(name)
    for body in BODIES:
        delivery = account.open(INBOX).append(flags=SEEN)
        delivery.write(body)
        delivery.commit(all_or_nothing=True)
    return opened(root, files)


def bodies(mailbox: MaildirMailbox) -> list[bytes]:
    found = []
    for message in mailbox.messages():
        reader = mailbox.read(message.uid)
        found.append(reader.read(0, reader.size))
        reader.close()
    return sorted(found)
