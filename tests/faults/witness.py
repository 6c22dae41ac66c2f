"""A user of a store who notes what he is told: each operation, with what it promises and what it may undo."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mailbox_d.address import EmailAddress
from mailbox_d.errors import NoSuchMailbox
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, FlagAction, Flags, Receipt, SpecialUse, Target
from tests.faults.promises import Found, Place, Promises, opened

NO_FLAGS: Flags = frozenset()


class Witness:
    """Works with a store; what it was told is in `promises`."""

    def __init__(self, store: MaildirStore, promises: Promises) -> None:
        self.store = store
        self.promises = promises

    def deliver(self, body: bytes, *addresses: EmailAddress, header: bytes = b"", strict: bool = True) -> None:
        """A message for the INBOXes of these users: one file, linked."""
        places: list[Place] = [(address, INBOX) for address in addresses]
        self._begin(header + body, NO_FLAGS, *places)
        delivery = self.store.deliver([Block(header, tuple(map(Target, addresses)))])
        delivery.write(body[: len(body) // 2])
        delivery.write(body[len(body) // 2 :])
        outcomes = delivery.commit(all_or_nothing=strict)
        for place, outcome in zip(places, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                self._keeps(place, header + body)

    def append(self, place: Place, body: bytes, flags: Flags = NO_FLAGS, date: float | None = None) -> int:
        """APPEND, whose answer has the UID."""
        self._begin(body, flags, place)
        mailbox = self.open(place)
        delivery = mailbox.append(flags=flags, internal_date=date)
        delivery.write(body)
        (receipt,) = delivery.commit(all_or_nothing=True)
        assert isinstance(receipt, Receipt) and receipt.uid is not None
        self._keeps(place, body)
        self._tells(place, mailbox, receipt.uid, body, flags)
        self.promises.tell_state(place, mailbox)
        if date is not None:
            dated = partial(_is_dated, place=place, uid=receipt.uid, date=date)
            self.promises.make(place, body, "date", what=f"of the date {date}", holds=dated)
        return receipt.uid

    def look(self, place: Place) -> dict[bytes, int]:
        """SELECT: UIDs are told; the bodies with theirs."""
        mailbox = self.open(place)
        uids = {}
        for message in mailbox.messages():
            body = self._read(mailbox, message.uid)
            uids[body] = message.uid
            self._tells(place, mailbox, message.uid, body)
        self.promises.tell_state(place, mailbox)
        return uids

    def change_flags(self, place: Place, uids: Sequence[int], flags: Flags) -> None:
        """STORE +FLAGS: which is not promised to survive a loss of power."""
        mailbox = self.open(place)
        for message in mailbox.messages():
            if message.uid in uids:
                body = self._read(mailbox, message.uid)
                self.promises.end(place, body, "flags")
                self.promises.flags[body].add(message.flags | flags)
        self.promises.tell_state(place, mailbox)
        mailbox.change_flags(uids, FlagAction.ADD, flags)
        self.promises.tell_state(place, mailbox)

    def copy(self, place: Place, uids: Sequence[int], goal: Place) -> None:
        source, destination = self.open(place), self.open(goal)
        bodies = {uid: self._read(source, uid) for uid in uids}
        for body in bodies.values():
            self.promises.begun[goal, body] += 1
        for uid, copy in source.copy(uids, destination).items():
            self._keeps(goal, bodies[uid])
            self._tells(goal, destination, copy, bodies[uid])
        self.promises.tell_state(place, source)
        self.promises.tell_state(goal, destination)

    def move(self, place: Place, uids: Sequence[int], goal: Place) -> None:
        source, destination = self.open(place), self.open(goal)
        bodies = {uid: self._read(source, uid) for uid in uids}
        for body in bodies.values():
            self.promises.begun[goal, body] += 1
            self.promises.end(place, body)
        for uid, copy in source.move(uids, destination).items():
            self._keeps(goal, bodies[uid])
            self._tells(goal, destination, copy, bodies[uid])
        self.promises.tell_state(place, source)
        self.promises.tell_state(goal, destination)

    def expunge(self, place: Place, uids: Sequence[int]) -> None:
        mailbox = self.open(place)
        for uid in uids:
            body = self._read(mailbox, uid)
            self.promises.end(place, body)
            self.promises.end(place[0], body)
        mailbox.expunge(uids)
        self.promises.tell_state(place, mailbox)

    def create(self, place: Place) -> None:
        account, name = self.store.account(place[0]), place[1]
        self.promises.end(place)
        account.create(name)
        self.promises.make(place, what="there", holds=partial(_is_there, place=place))

    def delete(self, place: Place) -> None:
        account, name = self.store.account(place[0]), place[1]
        for body in self.look(place):
            self.promises.end(place[0], body)
        self.promises.end(place)
        account.delete(name)
        self.promises.make(place, what="gone", holds=lambda found: place not in found.mailboxes)

    def rename(self, place: Place, goal: Place) -> None:
        """RENAME, of all mailboxes below it too; INBOX stays, and its messages go."""
        account = self.store.account(place[0])
        names = [listed.name for listed in account.mailboxes() if f"{listed.name}/".startswith(f"{place[1]}/")]
        moves: dict[Place, Place] = {
            (place[0], name): (place[0], goal[1] + name.removeprefix(place[1])) for name in names
        }
        bodies = {new: self.look(old) for old, new in moves.items()}
        for old, new in moves.items():
            self.promises.end(old)
            self.promises.end(new)
            for (where, body), count in list(self.promises.begun.items()):
                self.promises.begun[new, body] += count if where == old else 0
        account.rename(place[1], goal[1])
        for old, new in moves.items():
            self._has_renamed(old, new, bodies[new])

    def _has_renamed(self, old: Place, new: Place, bodies: dict[bytes, int]) -> None:
        self.promises.make(new, what="there", holds=partial(_is_there, place=new))
        for body in bodies:
            self._keeps(new, body)
        if old[1] != INBOX:
            self.promises.make(old, what="gone", holds=lambda found: old not in found.mailboxes)
            assert self.look(new) == bodies

    def subscribe(self, address: EmailAddress, name: str, subscribed: bool = True) -> None:
        account = self.store.account(address)
        self.promises.end("subscription", address, name)
        account.subscribe(name, subscribed)
        holds = partial(_is_subscribed, address=address, name=name, subscribed=subscribed)
        self.promises.make("subscription", address, name, what=f"subscribed: {subscribed}", holds=holds)

    def assign(self, address: EmailAddress, name: str, use: SpecialUse) -> None:
        account = self.store.account(address)
        self.promises.end("use", address, name)
        account.assign_special_use(name, use)
        holds = partial(_has_use, address=address, name=name, use=use)
        self.promises.make("use", address, name, what=use.value, holds=holds)

    def open(self, place: Place) -> MaildirMailbox:
        return opened(self.store.account(place[0]), place[1])

    def _begin(self, body: bytes, flags: Flags, *places: Place) -> None:
        self.promises.flags.setdefault(body, set()).add(flags)
        for place in places:
            self.promises.begun[place, body] += 1

    def _keeps(self, place: Place, body: bytes) -> None:
        self.promises.make(place, body, what="there", holds=lambda found: body in found.bodies(place))
        self.promises.make(place[0], body, what="anywhere", holds=lambda found: body in found.everywhere(place[0]))

    def _tells(self, place: Place, mailbox: MaildirMailbox, uid: int, body: bytes, flags: Flags | None = None) -> None:
        validity = mailbox.uid_validity
        self.promises.uids.append((self.promises.now(), (place[0], validity, uid), body))
        is_so = partial(_is_numbered, place=place, validity=validity, uid=uid)
        self.promises.make(place, body, "uid", what=f"of the UID {uid}", holds=is_so)
        if flags is not None:
            has_them = partial(_has_flags, place=place, uid=uid, flags=flags)
            self.promises.make(place, body, "flags", what=f"of the flags {set(flags)}", holds=has_them)

    def _read(self, mailbox: MaildirMailbox, uid: int) -> bytes:
        reader = mailbox.read(uid)
        try:
            return reader.read(0, reader.size)
        finally:
            reader.close()


def _is_there(found: Found, place: Place) -> bool:
    return place in found.mailboxes


def _is_numbered(found: Found, place: Place, validity: int, uid: int) -> bool:
    return found.message(place, uid) is not None and found.mailboxes[place].validity == validity


def _has_flags(found: Found, place: Place, uid: int, flags: Flags) -> bool:
    message = found.message(place, uid)
    return message is not None and message.flags == flags


def _is_dated(found: Found, place: Place, uid: int, date: float) -> bool:
    message = found.message(place, uid)
    return message is not None and message.date == date


def _is_subscribed(found: Found, address: EmailAddress, name: str, subscribed: bool) -> bool:
    return (name in found.accounts[address].subscriptions()) is subscribed


def _has_use(found: Found, address: EmailAddress, name: str, use: SpecialUse) -> bool:
    try:
        return (found.accounts[address].special_uses() or {}).get(name) is use
    except NoSuchMailbox:
        return False
