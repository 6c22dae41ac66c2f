"""What a mailbox holds, in memory: each message's UID, file, flags and size; and how that differs from the disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from mailbox_d.store.filename import is_listable, join_name, letters_of, split_name
from mailbox_d.store.ports import Change, Expunged, Flagged, Flags, Message, Snapshot


class Place(NamedTuple):
    """A message's file: its name, the base and the letters in it, and whether it lies in `new` or in `cur`."""

    name: bytes
    base: bytes
    letters: bytes
    is_new: bool

    @classmethod
    def of(cls, name: bytes, *, is_new: bool) -> Place:
        return cls(name, *split_name(name), is_new)

    @classmethod
    def arriving(cls, base: bytes, letters: bytes) -> Place:
        """Where a message lies that comes with these letters: without any, it is new."""
        return cls(join_name(base, letters) if letters else base, base, letters, is_new=not letters)


@dataclass(slots=True)
class Difference:
    """How the files found differ from what was known.

    `found` maps UIDs that the list has, ascending, to file names, those in `found_new` in `new`; `unlisted` have none.
    """

    gone: set[int] = field(default_factory=set)
    moved: list[tuple[int, Place]] = field(default_factory=list)
    found: dict[int, bytes] = field(default_factory=dict)
    found_new: set[int] = field(default_factory=set)
    unlisted: dict[bytes, Place] = field(default_factory=dict)
    ignored: list[Place] = field(default_factory=list)

    def take_in(self, before: Difference) -> None:
        """Add what a reading of a moment before found and this one missed."""
        self.gone &= before.gone
        missed = before.found.keys() - self.found.keys()
        if missed:
            self.found = dict(sorted({**self.found, **{uid: before.found[uid] for uid in missed}}.items()))
            self.found_new |= before.found_new & missed


