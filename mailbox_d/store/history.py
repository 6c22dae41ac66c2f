"""What happened to a mailbox's messages, in the order of mod-sequences (RFC 7162).

Each set of changes has a number; a message has that of its last change, and the UIDs of messages that are gone are
kept with theirs, the last ones. What is known is kept in the account's index, written before anybody is told a number.
It may be lost there at any time: then everything has changed now, under a number above all that were told. The same
holds where another process has written there since: it may have told what nobody here has seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from mailbox_d.store.keywords import Keywords
from mailbox_d.store.mod_sequences import ModSequences


@dataclass(frozen=True, slots=True)
class Change:
    """One set of changes: messages that came or have other letters, with these, and messages that are gone."""

    mod_sequence: int
    present: Mapping[int, bytes]
    gone: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class State:
    """All that is known of a mailbox, column by column, UIDs ascending; `keywords` is what the letters mean.

    `gone` are mod-sequence and UID of messages that went, in order; of those up to `forgotten` not all are there.
    """

    highest: int
    forgotten: int
    uids: Sequence[int]
    letters: Sequence[bytes]
    mod_sequences: Sequence[int]
    gone: Sequence[tuple[int, int]]
    keywords: Keywords


class Kept(Enum):
    """What became of something that was to be written."""

    WRITTEN = "written"
    WRITTEN_OFTEN = "written often"
    """So many changes that all should be written anew, as one state."""
    NOT_OURS = "not ours"
    """What is there is not what was written here last; nothing was written."""
    LOST = "lost"
    """It could not be written, and what was there before is void."""


class Rows(Protocol):
    """Where a mailbox's history is kept. It raises nothing."""

    def load(self) -> tuple[State, Sequence[Change]] | None:
        """What was written last, if that is certain; from now on it is ours to go on with."""

    def append(self, change: Change) -> Kept:
        """Write a further change."""

    def replace(self, state: Callable[[], State], *, anything: bool) -> Kept:
        """Write all anew, over what was written here; over `anything` where that is so."""

    def are_ours(self) -> bool:
        """Whether nobody else has written since; where that cannot be known, nobody has."""


