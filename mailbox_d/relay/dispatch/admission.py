"""Which domains may have a run now: so many at a time for each, and a part of all for those that nobody knows yet.

Whoever makes us send mail to many domains of theirs, whose servers only cost time, holds that part and not all: domains
to which mail was delivered lately go on through the rest.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping

KNOWN_MAX = 10_000
NEW_SHARE = 0.6
"""Of all runs, the part that is for domains that are not known."""


class KnownDomains:
    """Domains to which mail was delivered lately, and always those that are ours."""

    def __init__(self, is_ours: Callable[[str], bool]) -> None:
        self._is_ours = is_ours
        self._delivered: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, domain: object) -> bool:
        return isinstance(domain, str) and (domain in self._delivered or self._is_ours(domain))

    def delivered(self, domain: str) -> None:
        """Mail was delivered there."""
        self._delivered[domain] = None
        self._delivered.move_to_end(domain)
        if len(self._delivered) > KNOWN_MAX:
            self._delivered.popitem(last=False)


class Admission:
    """For one look: who may have a run, given those that there are."""

    def __init__(
        self,
        runs: Mapping[str, int],
        known: Collection[str] | KnownDomains,
        waits: Callable[[str], bool] = lambda domain: False,
        *,
        most: int,
        each: int,
    ) -> None:
        """`most`: runs of all domains; `each`: of one. Which domain `waits` would only wait for others' servers."""
        self.free = max(0, most - sum(runs.values()))
        self._runs = Counter(runs)
        self._known = known
        self._waits = waits
        self._each = each
        new = sum(count for domain, count in runs.items() if domain not in known)
        self._free_for_new = max(1, int(most * NEW_SHARE)) - new

    def admits(self, domain: str) -> bool:
        """Whether it may have one more."""
        if not self.free or self._runs[domain] >= self._each or self._waits(domain):
            return False
        return self._free_for_new > 0 or domain in self._known

    def took(self, domain: str) -> None:
        """It has one more."""
        self.free -= 1
        self._runs[domain] += 1
        if domain not in self._known:
            self._free_for_new -= 1
