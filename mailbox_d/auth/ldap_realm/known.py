"""What a directory said of addresses a while ago: for a bounded time, of a bounded number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Known(Generic[K, T]):
    """Answers by address, or by what it was asked for; the oldest go first. An answer out of date is no longer told by
    `fresh`, but still by `latest`. `clock` is monotonic, in seconds. Safe to read from any thread, written from one."""

    def __init__(self, clock: Callable[[], float], *, seconds: float, most: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._answers: OrderedDict[K, tuple[float, T]] = OrderedDict()

    def fresh(self, address: K) -> tuple[T] | None:
        """The answer, in a tuple of its own as it may be None; None where it has to be asked for."""
        kept = self._answers.get(address)
        return (kept[1],) if kept is not None and self._clock() < kept[0] else None

    def latest(self, address: K) -> T | None:
        """The last answer, however old."""
        kept = self._answers.get(address)
        return kept[1] if kept is not None else None

    def keep(self, address: K, answer: T) -> None:
        """Keep an answer that has just come."""
        self._put(address, self._clock() + self._seconds, answer)

    def note(self, address: K, answer: T) -> None:
        """Keep what was said of another address, for `latest` alone, unless this one was asked for itself."""
        if self.fresh(address) is None:
            self._put(address, float("-inf"), answer)

    def forget(self) -> None:
        """Have everything asked for anew; `latest` still tells it."""
        for address, (_, answer) in list(self._answers.items()):
            self._answers[address] = (float("-inf"), answer)

    def _put(self, address: K, until: float, answer: T) -> None:
        self._answers[address] = (until, answer)
        self._answers.move_to_end(address)
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._answers)
