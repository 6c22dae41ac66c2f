"""Look-ups under way, so that who asks for the same address meanwhile waits for the same answer."""

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
        self._waiting: dict[EmailAddress, list[Deferred[T]]] = {}

    async def of(self, address: EmailAddress) -> T:
        """The answer, or what went wrong."""
        waiting = self._waiting.get(address)
        is_first = waiting is None
        if waiting is None:
            waiting = self._waiting[address] = []
        mine: Deferred[T] = Deferred(waiting.remove)
        waiting.append(mine)
        if is_first:
            Deferred.fromCoroutine(self._ask(address)).addBoth(self._tell, address)
        return await mine

    def _tell(self, outcome: Any, address: EmailAddress) -> None:
        waiting = self._waiting.pop(address)
        while waiting:  # which whoever is told may make shorter
            waiting.pop(0).callback(outcome)
