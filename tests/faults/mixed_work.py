"""Operations of all kinds on one account, in a random order that a seed decides, each reported before and after.

Whoever reads the reports (another process) knows at any moment what must be there, and what may be, should the worker
end in the middle of an operation.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mailbox_d.address import EmailAddress
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, FlagAction, Flags, Receipt, SpecialUse, Target
from tests.faults.promises import Place, opened, patiently

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
FOLDERS = ("Archive", "Archive/Old", "Work")
KEYWORDS = ("Red", "Green", "Blue")
FULL = 30
"""From how many messages on a mailbox gets no further ones, but loses some."""


def body_of(identity: str) -> bytes:
    """The message of that name, from which all of its octets follow; most are small, some are not kept in memory."""
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return f"Subject: {identity}\r\n\r\n".encode() + f"{digest}\r\n".encode() * (1 + int(digest[0], 16) ** 2 // 4)


def identity_of(body: bytes) -> str:
    """The name of a message. Raises `AssertionError` for one that is not whole."""
    identity = body.partition(b"\r\n")[0].removeprefix(b"Subject: ").decode("ascii", "replace")
    assert body == body_of(identity), f"{body[:60]!r} of {len(body)} octets is no whole message"
    return identity


Copy = tuple[Place, str]
"""A message in a mailbox."""

Name = tuple[EmailAddress, int, int]
"""What a message is called for ever: account, UIDVALIDITY, UID."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation that is about to be done: where it adds and removes messages, and flags before and after it.

    `moves`: whatever happens, none of these may be missing afterwards.
    """

    what: str
    adds: Sequence[Copy] = ()
    removes: Sequence[Copy] = ()
    flags: Mapping[Name, tuple[Flags, Flags]] = field(default_factory=dict)
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The last operation was done; names that it told, and whose they are."""

    told: Mapping[Name, str] = field(default_factory=dict)


Report = Begun | Done


