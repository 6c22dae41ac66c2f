"""A mailbox in memory: the twin of the one in a Maildir, for tests and for programs that keep nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

from mailbox_d.errors import MailError, MessageGone, NoSuchMailbox, TooManyKeywords
from mailbox_d.store.changes import ChangeFeed, Feeds
from mailbox_d.store.keywords import SYSTEM_LETTERS, Keywords, is_keyword
from mailbox_d.store.memory_room import MemoryRoom
from mailbox_d.store.message_file import HeldMessage
from mailbox_d.store.ports import (
    Arrived,
    Change,
    Delivery,
    Expunged,
    FlagAction,
    Flagged,
    Flags,
    Index,
    Looked,
    Mailbox,
    Message,
    Outcome,
    Receipt,
    Refusal,
    Row,
    Snapshot,
    Status,
    Target,
    Texts,
    Usage,
    Wanted,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One message: its octets and when it came."""

    message: Message
    wire: bytes
    internal_date: float


class NoIndex(Index):
    """Remembers nothing: what is in memory is quickly looked at again."""

    def remembered(self, attribute: bytes, uids: Sequence[int]) -> Mapping[int, bytes]:
        return {}

    def remember(self, attribute: bytes, said: Mapping[int, bytes]) -> None:
        pass

    def attributes(self) -> Sequence[bytes]:
        return ()

    def unknown(self, attribute: bytes) -> Sequence[int]:
        return ()

    def paths(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        return {}

    def tidy(self) -> None:
        pass


class NoTexts(Texts):
    """Keeps nothing."""

    def known(self, name: bytes, uids: Sequence[int]) -> bytes:
        return bytes(len(uids))

    def look(self, name: bytes, uids: Sequence[int], wanted: Sequence[Wanted]) -> Iterator[Sequence[Looked]]:
        yield [Looked(b"0" * len(uids), b"0" * len(uids))] * len(wanted)

    def remember(self, name: bytes, rows: Mapping[int, Row]) -> None:
        pass

    def tidy(self) -> None:
        pass


class MemoryMailbox(Mailbox):
    """One mailbox; every method holds its lock for a moment."""

    def __init__(self, target: Target, uid_validity: int, room: MemoryRoom | None = None) -> None:
        self.name = target.mailbox
        self.index = NoIndex()
        self.texts = NoTexts()
        self._uid_validity = uid_validity
        self.is_gone = False
        self._target = target
        self._room = room or MemoryRoom()
        self._lock = threading.RLock()
        self._stored: dict[int, Stored] = {}
        self._recent: set[int] = set()
        self._uid_next = 1
        self._highest = 1
        self._gone: list[tuple[int, int]] = []
        self._keywords = Keywords()
        self._feeds = Feeds(is_quiet=lambda: not self.is_gone)

    @property
    def uid_validity(self) -> int:
        return self._uid_validity

    def refresh(self) -> None:
        if self.is_gone:
            raise NoSuchMailbox("The mailbox is gone")

    def messages(self) -> Snapshot:
        with self._lock:
            return Snapshot(stored.message for stored in self._stored.values())

    def status(self) -> Status:
        messages = self.messages()
        return Status(
            messages=len(messages),
            unseen=messages.unseen,
            recent=len(self._recent),
            uid_next=self._uid_next,
            uid_validity=self.uid_validity,
            size=messages.size,
            highest_mod_sequence=self._highest,
        )

    def recent(self, *, claim: bool) -> Collection[int]:
        with self._lock:
            recent = frozenset(self._recent)
            if claim:
                self._recent.clear()
            return recent

    def keywords_full(self) -> bool:
        return self._keywords.is_full()

    def feed(self, changed: Callable[[], None] | None = None) -> ChangeFeed:
        with self._lock:
            return self._feeds.open(self.messages(), changed, highest=self._highest)

    def vanished(self, since: int) -> Collection[int] | None:
        with self._lock:
            return [uid for number, uid in self._gone if number > since] if 0 < since <= self._highest else None

    def read(self, uid: int) -> HeldMessage:
        return HeldMessage(self._find(uid).wire)

    def internal_date(self, uid: int) -> float:
        return self._find(uid).internal_date

    def unique_ids(self) -> Mapping[int, bytes]:
        return {}

    def change_flags(
        self, uids: Collection[int], action: FlagAction, flags: Flags, *, unchanged_since: int | None = None
    ) -> Mapping[int, Message]:
        with self._lock:
            self.refresh()
            given = self._known(flags) if action is not FlagAction.REMOVE else flags
            folded = frozenset(flag.lower() for flag in given)
            found = [self._stored[uid] for uid in dict.fromkeys(uids) if uid in self._stored]
            if unchanged_since is not None:
                found = [stored for stored in found if stored.message.mod_sequence <= unchanged_since]
            number = self._highest + 1
            changes: list[Change] = []
            for stored in found:
                message = stored.message
                now = _combine(message.flags, given, folded, action)
                if now != message.flags:
                    changed = message._replace(flags=now, mod_sequence=number)
                    self._stored[message.uid] = replace(stored, message=changed)
                    changes.append(Flagged(message.uid, now, number))
            self._highest = number if changes else self._highest
            self._feeds.publish(changes)
            return {stored.message.uid: self._stored[stored.message.uid].message for stored in found}

    def expunge(self, uids: Collection[int]) -> Collection[int]:
        with self._lock:
            self.refresh()
            removed = frozenset(uids) & self._stored.keys()
            self._room.give_back(Usage(sum(self._stored[uid].message.size for uid in removed), len(removed)))
            for uid in removed:
                del self._stored[uid]
            self._recent -= removed
            if removed:
                self._highest += 1
                self._gone += [(self._highest, uid) for uid in sorted(removed)]
            self._feeds.publish(Expunged(uid, self._highest) for uid in removed)
            return removed

    def copy(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        goal = _of_the_same_kind(destination)
        with self._lock:
            self.refresh()
            found = [self._stored[uid] for uid in sorted(set(uids)) if uid in self._stored]
        if strict and len(found) < len(set(uids)):
            raise MessageGone("The message is gone")
        goal._room.require(Usage(sum(stored.message.size for stored in found), len(found)))
        return goal._take_in(found)

    def move(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        with _holding(self, _of_the_same_kind(destination)), self._room.moving():
            copied = self.copy(uids, destination, strict=strict)
            self.expunge(copied)
            return copied

    def append(
        self, *, flags: Flags = frozenset(), internal_date: float | None = None, size: int = 0
    ) -> MemoryDelivery:
        self._room.require(Usage(size, 1))

        def place(body: bytes, all_or_nothing: bool) -> tuple[Outcome, ...]:
            try:
                uid = self.add(body, flags, internal_date)
            except MailError as error:
                if all_or_nothing:
                    raise
                return (Refusal(self._target, error),)
            return (Receipt(self._target, str(uid), uid),)

        return MemoryDelivery(place)

    def add(self, wire: bytes, flags: Flags = frozenset(), internal_date: float | None = None) -> int:
        """Put a message into the mailbox; returns its UID. Raises `TooManyKeywords`, `NoSuchMailbox`."""
        with self._lock:
            self.refresh()
            uid = self._uid_next
            message = Message(uid, self._known(flags), len(wire), self._highest + 1)
            self._room.take(Usage(len(wire), 1))
            self._uid_next += 1
            self._highest += 1
            self._stored[uid] = Stored(message, wire, time.time() if internal_date is None else internal_date)
            self._recent.add(uid)
            self._feeds.publish([Arrived(message)])
            return uid

    def _take_in(self, stored: Sequence[Stored]) -> Mapping[int, int]:
        """Copies of messages; keywords that do not fit are lost."""
        with self._lock:
            self.refresh()
            for flag in sorted({flag for one in stored for flag in one.message.flags}):
                with suppress(TooManyKeywords):
                    self._known(frozenset({flag}))
            names = set(self._keywords.names.values())
            return {
                one.message.uid: self.add(one.wire, _fitting(one.message.flags, names), one.internal_date)
                for one in stored
            }

    def move_all(self, goal: MemoryMailbox) -> None:
        """Move every message into another mailbox."""
        with _holding(self, goal), self._room.moving():
            for stored in list(self._stored.values()):
                goal.add(stored.wire, stored.message.flags, stored.internal_date)
            self.expunge(list(self._stored))

    def end(self) -> None:
        """The mailbox was removed, and its messages with it."""
        with self._lock:
            self.is_gone = True
            self._room.give_back(Usage(self.messages().size, len(self._stored)))

    def renamed(self, target: Target) -> MemoryMailbox:
        """The same messages under another name; whoever has this one open finds none."""
        with self._lock:
            twin = MemoryMailbox(target, self.uid_validity, self._room)
            twin._stored, twin._recent, twin._uid_next = self._stored, self._recent, self._uid_next
            twin._keywords, twin._highest, twin._gone = self._keywords, self._highest, self._gone
            self.is_gone = True
            return twin

    def _known(self, flags: Flags) -> Flags:
        """The flags as they are kept here: keywords as they were first written, system flags that exist."""
        self._keywords = self._keywords.with_names(filter(is_keyword, flags))
        written = {name.lower(): name for name in self._keywords.names.values()}
        system = flags & SYSTEM_LETTERS.keys()
        return frozenset(system | {written[flag.lower()] for flag in filter(is_keyword, flags)})

    def _find(self, uid: int) -> Stored:
        with self._lock:
            if uid not in self._stored:
                raise MessageGone("The message is gone")
            return self._stored[uid]


def _of_the_same_kind(mailbox: Mailbox) -> MemoryMailbox:
    if not isinstance(mailbox, MemoryMailbox):
        raise TypeError("messages are copied within one store")
    return mailbox


@contextmanager
def _holding(one: MemoryMailbox, other: MemoryMailbox) -> Iterator[None]:
    """Hold the locks of both, always in the same order, so that of two who want both neither waits for the other."""
    first, second = sorted((one, other), key=id)
    with first._lock, second._lock:
        yield


Place: TypeAlias = Callable[[bytes, bool], tuple[Outcome, ...]]
"""Puts the octets where they belong; the second argument is commit's `all_or_nothing`."""


class MemoryDelivery(Delivery):
    """Octets on their way to `place`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._pieces.append(bytes(data))

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        body = b"".join(self._pieces)
        self.abort()
        return self._place(body, all_or_nothing)

    def abort(self) -> None:
        self._pieces = []


def _fitting(flags: Flags, names: Collection[str]) -> Flags:
    """Those of the flags that a mailbox with keywords of these names can hold."""
    folded = {name.lower() for name in names}
    return frozenset(flag for flag in flags if not is_keyword(flag) or flag.lower() in folded)


def _combine(before: Flags, given: Flags, folded: Flags, action: FlagAction) -> Flags:
    if action is FlagAction.REPLACE:
        return given
    if action is FlagAction.ADD:
        return before | given
    return frozenset(flag for flag in before if flag.lower() not in folded)
