"""Work that several wait for, and that is done once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


class SharedWork(Generic[T]):
    """Tells its outcome to all who wait. Whoever is cancelled leaves the others to it; the last one ends it."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[T]] = []
        self._work: Deferred[T] | None = None

    def wait(self) -> Deferred[T]:
        """Fires with the outcome. The first wait comes before the work is begun."""
        waiting: Deferred[T] = Deferred(self._leave)
        self._waiting.append(waiting)
        return waiting

    def begin(self, work: Coroutine[Any, Any, T]) -> None:
        """Do it."""
        self._work = Deferred.fromCoroutine(work)
        self._work.addBoth(self._tell)

    def _leave(self, waiting: Deferred[T]) -> None:
        self._waiting.remove(waiting)
        if not self._waiting and self._work is not None:
            self._work.cancel()

    def _tell(self, outcome: Any) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(outcome)