class Worker:
    """Does one operation after the other."""

    def __init__(self, store: MaildirStore, chance: random.Random, report: Callable[[Report], None], name: str) -> None:
        self._store = store
        self._chance = chance
        self._report = report
        self._name = name
        self._count = 0

    def work(self, operations: int) -> None:
        kinds = [self._deliver, self._append, self._flag, self._copy, self._move, self._expunge, self._arrange]
        for _ in range(operations):
            self._chance.choices(kinds, [3, 4, 4, 3, 4, 3, 2])[0]()

    def _deliver(self) -> None:
        identity, users = self._new(), self._chance.choice([(ALICE,), (ALICE, BOB), (BOB,)])
        places: list[Place] = [(user, INBOX) for user in users]
        if any(len(self._open(place).messages()) > FULL for place in places):
            return
        self._report(Begun("deliver", adds=[(place, identity) for place in places]))
        delivery = self._store.deliver([Block(b"", tuple(map(Target, users)))])
        for start in range(0, len(body_of(identity)), 700):
            delivery.write(body_of(identity)[start : start + 700])
        delivery.commit(all_or_nothing=True)
        self._report(Done())

    def _append(self) -> None:
        place, identity, flags = self._place(), self._new(), self._flags()
        mailbox = self._open(place)
        if len(mailbox.messages()) > FULL:
            return
        self._report(Begun("append", adds=[(place, identity)]))
        delivery = mailbox.append(flags=flags)
        delivery.write(body_of(identity))
        (receipt,) = delivery.commit(all_or_nothing=True)
        assert isinstance(receipt, Receipt) and receipt.uid is not None
        self._report(Done(_told(place, mailbox, {receipt.uid: identity})))

    def _flag(self) -> None:
        place = self._place()
        mailbox, uids = self._some(place)
        flags = self._flags()
        now = {message.uid: message.flags for message in mailbox.messages()}
        changes = {(place[0], mailbox.uid_validity, uid): (now[uid], now[uid] | flags) for uid in uids}
        self._report(Begun("store", flags=changes))
        mailbox.change_flags(uids, FlagAction.ADD, flags)
        mailbox.recent(claim=True)
        self._report(Done())

    def _copy(self) -> None:
        place, goal = self._place(), self._place()
        mailbox, uids = self._some(place)
        destination = self._open(goal)
        if len(destination.messages()) > FULL:
            return
        whose = {uid: self._identity(mailbox, uid) for uid in uids}
        self._report(Begun("copy", adds=[(goal, identity) for identity in whose.values()]))
        copies = mailbox.copy(uids, destination)
        self._report(Done(_told(goal, destination, {copies[uid]: whose[uid] for uid in uids})))

    def _move(self) -> None:
        place, goal = self._chance.sample(self._places(), 2)
        mailbox, uids = self._some(place)
        destination = self._open(goal)
        whose = {uid: self._identity(mailbox, uid) for uid in uids}
        adds, removes = ([(where, identity) for identity in whose.values()] for where in (goal, place))
        self._report(Begun("move", adds=adds, removes=removes, moves=True))
        copies = mailbox.move(uids, destination)
        self._report(Done(_told(goal, destination, {copies[uid]: whose[uid] for uid in uids})))

    def _expunge(self) -> None:
        place = self._place()
        mailbox, uids = self._some(place, most=12 if len(self._open(place).messages()) > FULL // 2 else 2)
        whose = [self._identity(mailbox, uid) for uid in uids]
        self._report(Begun("expunge", removes=[(place, identity) for identity in whose]))
        mailbox.expunge(uids)
        self._report(Done())

    def _arrange(self) -> None:
        """Folders are made, renamed and removed, subscribed to, and given a use."""
        account = self._store.account(ALICE)
        folder = self._chance.choice(FOLDERS)
        names = [listed.name for listed in account.mailboxes() if listed.selectable]
        if folder not in names:
            self._report(Begun("create"))
            account.create(folder)
        elif folder != "Archive" and self._chance.random() < 0.5:
            goal = f"{folder}{self._chance.randrange(10**6)}"
            self._rename(folder, goal)
            self._rename(goal, self._chance.choice([folder, goal]))
            return
        elif not self._open((ALICE, folder)).messages() and folder != "Archive":
            self._report(Begun("delete"))
            account.delete(folder)
        else:
            self._report(Begun("subscribe"))
            patiently(lambda: account.subscribe(folder, self._chance.random() < 0.5))  # type: ignore[arg-type]
            patiently(lambda: account.assign_special_use(folder, SpecialUse.ARCHIVE))
        self._report(Done())

    def _rename(self, old: str, new: str) -> None:
        if old == new:
            return
        mailbox = self._open((ALICE, old))
        whose = [self._identity(mailbox, message.uid) for message in mailbox.messages()]
        adds, removes = ([((ALICE, name), identity) for identity in whose] for name in (new, old))
        self._report(Begun("rename", adds=adds, removes=removes, moves=True))
        self._store.account(ALICE).rename(old, new)
        self._report(Done())

    def _new(self) -> str:
        self._count += 1
        return f"{self._name}.{self._count}"

    def _flags(self) -> Flags:
        return frozenset(self._chance.sample(["\\Seen", "\\Flagged", *KEYWORDS], self._chance.randrange(3)))

    def _places(self) -> list[Place]:
        names = [listed.name for listed in self._store.account(ALICE).mailboxes() if listed.selectable]
        return [*((ALICE, name) for name in names), (BOB, INBOX)]

    def _place(self) -> Place:
        return self._chance.choice(self._places())

    def _some(self, place: Place, most: int = 3) -> tuple[MaildirMailbox, Collection[int]]:
        mailbox = self._open(place)
        uids = [message.uid for message in mailbox.messages()]
        return mailbox, sorted(self._chance.sample(uids, min(len(uids), self._chance.randint(0, most))))

    def _open(self, place: Place) -> MaildirMailbox:
        return opened(self._store.account(place[0]), place[1])

    def _identity(self, mailbox: MaildirMailbox, uid: int) -> str:
        reader = mailbox.read(uid)
        try:
            return identity_of(reader.read(0, reader.size))
        finally:
            reader.close()


def _told(place: Place, mailbox: MaildirMailbox, whose: Mapping[int, str]) -> dict[Name, str]:
    return {(place[0], mailbox.uid_validity, uid): identity for uid, identity in whose.items()}
