"""Sequence sets (RFC 3501 section 9, `sequence-set`): kept as ranges, never written out number by number."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from mailbox_d.wire.imap.cursor import Cursor, number
from mailbox_d.wire.imap.errors import BadSyntax

STAR: Final = 1 << 32
"""`*`, the largest number in use: above every number that can be written."""

_DIGITS_AND_MARKS = re.compile(rb"[0-9:,*]*+")
_CACHED_LENGTH = 32


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges as they were written, each with its lower end first; either end may be `STAR`."""

    ranges: tuple[tuple[int, int], ...]

    def resolved(self, largest: int) -> list[tuple[int, int]]:
        """The ranges in ascending order, none touching the next, `*` being `largest`; none at all if that is 0."""
        if not largest:
            return []
        merged: list[tuple[int, int]] = []
        for low, high in sorted(_without_star(low, high, largest) for low, high in self.ranges):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return merged

    def sequence_numbers(self, count: int) -> list[range]:
        """The sequence numbers in a mailbox of `count` messages, as ascending ranges.

        Raises `BadSyntax` for a number above `count`, as for `*` in an empty mailbox (RFC 3501 `seq-number`).
        """
        if not count or any(end > count for ends in self.ranges for end in ends if end != STAR):
            raise BadSyntax("There is no message with this number")
        return [range(low, high + 1) for low, high in self.resolved(count)]

    def each(self) -> Iterator[int]:
        """Every number, one by one, of a set without `*`."""
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def count(self) -> int:
        """How many numbers those are."""
        return sum(high - low + 1 for low, high in self.ranges)

    def ascends(self) -> bool:
        """Whether the ranges are in order and apart, none with `*`."""
        return not self.has_star() and all(high < low for (_, high), (low, _) in pairwise(self.ranges))

    def has_star(self) -> bool:
        return any(STAR in ends for ends in self.ranges)

    def positions(self, uids: Sequence[int]) -> Iterator[range]:
        """Where in the ascending `uids` those of this set stand, as ranges of indexes; unknown UIDs are no error."""
        for low, high in self.resolved(uids[-1] if uids else 0):
            found = range(bisect_left(uids, low), bisect_right(uids, high))
            if found:
                yield found


def parse_sequence_set(cursor: Cursor) -> SequenceSet:
    """A sequence set up to the next space or parenthesis. Raises `BadSyntax`."""
    written = cursor.take(_DIGITS_AND_MARKS, "a sequence set")
    return _cached(written) if len(written) <= _CACHED_LENGTH else _parse(written)


def _parse(written: bytes) -> SequenceSet:
    return SequenceSet(tuple(map(_range, written.split(b","))))


_cached = lru_cache(maxsize=1024)(_parse)


def _range(written: bytes) -> tuple[int, int]:
    first, colon, second = written.partition(b":")
    low = _end_of_range(first)
    high = _end_of_range(second) if colon else low
    return (low, high) if low <= high else (high, low)


def _end_of_range(written: bytes) -> int:
    if written == b"*":
        return STAR
    if not written.isdigit():
        raise BadSyntax("This is not a sequence set")
    value = number(written)
    if not value:
        raise BadSyntax("Message numbers begin at 1")
    return value


def _without_star(low: int, high: int, largest: int) -> tuple[int, int]:
    if high != STAR:
        return low, high
    return (min(low, largest), largest) if low <= largest else (largest, largest if low == STAR else low)
