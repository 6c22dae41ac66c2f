"""Whether the disk has room for what is announced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mailbox_d.policy.verdict import Reason, Refused

ROOM_PER_OCTET = 1.5
"""Free octets wanted per octet of a message: the file, and what the file system needs beside it."""

_REMEMBERED = 1.0
"""Seconds for which a reading is good: a disk is not asked for every message."""


class FreeSpace:
    """Remembers for a moment how much the disk has left."""

    def __init__(self, measure: Callable[[], Awaitable[int]], clock: Callable[[], float]) -> None:
        """`measure` gives the free octets; `clock` gives seconds, never backwards."""
        self._measure = measure
        self._clock = clock
        self._octets = 0
        self._good_until = float("-inf")

    async def check(self, size: int) -> Refused | None:
        """Refuse, for now, a message of `size` octets that would not safely fit. Raises `StorageFault`."""
        if self._clock() >= self._good_until:
            self._octets = await self._measure()
            self._good_until = self._clock() + _REMEMBERED
        if self._octets >= size * ROOM_PER_OCTET:
            return None
        return Refused(Reason.NO_SPACE, "Not enough space left, try again later", f"{self._octets} octets free")
