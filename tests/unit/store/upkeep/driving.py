"""Drives work on a store without a daemon: children are functions, and pauses take no time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Mailbox
from mailbox_d.store.upkeep import contents
from mailbox_d.store.upkeep.accounts import every_account
from mailbox_d.store.upkeep.findings import Finding
from mailbox_d.store.upkeep.repair import Repair
from mailbox_d.store.upkeep.steps import Answered, Ask, Pause, Told, Work
from mailbox_d.store.upkeep.verification import Verification

ALICE = EmailAddress("alice", "example.org")
BODY = b"Subject: a message\n\nof three lines\n"
WIRE = BODY.replace(b"\n", b"\r\n")
SIZES = b",S=%d,W=%d" % (len(BODY), len(WIRE))
PAUSES_MAX = 1000
TEXT_NAME = b"1 limits"


def plain_child(asked: Sequence[bytes]) -> list[bytes]:
    """A child that measures, and knows nothing of an index."""
    assert asked[0] == contents.MEASURE
    return contents.answer(asked[1:])


class Measuring:
    """As deep as it goes without an index."""

    def is_known(self, attribute: bytes) -> bool:
        return False

    def question(self, attributes: Sequence[bytes], paths: Sequence[bytes]) -> list[bytes]:
        raise AssertionError

    def answers(self, answered: Sequence[bytes], attributes: int) -> list[Sequence[bytes]]:
        raise AssertionError


def driven(
    work: Work[None],
    child: Callable[[Sequence[bytes]], list[bytes]] = plain_child,
    paused: Callable[[], object] = lambda: None,
) -> list[Told]:
    """All that work tells."""
    told: list[Told] = []
    answered: Answered | None = None
    pauses = 0
    while True:
        try:
            step = work.send(answered)
        except StopIteration:
            return told
        answered = None
        if isinstance(step, Ask):
            answered = [child(question) for question in step.questions]
        elif isinstance(step, Pause):
            pauses += 1
            assert pauses < PAUSES_MAX
            paused()
        else:
            told.append(step)


def message(maildir: Path, name: str, part: str = "cur", body: bytes = BODY) -> Path:
    """A message's file by its base name, sizes added, with flags behind a colon."""
    base, colon, info = name.partition(":")
    path = maildir / part / f"{base}{SIZES.decode()}{colon}{info}"
    path.write_bytes(body)
    return path


class Site:
    """A store with alice's account: three messages, of which two are seen, and a folder of two."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = StoreSettings()
        self.store = MaildirStore(root)
        self.account = self.store.account(ALICE)
        self.maildir = root / "example.org/alice/Maildir"
        for number in range(3):
            message(self.maildir, f"170000000{number}.M{number}P1.host:2,{'S' if number else ''}")
        self.account.create("Archive")
        self.archive = self.maildir / ".Archive"
        for number in range(2):
            message(self.archive, f"171000000{number}.M{number}P1.host", "new")
        self.uids = {name: self.open(name).messages().uids for name in (INBOX, "Archive")}

    def open(self, name: str = INBOX) -> Mailbox:
        """The mailbox as a daemon sees it that has just started."""
        return MaildirStore(self.root).account(ALICE).open(name)

    def bodies(self, name: str = INBOX) -> dict[int, bytes]:
        """Every message's octets by UID."""
        mailbox = self.open(name)
        found = {}
        for uid in mailbox.messages().uids:
            reader = mailbox.read(uid)
            found[uid] = reader.read(0, reader.size)
            reader.close()
        return found

    def verify(self, *, deep: bool = False, only: str | None = None) -> list[Finding]:
        """What a daemon that has just started finds."""
        return [step for step in self.told(deep=deep, only=only) if isinstance(step, Finding)]

    def told(self, *, deep: bool = False, only: str | None = None) -> list[Told]:
        store = MaildirStore(self.root, settings=self.settings)
        verification = Verification(store.disk, Measuring() if deep else None, text_name=TEXT_NAME)
        return driven(verification.accounts(every_account(store.disk, store.layout), only))

    def repair(self, *, deep: bool = False) -> list[Told]:
        store = MaildirStore(self.root, settings=self.settings)
        verification = Verification(store.disk, Measuring() if deep else None, mends_index=True, text_name=TEXT_NAME)
        repair = Repair(store.disk, verification, store.end)
        return driven(repair.accounts(every_account(store.disk, store.layout)))
