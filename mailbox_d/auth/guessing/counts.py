"""Failed logins of one kind of thing (a network, a user): a number that decays, and the wait that comes of it."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Waits:
    """`free` failures cost nothing. From the next one on there is a wait, of `first` seconds, that doubles with each,
    up to `most`. Half of the failures are forgotten after each `half_life` seconds."""

    free: float
    first: float = 2.0
    most: float = 15.0
    half_life: float = 900.0

    def after(self, failures: float) -> float:
        """Seconds until the next try, after so many failures."""
        if failures <= self.free:
            return 0.0
        doubled: float = 2.0 ** min(failures - self.free - 1, _MOST_DOUBLINGS)
        return min(self.first * doubled, self.most)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a name stands: `failures` that are not forgotten, `wait` seconds until its next try, 0 if it may try now."""

    name: str
    failures: float
    wait: float
    must_wait: bool
    """Whether there is a wait between two tries."""


@dataclass(slots=True)
class _Entry:
    failures: float
    at: float
    next_try: float


class Counts:
    """The failures of up to `most` names. Of more, those are forgotten that were looked at longest ago.

    `at_once`: tries for one name that may be under way, 0 for any number. `clock` gives seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float], waits: Waits, most: int, *, at_once: int = 0) -> None:
        self._clock = clock
        self._waits = waits
        self._most = most
        self._at_once = at_once
        self._under_way: Counter[str] = Counter()
        self._queues: dict[str, deque[Callable[[], None]]] = {}
        self._calling: set[str] = set()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def must_wait(self, name: str) -> bool:
        """Whether a try comes before its time."""
        entry = self._entries.get(name)
        if entry is None:
            return False
        self._entries.move_to_end(name)
        return self._clock() < entry.next_try

    def is_full(self, name: str) -> bool:
        """Whether as many tries as may be are under way, or wait for one that is."""
        return 0 < self._at_once <= self._under_way[name] + len(self._queues.get(name, ()))

    def is_busy(self, name: str) -> bool:
        """Whether a try is under way, and the next one may come only once it is known what came of this one: so it is
        for those who must wait between two. What is tried at the same moment is no way around that."""
        return self._under_way[name] > 0 and self._waits.after(self.failures(name)) > 0

    def begin(self, name: str) -> None:
        """A try is under way, until it is over."""
        self._under_way[name] += 1

    def end(self, name: str) -> None:
        """A try is over, whatever came of it."""
        self._under_way[name] -= 1
        if self._under_way[name] <= 0:
            del self._under_way[name]
        self._call_next(name)

    def when_over(self, name: str, call: Callable[[], None]) -> None:
        """Call back once the try that keeps the name busy is over; those who came first are called first."""
        self._queues.setdefault(name, deque()).append(call)

    def fail(self, name: str) -> None:
        """A try has failed."""
        failures = self.failures(name) + 1
        entry = self._entries.setdefault(name, _Entry(0.0, 0.0, float("-inf")))
        self._entries.move_to_end(name)
        entry.failures, entry.at = failures, self._clock()
        self._put_off(entry, failures)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def forgive(self, name: str) -> None:
        """Take one failure back. When the next try may come stays as it is."""
        if (entry := self._entries.get(name)) is not None:
            entry.failures, entry.at = max(0.0, self.failures(name) - 1), self._clock()

    def failures(self, name: str) -> float:
        """What is left of them by now."""
        entry = self._entries.get(name)
        if entry is None:
            return 0.0
        left: float = 0.5 ** min((self._clock() - entry.at) / self._waits.half_life, 1000.0)
        return entry.failures * left

    def names(self) -> tuple[str, ...]:
        """All that there are, those looked at longest ago at the beginning."""
        return tuple(self._entries)

    def standing(self, name: str) -> Standing | None:
        """How a name stands; None where it never failed, or that is forgotten."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        failures = self.failures(name)
        wait = max(0.0, entry.next_try - self._clock())
        return Standing(name, failures, wait, wait > 0 or self._waits.after(failures) > 0)

    def forget(self, name: str) -> bool:
        """Let a name have failed never; whether it had. What is under way is counted when it is over."""
        return self._entries.pop(name, None) is not None

    def __len__(self) -> int:
        return len(self._entries)

    def _call_next(self, name: str) -> None:
        """One after the other, until one of them has begun; who is over at once leaves the rest to the first call."""
        if name in self._calling or name not in self._queues:
            return
        queue = self._queues[name]
        self._calling.add(name)
        while queue and not self.is_busy(name):
            queue.popleft()()
        self._calling.discard(name)
        if not queue:
            del self._queues[name]

    def _put_off(self, entry: _Entry, failures: float) -> None:
        entry.next_try = max(entry.next_try, self._clock() + self._waits.after(failures))
