"""What a mailbox holds, in memory: each message's UID, file, flags and size; and how that differs from the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mailbox_d.store.filename import is_listable, split_name
from mailbox_d.store.ports import Change, Expunged, Flagged, Flags, Message


@dataclass(frozen=True, slots=True)
class Place:
    """A message's file: its base name, its whole name, and whether it lies in `new` or in `cur`."""

    base: bytes
    name: bytes
    is_new: bool


@dataclass(slots=True)
class Difference:
    """How the files found differ from what was known. `found` have a line with their UID, `unlisted` have none."""

    gone: set[int] = field(default_factory=set)
    moved: list[tuple[int, Place]] = field(default_factory=list)
    found: list[tuple[int, Place]] = field(default_factory=list)
    unlisted: list[Place] = field(default_factory=list)
    ignored: list[bytes] = field(default_factory=list)


class Listing:
    """The messages of a mailbox. Changed under the mailbox's lock; a snapshot may be had at any time."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.in_new: set[int] = set()
        self.highest = 0
        self._names: dict[int, bytes] = {}
        self._uid_of: dict[bytes, int] = {}
        self._snapshot: tuple[Message, ...] | None = ()

    def snapshot(self) -> tuple[Message, ...]:
        """All messages, UIDs ascending; the same object until something changes."""
        snapshot = self._snapshot
        if snapshot is None:
            snapshot = self._snapshot = tuple(self.messages.values())
        return snapshot

    def place(self, uid: int) -> Place | None:
        name = self._names.get(uid)
        return None if name is None else Place(split_name(name)[0], name, uid in self.in_new)

    def bases(self) -> Mapping[bytes, int]:
        """The UID of each base name."""
        return self._uid_of

    def add(self, message: Message, place: Place) -> None:
        """Add a message whose UID is above all others."""
        uid = self.highest = message.uid
        self.messages[uid] = message
        self._names[uid] = place.name
        self._uid_of[place.base] = uid
        if place.is_new:
            self.in_new.add(uid)
        self._snapshot = None

    def move(self, uid: int, place: Place) -> None:
        """Note a message's new file name."""
        self._names[uid] = place.name
        (self.in_new.add if place.is_new else self.in_new.discard)(uid)

    def set_flags(self, uid: int, flags: Flags) -> Change | None:
        """Note a message's flags; the change, if it is one."""
        message = self.messages[uid]
        if message.flags == flags:
            return None
        self.messages[uid] = Message(uid, flags, message.size)
        self._snapshot = None
        return Flagged(uid, flags)

    def remove(self, uid: int) -> Change:
        del self.messages[uid]
        del self._uid_of[split_name(self._names.pop(uid))[0]]
        self.in_new.discard(uid)
        self._snapshot = None
        return Expunged(uid)

    def compare(self, new: Sequence[bytes], cur: Sequence[bytes] | None, lines: Mapping[bytes, int]) -> Difference:
        """Compare with the names found in `new` and `cur` (None: not looked at) and with the list's lines."""
        difference = Difference()
        known_new = {self._names[uid] for uid in self.in_new}
        known_cur = set(self._names.values()) - known_new
        found_new = set(new)
        found_cur = known_cur if cur is None else set(cur)
        missing = (known_new - found_new) | (known_cur - found_cur)
        difference.gone.update(self._uid_of[split_name(name)[0]] for name in missing)
        taken: set[bytes] = set()
        self._sort_in(found_cur - known_cur, False, lines, taken, difference)
        self._sort_in(found_new - known_new, True, lines, taken, difference)
        difference.found.sort(key=lambda pair: pair[0])
        return difference

    def _sort_in(
        self,
        names: Iterable[bytes],
        is_new: bool,
        lines: Mapping[bytes, int],
        taken: set[bytes],
        difference: Difference,
    ) -> None:
        """Say of each name that was not known what it is: moved, listed, unlisted, or nothing to us."""
        for name in names:
            base = split_name(name)[0]
            uid = self._uid_of.get(base)
            if uid in difference.gone:
                difference.gone.discard(uid)
                difference.moved.append((uid, Place(base, name, is_new)))
            elif uid is not None or base in taken:
                difference.ignored.append(name)
            elif (listed := lines.get(base, 0)) > self.highest:
                taken.add(base)
                difference.found.append((listed, Place(base, name, is_new)))
            elif is_listable(base):
                taken.add(base)
                difference.unlisted.append(Place(base, name, is_new))
            else:
                difference.ignored.append(name)
