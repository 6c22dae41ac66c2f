"""Look-ups under way, so that who asks for the same address meanwhile waits for the same answer.

The same is what is written the same: a directory has ideas of its own of which addresses are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress

T = TypeVar("T")


class Lookups(Generic[T]):
    """Asks `ask` once for all who want to know of an address at a time. Who is cancelled leaves the others to it."""

    def __init__(self, ask: Callable[[EmailAddress], Coroutine[Any, Any, T]]) -> None:
        self._ask = ask
        self._waiting: dict[tuple[str, str], list[Deferred[T]]] = {}

    async def of(self, address: EmailAddress) -> T:
        """The answer, or what went wrong."""
        waiting = self._waiting.get(address.written)
        is_first = waiting is None
        if waiting is None:
            waiting = self._waiting[address.written] = []
        mine: Deferred[T] = Deferred(waiting.remove)
        waiting.append(mine)
        if is_first:
            Deferred.fromCoroutine(self._ask(address)).addBoth(self._tell, address)
        return await mine

    def _tell(self, outcome: Any, address: EmailAddress) -> None:
        waiting = self._waiting.pop(address.written)
        while waiting:  # which whoever is told may make shorter
            waiting.pop(0).callback(outcome)