class History:
    """One mailbox's. Called under the mailbox's own lock, and where something changes, under the folder's."""

    def __init__(self, numbers: ModSequences, rows: Rows, gone_kept: int) -> None:
        self.highest = 0
        self.is_begun = False
        self.has_lost_track = False
        """Whether every message is to have the highest number, for lack of a better one."""
        self._numbers = numbers
        self._rows = rows
        self._gone_kept = gone_kept
        self._gone: list[tuple[int, int]] = []
        self._forgotten = 0
        self._is_to_be_written = False
        self._overwrites = False

    def begin(self, uids: Sequence[int], letters: Sequence[bytes], keywords: Keywords) -> Sequence[int]:
        """Take up what is known; the mod-sequence of each of the messages that are there now."""
        self.is_begun = True
        kept = self._rows.load()
        if kept is None:
            self._start_anew()
            self._is_to_be_written = self._overwrites = True
            return [self.highest] * len(uids)
        state, changes = kept
        return self._take_up(state, changes, uids, letters, keywords)

    def note(self, present: Mapping[int, bytes], gone: Sequence[int] = ()) -> int:
        """Something changed: its number. Messages that came or changed are given with their letters."""
        self.highest = self._numbers.next(self.highest)
        if not self._is_to_be_written:
            self._write(Change(self.highest, present, gone))
        self._remember(gone)
        return self.highest

    def meanings_changed(self) -> None:
        """Letters stand for something else, or for something at last."""
        self._is_to_be_written = self._is_to_be_written or self.is_begun

    def check(self) -> bool:
        """Whether nobody else has written here; else everything has changed now."""
        if not self.is_begun or self._rows.are_ours():
            return True
        self._lose_track()
        return False

    def settle(self, state: Callable[[], tuple[Sequence[int], Sequence[bytes], Sequence[int], Keywords]]) -> None:
        """Write all anew if that is due; `state` gives UIDs, letters, mod-sequences and keywords as they are now."""
        if not self._is_to_be_written:
            return
        kept = self._rows.replace(lambda: self._state(*state()), anything=self._overwrites)
        if kept is Kept.NOT_OURS:
            self._lose_track()
        elif kept is not Kept.LOST:
            self._is_to_be_written = self._overwrites = False

    @property
    def reaches_back_to(self) -> int:
        """The lowest number since which it is known what is gone."""
        return self._forgotten

    def vanished(self, since: int) -> Collection[int] | None:
        """The UIDs of messages that are gone since this number was the highest; None where that is not known."""
        if not self._forgotten <= since <= self.highest:
            return None
        first = bisect_right(self._gone, since, key=lambda entry: entry[0])
        return [uid for _, uid in self._gone[first:]]

    def _write(self, change: Change) -> None:
        kept = self._rows.append(change)
        if kept is Kept.NOT_OURS:
            self._lose_track()
        elif kept is not Kept.WRITTEN:
            self._is_to_be_written = True

    def _lose_track(self) -> None:
        self._start_anew()
        self.has_lost_track = self._is_to_be_written = self._overwrites = True

    def _start_anew(self) -> None:
        """Everything has changed now."""
        self.highest = self._numbers.next(max(self.highest, self._numbers.promised()))
        self._forgotten = self.highest
        self._gone = []

    def _take_up(
        self, state: State, changes: Sequence[Change], uids: Sequence[int], of_each: Sequence[bytes], keywords: Keywords
    ) -> Sequence[int]:
        """What was written, and how the mailbox differs from that: those differences are of now."""
        self.highest, self._forgotten, self._gone = state.highest, state.forgotten, list(state.gone)
        if not changes and state.keywords == keywords and state.uids == uids and state.letters == of_each:
            return state.mod_sequences
        now = dict(zip(uids, of_each, strict=True))
        letters = dict(zip(state.uids, state.letters, strict=True))
        numbers = dict(zip(state.uids, state.mod_sequences, strict=True))
        for change in changes:
            self.highest = change.mod_sequence
            letters.update(change.present)
            numbers.update(dict.fromkeys(change.present, change.mod_sequence))
            for uid in change.gone:
                letters.pop(uid, None)
            self._remember(change.gone)
        changed = _changed(letters, now, _other_meanings(state.keywords, keywords))
        gone = sorted(letters.keys() - now.keys()) if len(letters) != len(now) or changed else []
        if changed or gone:
            numbers.update(dict.fromkeys(changed, self.note(changed, gone)))
            if self.has_lost_track:
                return [self.highest] * len(now)
        if state.keywords != keywords:
            self._is_to_be_written = True
        return [numbers[uid] for uid in now]

    def _remember(self, gone: Sequence[int]) -> None:
        """Messages are gone under the highest number; the oldest of too many are forgotten."""
        if not gone or self._forgotten >= self.highest:
            return
        self._gone += [(self.highest, uid) for uid in gone]
        over = len(self._gone) - self._gone_kept
        if over > 0:
            self._forgotten = self._gone[over - 1][0]
            del self._gone[:over]

    def _state(
        self, uids: Sequence[int], letters: Sequence[bytes], numbers: Sequence[int], keywords: Keywords
    ) -> State:
        return State(self.highest, self._forgotten, uids, letters, numbers, list(self._gone), keywords)


def _changed(before: Mapping[int, bytes], now: Mapping[int, bytes], other: bytes) -> dict[int, bytes]:
    """The messages whose letters are not what they were, or do not mean what they meant."""
    if other:
        return {uid: letters for uid, letters in now.items() if before.get(uid) != letters or _any(other, letters)}
    if before == now:
        return {}
    return {uid: letters for uid, letters in now.items() if before.get(uid) != letters}


def _other_meanings(before: Keywords, now: Keywords) -> bytes:
    """The letters that stand for something else than they did, nothing included."""
    indexes = before.names.keys() | now.names.keys()
    return bytes(ord("a") + index for index in indexes if before.names.get(index) != now.names.get(index))


def _any(some: bytes, letters: bytes) -> bool:
    return any(letter in some for letter in letters)