class Listing:
    """The messages of a mailbox. Changed under the mailbox's lock; a snapshot may be had at any time."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.in_new: set[int] = set()
        self.highest = 0
        self._names: dict[int, bytes] = {}
        self._uid_of: dict[bytes, int] = {}
        self._snapshot: list[Snapshot] = []
        """Where the snapshot is kept, once somebody wanted one; another list after each change."""

    def snapshot(self) -> Snapshot:
        """All messages, UIDs ascending; the same object until something changes.

        Whoever is overtaken by a change keeps what it read where nobody looks any more.
        """
        kept = self._snapshot
        if not kept:
            kept.append(Snapshot(self.messages.values()))
        return kept[0]

    def place(self, uid: int) -> Place | None:
        name = self._names.get(uid)
        return None if name is None else Place.of(name, is_new=uid in self.in_new)

    def places(self, uids: Iterable[int]) -> list[tuple[int, Place]]:
        """Those of many messages; one that is not there is left out."""
        found = []
        letters: dict[bytes, bytes] = {}
        for uid in uids:
            name = self._names.get(uid)
            if name is not None:
                base, _, info = name.partition(b":")
                of = letters.get(info)
                if of is None:
                    of = letters[info] = letters_of(info)
                found.append((uid, Place(name, base, of, uid in self.in_new)))
        return found

    def base(self, uid: int) -> bytes | None:
        """The name that a message's file has for life."""
        name = self._names.get(uid)
        return None if name is None else name.partition(b":")[0]

    def bases(self) -> Mapping[bytes, int]:
        """The UID of each base name."""
        return self._uid_of

    def add(
        self,
        messages: Sequence[Message],
        names: Sequence[bytes],
        in_new: Collection[int],
        bases: Sequence[bytes] | None = None,
    ) -> None:
        """Add messages with the names of their files, and what is before the colon of these where that is at hand; UIDs
        ascend and are above all others."""
        if not messages:
            return
        uids = [uid for uid, _, _, _ in messages]
        self.messages.update(zip(uids, messages, strict=True))
        self._names.update(zip(uids, names, strict=True))
        self._uid_of.update(zip(bases or [name.partition(b":")[0] for name in names], uids, strict=True))
        self.in_new.update(in_new)
        self.highest = uids[-1]
        self._snapshot = []

    def move(self, moves: Iterable[tuple[int, Place]]) -> None:
        """Note messages' new file names."""
        names, in_new = self._names, self.in_new
        for uid, (name, _, _, is_new) in moves:
            names[uid] = name
            if is_new:
                in_new.add(uid)
            elif in_new:
                in_new.discard(uid)

    def set_flags(self, changed: Iterable[tuple[int, Flags]], mod_sequence: int) -> Sequence[Change]:
        """Note messages' flags."""
        messages = self.messages
        changes = [Flagged(uid, flags, mod_sequence) for uid, flags in changed]
        for uid, flags in changed:
            messages[uid] = Message(uid, flags, messages[uid].size, mod_sequence)
        self._snapshot = []
        return changes

    def renumber(self, mod_sequence: int) -> Sequence[Change]:
        """Every message has changed now, for all that is known."""
        renumbered = [Message(uid, flags, size, mod_sequence) for uid, flags, size, _ in self.messages.values()]
        self.messages.update(zip(self.messages, renumbered, strict=True))
        self._snapshot = []
        return [Flagged(message.uid, message.flags, mod_sequence) for message in renumbered]

    def remove(self, uid: int, mod_sequence: int) -> Change:
        del self.messages[uid]
        del self._uid_of[split_name(self._names.pop(uid))[0]]
        self.in_new.discard(uid)
        self._snapshot = []
        return Expunged(uid, mod_sequence)

    def letters(self) -> list[bytes]:
        """The letters of every message's file, UIDs ascending."""
        infos = [name.partition(b":")[2] for name in self._names.values()]
        letters = {info: letters_of(info) for info in set(infos)}
        return [letters[info] for info in infos]

    def compare(self, new: Sequence[bytes], cur: Sequence[bytes] | None, lines: Mapping[bytes, int]) -> Difference:
        """Compare with the names found in `new` and `cur` (None: not looked at) and with the list's lines."""
        difference = Difference()
        in_new, in_cur = self._not_known(new, cur, difference) if self._names else (new, cur or ())
        self._sort_in(in_cur, False, lines, difference)
        self._sort_in(in_new, True, lines, difference)
        if difference.found_new:
            difference.found = dict(sorted(difference.found.items()))
        return difference

    def _not_known(
        self, new: Sequence[bytes], cur: Sequence[bytes] | None, difference: Difference
    ) -> tuple[Collection[bytes], Collection[bytes]]:
        """Of the names found those that were not known; whose name was known and not found is gone."""
        known_new = {self._names[uid] for uid in self.in_new}
        known_cur = set() if cur is None else set(self._names.values()) - known_new
        found_new = set(new)
        found_cur = set(cur or ())
        missing = (known_new - found_new) | (known_cur - found_cur)
        difference.gone.update(self._uid_of[split_name(name)[0]] for name in missing)
        return found_new - known_new, found_cur - known_cur

    def _sort_in(
        self, names: Collection[bytes], is_new: bool, lines: Mapping[bytes, int], difference: Difference
    ) -> None:
        """Say of each name that was not known what it is: moved, listed, unlisted, or nothing to us."""
        bases = [name.partition(b":")[0] for name in names]
        name_of = dict(zip(bases, names, strict=True))
        if len(name_of) < len(bases):
            twins = (name for base, name in zip(bases, names, strict=True) if name_of[base] != name)
            difference.ignored += (Place.of(name, is_new=is_new) for name in twins)
        for base in name_of.keys() & self._uid_of.keys():
            self._sort_in_known(self._uid_of[base], Place.of(name_of.pop(base), is_new=is_new), difference)
        before = difference.found
        found = self._listed(name_of, lines, before)
        before.update(found)
        if is_new:
            difference.found_new.update(found)
        if len(found) == len(name_of):
            return
        for base, name in name_of.items():
            if lines.get(base) in found:
                continue
            place = Place.of(name, is_new=is_new)
            if base in difference.unlisted or not is_listable(base) or lines.get(base) in before:
                difference.ignored.append(place)
            else:
                difference.unlisted[base] = place

    def _listed(
        self, name_of: Mapping[bytes, bytes], lines: Mapping[bytes, int], before: Mapping[int, bytes]
    ) -> dict[int, bytes]:
        """The names of files that the list has under UIDs that are new to us. Often that is all of them."""
        names = list(map(name_of.get, lines))
        if not before and not self.highest and None not in names:
            return dict(zip(lines.values(), cast("list[bytes]", names), strict=True))
        return {
            uid: name
            for uid, name in zip(lines.values(), names, strict=True)
            if name is not None and uid > self.highest and uid not in before
        }

    def _sort_in_known(self, uid: int, place: Place, difference: Difference) -> None:
        if uid in difference.gone:
            difference.gone.discard(uid)
            difference.moved.append((uid, place))
        else:
            difference.ignored.append(place)
