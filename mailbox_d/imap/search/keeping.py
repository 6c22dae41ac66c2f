"""What SEARCH found out about messages, on its way to the store. Blocking code for the lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailbox_d.imap.search.record import name_of
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.ports import COLUMNS, FINAL, Mailbox, Row

_OCTETS_HELD = 512 * 1024
_ROWS_HELD = 2000
_WHOLE = FINAL | (1 << COLUMNS) - 1


class Keeping:
    """Rows of a mailbox's messages, each with at most `octets_max` of text; written when there are enough of them."""

    def __init__(self, limits: MimeLimits, octets_max: int, marks: Mapping[int, int]) -> None:
        """`marks` say by UID what is kept already, as `Texts.known` does."""
        self.octets_max = octets_max
        self._name = name_of(limits, octets_max)
        self._marks = marks
        self._rows: dict[int, Row] = {}
        self._octets = 0

    @classmethod
    def of(cls, mailbox: Mailbox, uids: Sequence[int], limits: MimeLimits, octets_max: int) -> Keeping:
        """With what the store has of these messages."""
        marks = mailbox.texts.known(name_of(limits, octets_max), uids)
        return cls(limits, octets_max, {uid: mark for uid, mark in zip(uids, marks, strict=True) if mark})

    def wants(self, uid: int) -> bool:
        """Not a message that says more than is kept. One that is whole, and was read all the same, was damaged."""
        mark = self._marks.get(uid, 0)
        return mark & FINAL == 0 or mark == _WHOLE

    def take(self, uid: int, row: Row) -> None:
        """Keep this."""
        self._rows[uid] = row
        self._octets += sum([len(text) for text in row.columns if text])

    @property
    def is_full(self) -> bool:
        return self._octets >= _OCTETS_HELD or len(self._rows) >= _ROWS_HELD

    def write(self, mailbox: Mailbox) -> None:
        """Hand it to the store."""
        rows, self._rows, self._octets = self._rows, {}, 0
        if rows:
            mailbox.texts.remember(self._name, rows)
