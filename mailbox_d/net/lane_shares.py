"""How many threads of a lane one user's work may hold: whoever's disk hangs keeps no other user waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class LaneShares(Generic[T]):
    """Counts the pieces of work that each user has under way; one too many waits behind that user's own.

    Work may be for several users, and waits while any of them has too many. `most` is at least 1.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[Sequence[str], T]]] = {}

    def admit(self, users: Sequence[str], work: T) -> bool:
        """Whether the work may begin, which counts from now on; else it is kept until it may."""
        for user in users:
            if self._under_way.get(user, 0) >= self._most:
                self._waiting.setdefault(user, deque()).append((users, work))
                return False
        self._count(users)
        return True

    def done(self, users: Sequence[str]) -> list[T]:
        """Work for these has ended; what may begin instead, and counts from now on."""
        for user in users:
            self._under_way[user] -= 1
            if not self._under_way[user]:
                del self._under_way[user]
        return [work for user in users for work in self._next_of(user)]

    def rest(self) -> list[T]:
        """All that waits; it may begin at once, and counts from now on."""
        rest = [each for waiting in self._waiting.values() for each in waiting]
        self._waiting.clear()
        for users, _ in rest:
            self._count(users)
        return [work for _, work in rest]

    def _count(self, users: Sequence[str]) -> None:
        for user in users:
            self._under_way[user] = self._under_way.get(user, 0) + 1

    def _next_of(self, user: str) -> list[T]:
        """What waited for this user and may begin; what must wait for another one waits there."""
        begins = []
        waiting = self._waiting.get(user)
        while waiting and self._under_way.get(user, 0) < self._most:
            users, work = waiting.popleft()
            if self.admit(users, work):
                begins.append(work)
        if waiting is not None and not waiting:
            del self._waiting[user]
        return begins
