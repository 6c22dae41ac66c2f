"""DNS answers that are remembered, and failures for a moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mailbox_d.wire.dns.answers import Reading
from mailbox_d.wire.dns.questions import Question
from mailbox_d.wire.dns.records import LookupFailed

FAILED_SECONDS = 5.0
"""How long a lookup that failed is not tried again."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """`outcome` is a reading, or why there is none: an exception is not kept, for each raise adds to it."""

    outcome: Reading[Any] | str
    expiry: float


class DnsCache:
    """Up to `size` answers by question; who was asked for least lately goes first. `monotonic`: seconds."""

    def __init__(self, size: int, monotonic: Callable[[], float]) -> None:
        self._size = size
        self._monotonic = monotonic
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, question: Question) -> Reading[Any] | None:
        """What is remembered. Raises `LookupFailed` where that failed a moment ago."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        if entry.expiry <= self._monotonic():
            del self._entries[question]
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
        self._entries.pop(question, None)
        if seconds <= 0:
            return
        self._entries[question] = _Entry(outcome, self._monotonic() + seconds)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
