"""Which messages a client has to forget when it comes back (RFC 7162 sections 3.2.5 and 3.2.6). For the lane."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mailbox_d.store.ports import Mailbox
from mailbox_d.wire.imap.commands import SequenceMatch
from mailbox_d.wire.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Vanished:
    """What a client asks: of these UIDs, all if there are none given, those that went after the change `since`.

    `present` are the UIDs that it is told of as there, ascending. `match` are numbers and UIDs that it knows.
    """

    since: int
    present: Sequence[int]
    known: SequenceSet | None = None
    match: SequenceMatch | None = None

    def ranges(self, mailbox: Mailbox) -> list[tuple[int, int]]:
        """Those that went, as ascending ranges. Where it is not known when they went, all that are not there.

        What came since `present` was as it is, is not mistaken for what is gone.
        """
        last = mailbox.status().uid_next - 1
        known = [(1, last)] if self.known is None else self.known.resolved(max(last, 0))
        known = [(low, min(high, last)) for low, high in known if low <= last]
        gone = mailbox.vanished(self.since)
        if gone is not None:
            return list(_runs(_among(known, sorted(set(gone).difference(self.present)))))
        there = sorted({*self.present, *mailbox.messages().uids})
        first = _confirmed(self.match, self.present) + 1
        return list(_gaps(((max(low, first), high) for low, high in known if high >= first), there))


def _among(known: Collection[tuple[int, int]], uids: Sequence[int]) -> Iterator[int]:
    for low, high in known:
        yield from uids[bisect_left(uids, low) : bisect_right(uids, high)]


def _runs(uids: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Ascending UIDs as ranges."""
    low = high = 0
    for uid in uids:
        if uid == high + 1 and low:
            high = uid
            continue
        if low:
            yield low, high
        low = high = uid
    if low:
        yield low, high


def _gaps(ranges: Iterator[tuple[int, int]], there: Sequence[int]) -> Iterator[tuple[int, int]]:
    """What of the ranges is not there."""
    for low, high in ranges:
        for uid in there[bisect_left(there, low) : bisect_right(there, high)]:
            if low < uid:
                yield low, uid - 1
            low = uid + 1
        if low <= high:
            yield low, high


def _confirmed(match: SequenceMatch | None, present: Sequence[int]) -> int:
    """The highest UID up to which the client knows of everything that went (RFC 7162 section 3.2.5.2)."""
    confirmed = 0
    for number, uid in () if match is None else match.pairs():
        if number > len(present):
            break
        if present[number - 1] == uid:
            confirmed = uid
    return confirmed
