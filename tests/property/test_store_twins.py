"""Whatever is appended, copied, moved, flagged and removed: the store on disk and its twin in memory hold the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import INBOX, FlagAction, Flags, Mailbox, Store

ALICE = EmailAddress.parse("alice@example.org")
NAMES = (INBOX, "Archive", "Trash")

MAILBOXES = st.sampled_from(range(len(NAMES)))
UIDS = st.sets(st.integers(1, 6), max_size=4)
FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Deleted", "work", "Work", "$Junk"]), max_size=3)


@dataclass(frozen=True)
class Append:
    mailbox: int
    flags: Flags

    def run(self, mailboxes: list[Mailbox]) -> Any:
        delivery = mailboxes[self.mailbox].append(flags=self.flags, internal_date=1e9)
        delivery.write(f"{sorted(self.flags)}\r\n".encode())
        (receipt,) = delivery.commit(all_or_nothing=True)
        return receipt.uid  # type: ignore[union-attr]


@dataclass(frozen=True)
class Carry:
    verb: str
    source: int
    goal: int
    uids: Collection[int]

    def run(self, mailboxes: list[Mailbox]) -> Any:
        return getattr(mailboxes[self.source], self.verb)(self.uids, mailboxes[self.goal])


@dataclass(frozen=True)
class Change:
    mailbox: int
    uids: Collection[int]
    action: FlagAction
    flags: Flags

    def run(self, mailboxes: list[Mailbox]) -> Any:
        now = mailboxes[self.mailbox].change_flags(self.uids, self.action, self.flags)
        return {uid: message.flags for uid, message in now.items()}


@dataclass(frozen=True)
class Expunge:
    mailbox: int
    uids: Collection[int]

    def run(self, mailboxes: list[Mailbox]) -> Any:
        return set(mailboxes[self.mailbox].expunge(self.uids))


STEPS = st.one_of(
    st.builds(Append, MAILBOXES, FLAGS),
    st.builds(Carry, st.sampled_from(["copy", "move"]), MAILBOXES, MAILBOXES, UIDS),
    st.builds(Change, MAILBOXES, UIDS, st.sampled_from(FlagAction), FLAGS),
    st.builds(Expunge, MAILBOXES, UIDS),
)


def opened(store: Store) -> list[Mailbox]:
    account = store.account(ALICE)
    for name in NAMES[1:]:
        account.create(name)
    return [account.open(name) for name in NAMES]


def held(mailboxes: list[Mailbox]) -> list[tuple[str, int, Flags, bytes]]:
    found = []
    for mailbox in mailboxes:
        mailbox.refresh()
        for message in mailbox.messages():
            reader = mailbox.read(message.uid)
            found.append((mailbox.name, message.uid, message.flags, reader.read(0, reader.size)))
            reader.close()
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, min_size=5, max_size=25))
def test_the_store_on_disk_does_what_its_twin_does(steps: list[Append | Carry | Change | Expunge]) -> None:
    with TemporaryDirectory() as folder:
        store = MaildirStore(Path(folder))
        on_disk, in_memory = opened(store), opened(MemoryStore())
        for step in steps:
            assert step.run(on_disk) == step.run(in_memory), step
        assert held(on_disk) == held(in_memory)
        afresh = MaildirStore(Path(folder)).account(ALICE)
        assert held([afresh.open(name) for name in NAMES]) == held(in_memory)
        assert not list(Path(folder).rglob("tmp/*"))
