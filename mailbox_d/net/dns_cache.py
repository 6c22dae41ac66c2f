"""DNS answers that are remembered, and failures for a moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mailbox_d.wire.dns.answers import Reading
from mailbox_d.wire.dns.questions import Question
from mailbox_d.wire.dns.records import MX, SRV, TLSA, LookupFailed

FAILED_SECONDS = 5.0
"""How long a lookup that failed is not tried again."""

OCTETS_PER_ANSWER = 4096
"""What an answer takes in memory on the average at most; an ordinary one takes a quarter of it."""

_ENTRY_OCTETS = 700
_RECORD_OCTETS = 280
"""An answer and each of its records, as the interpreter keeps them, text aside."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """`outcome` is a reading, or why there is none: an exception is not kept, for each raise adds to it."""

    outcome: Reading[Any] | str
    expiry: float
    octets: int


class DnsCache:
    """Up to `size` answers by question, and no more memory than is meant for so many: large ones leave room for fewer.
    Who was asked for least lately goes first. `monotonic`: seconds."""

    def __init__(self, size: int, monotonic: Callable[[], float]) -> None:
        self._size = size
        self._monotonic = monotonic
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()
        self._octets = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, question: Question) -> Reading[Any] | None:
        """What is remembered. Raises `LookupFailed` where that failed a moment ago."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        if entry.expiry <= self._monotonic():
            self._forget(question)
            return None
        self._entries.move_to_end(question)
        if isinstance(entry.outcome, str):
            raise LookupFailed("DNS gave no answer", cause=entry.outcome)
        return entry.outcome

    def keep(self, question: Question, reading: Reading[Any]) -> None:
        """Remember an answer for as long as it says."""
        self._keep(question, reading, reading.ttl)

    def keep_failure(self, question: Question, failure: LookupFailed) -> None:
        """Remember that there is none."""
        self._keep(question, failure.cause, FAILED_SECONDS)

    def _keep(self, question: Question, outcome: Reading[Any] | str, seconds: float) -> None:
        if question in self._entries:
            self._forget(question)
        if seconds <= 0:
            return
        octets = _octets(question, outcome)
        self._entries[question] = _Entry(outcome, self._monotonic() + seconds, octets)
        self._octets += octets
        while len(self._entries) > self._size or self._octets > self._size * OCTETS_PER_ANSWER:
            self._forget(next(iter(self._entries)))

    def _forget(self, question: Question) -> None:
        self._octets -= self._entries.pop(question).octets


def _octets(question: Question, outcome: Reading[Any] | str) -> int:
    """About what is taken in memory."""
    fixed = _ENTRY_OCTETS + len(question.name)
    if isinstance(outcome, str):
        return fixed + len(outcome)
    return fixed + sum(_RECORD_OCTETS + _text_octets(record) for record in outcome.answer.records)


def _text_octets(record: Any) -> int:
    """Of a record as its type has it, the text whose length others choose."""
    if isinstance(record, (str, bytes)):
        return len(record)
    if isinstance(record, (MX, SRV)):
        return len(record.host)
    return len(record.data) if isinstance(record, TLSA) else 0
