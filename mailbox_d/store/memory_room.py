"""What an account in memory holds, and whether more fits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailbox_d.errors import OverQuota
from mailbox_d.store.ports import Quota, QuotaLimits, Usage
from mailbox_d.store.quota import QuotaRules
from mailbox_d.store.usage import total


def _without_limits() -> QuotaLimits | None:
    return None


class MemoryRoom:
    """The room of one account, which its mailboxes share."""

    def __init__(
        self, rules: QuotaRules | None = None, limits: Callable[[], QuotaLimits | None] = _without_limits
    ) -> None:
        self._rules = rules or QuotaRules()
        self._limits = limits
        self._lock = threading.RLock()
        self._usage = Usage(0, 0)
        self._moving = 0

    def quota(self) -> Quota | None:
        limits = self._limits()
        return None if limits is None else Quota(limits, self._usage)

    def has(self, wanted: Usage) -> bool:
        """Whether so much still fits."""
        limits = self._limits()
        return limits is None or self._moving > 0 or self._rules.admit(limits, self._usage, wanted)

    def require(self, wanted: Usage) -> None:
        """Raises `OverQuota`."""
        if not self.has(wanted):
            raise OverQuota("The mailbox is full")

    def take(self, wanted: Usage) -> None:
        """Take room for messages. Raises `OverQuota`."""
        with self._lock:
            self.require(wanted)
            self._usage = total([self._usage, wanted])

    def give_back(self, gone: Usage) -> None:
        """Messages were removed."""
        with self._lock:
            self._usage = Usage(self._usage.octets - gone.octets, self._usage.messages - gone.messages)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """What comes meanwhile goes from elsewhere in the account: it fits."""
        with self._lock:
            self._moving += 1
            try:
                yield
            finally:
                self._moving -= 1
