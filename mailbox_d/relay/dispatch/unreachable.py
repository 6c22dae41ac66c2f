"""Domains whose servers were not reached a moment ago: for a while nobody waits for them again.

Without this every message for a dead domain would hold a connection's place for as long as a connection takes to fail.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from mailbox_d.errors import MailError

FIRST_WAIT = 30.0
LONGEST_WAIT = 600.0
DOMAINS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Pause:
    until: float
    seconds: float
    failure: MailError


class Unreachable:
    """Remembers for each domain why nobody was there, and for how long that is believed."""

    def __init__(
        self, monotonic: Callable[[], float], *, first: float = FIRST_WAIT, longest: float = LONGEST_WAIT
    ) -> None:
        """`first`, `longest`: seconds for which it is believed at most, the first time and ever; no longer than
        messages wait for their next attempts."""
        self._monotonic = monotonic
        self._first = min(first, FIRST_WAIT)
        self._longest = min(longest, LONGEST_WAIT)
        self._pauses: OrderedDict[str, _Pause] = OrderedDict()

    def failure(self, domain: str) -> MailError | None:
        """Why nobody needs to try now; None where somebody should."""
        pause = self._pauses.get(domain)
        return None if pause is None or self._monotonic() >= pause.until else pause.failure

    def failed(self, domain: str, failure: MailError) -> None:
        """Nobody was there: the wait grows from time to time; by what was begun before it, it does not."""
        if self.failure(domain) is not None:
            return
        before = self._pauses.pop(domain, None)
        seconds = self._first if before is None else min(before.seconds * 2, self._longest)
        self._pauses[domain] = _Pause(self._monotonic() + seconds, seconds, failure)
        while len(self._pauses) > DOMAINS_MAX:
            self._pauses.popitem(last=False)

    def reached(self, domain: str) -> None:
        """Somebody was there."""
        self._pauses.pop(domain, None)

    def forget(self) -> None:
        """Try all again: the operator wants it."""
        self._pauses.clear()
