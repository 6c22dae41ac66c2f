"""How many messages a user may submit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mailbox_d.address import EmailAddress
from mailbox_d.policy.verdict import Reason, Refused

DAY = 86400.0
"""Seconds."""


class DailyMessages:
    """Counts each user's messages of the last 24 hours. Kept in memory: a restart begins anew.

    Holds one time for each message that still counts, so memory is bounded by users times the limit.
    """

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        """`limit`: messages in 24 hours, 0 for any number; `clock` gives seconds, never backwards."""
        self._limit = limit
        self._clock = clock
        self._times: dict[EmailAddress, deque[float]] = {}

    def check(self, user: EmailAddress) -> Refused | None:
        """Refuse, for now, a user who has sent as many as they may."""
        if not self._limit or len(self._recent(user)) < self._limit:
            return None
        return Refused(Reason.RATE_EXCEEDED, "You have sent as many messages as you may in a day", str(user))

    def count(self, user: EmailAddress) -> None:
        """The user sent a message."""
        if self._limit:
            self._recent(user).append(self._clock())

    def _recent(self, user: EmailAddress) -> deque[float]:
        times = self._times.setdefault(user, deque(maxlen=self._limit))
        horizon = self._clock() - DAY
        while times and times[0] <= horizon:
            times.popleft()
        return times
