"""Places for questions that are out, each of which costs a socket: they are given in turn by domain."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from functools import partial

from twisted.internet.defer import Deferred

_LONGEST_REGISTRY = 3
"""Characters of a country's second level that is nobody's own, as in `co.uk` and `com.au`."""


class DnsPlaces:
    """Up to `most` places, `most_of_domain` of them for the names of one domain. Of the domains whose questions wait
    each gets the next place in turn: whoever makes us ask much that nobody answers keeps only his own waiting."""

    def __init__(self, most: int, most_of_domain: int) -> None:
        self._free = most
        self._most_of_domain = most_of_domain
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Deferred[None]]] = OrderedDict()
        self._giving = False

    def take(self, name: str) -> Deferred[None]:
        """Fires when a question about the name may be asked; `give_back` afterwards. Whoever is cancelled has none."""
        domain = domain_of(name)
        place: Deferred[None] = Deferred(partial(self._leave, domain))
        self._waiting.setdefault(domain, deque()).append(place)
        self._give()
        return place

    def give_back(self, name: str) -> None:
        """A question is no longer out."""
        domain = domain_of(name)
        self._free += 1
        self._taken[domain] -= 1
        if not self._taken[domain]:
            del self._taken[domain]
        self._give()

    def _give(self) -> None:
        """Whoever gets a place may give it back at once: that is seen in the next round, not in a deeper one."""
        if self._giving:
            return
        self._giving = True
        try:
            while self._free and (domain := self._next()) is not None:
                self._free -= 1
                self._taken[domain] += 1
                self._first_of(domain).callback(None)
        finally:
            self._giving = False

    def _next(self) -> str | None:
        """The first domain that may have one more; few are passed over, for each of those has its share of all."""
        return next((domain for domain in self._waiting if self._taken[domain] < self._most_of_domain), None)

    def _first_of(self, domain: str) -> Deferred[None]:
        """Takes out the domain's first one; the domain's next turn comes after all others'."""
        waiting = self._waiting.pop(domain)
        place = waiting.popleft()
        if waiting:
            self._waiting[domain] = waiting
        return place

    def _leave(self, domain: str, place: Deferred[None]) -> None:
        self._waiting[domain].remove(place)
        if not self._waiting[domain]:
            del self._waiting[domain]


def domain_of(name: str) -> str:
    """The end of a name that somebody has registered, or about that."""
    labels = name.split(".")
    is_registry = len(labels[-1]) == 2 and len(labels) > 2 and len(labels[-2]) <= _LONGEST_REGISTRY
    return ".".join(labels[-3:] if is_registry else labels[-2:])
