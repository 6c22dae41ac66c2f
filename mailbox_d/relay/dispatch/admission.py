"""Which domains may have a run now: so many at a time for each, and a part of all for those that nobody knows yet.

Whoever makes us send mail to many domains of theirs, whose servers only cost time, holds that part and not all: domains
to which mail was delivered lately go on through the rest.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

KNOWN_DOMAINS = "known-domains"
"""The file's name in the state folder; kept by `net/kept_state`, so that after a restart too only others are new."""

KNOWN_MAX = 10_000
KNOWN_FILE_MAX = 4 << 20
_LINE = re.compile(r"\S{1,300}")

NEW_SHARE = 0.6
"""Of all runs, the part that is for domains that are not known."""


class KnownDomains(Collection[str]):
    """Domains to which mail was delivered lately, and always those that are ours, of which it has no list."""

    def __init__(self, is_ours: Callable[[str], bool]) -> None:
        self._is_ours = is_ours
        self._delivered: OrderedDict[str, None] = OrderedDict()
        self.is_new = False
        """Whether mail was delivered since somebody has set it to false."""

    def __contains__(self, domain: object) -> bool:
        return isinstance(domain, str) and (domain in self._delivered or self._is_ours(domain))

    def __iter__(self) -> Iterator[str]:
        """Those to which mail was delivered, the last one at the end, as they are at once: for other threads too."""
        return iter(tuple(self._delivered))

    def __len__(self) -> int:
        return len(self._delivered)

    def delivered(self, domain: str) -> None:
        """Mail was delivered there."""
        self.is_new = True
        self._delivered[domain] = None
        self._delivered.move_to_end(domain)
        if len(self._delivered) > KNOWN_MAX:
            self._delivered.popitem(last=False)

    def forget(self, domain: str) -> None:
        """Its servers took much time, and no mail."""
        self._delivered.pop(domain, None)

    # -- what is kept ----------------------------------------------------------------------------------------------

    def rows(self) -> Sequence[str]:
        """All to which mail was delivered, the last one at the end."""
        return tuple(self._delivered)

    def recall(self, rows: Sequence[str]) -> None:
        """Mail was delivered there once, before all else."""
        for domain in reversed(rows):
            if len(self._delivered) < KNOWN_MAX and domain not in self._delivered:
                self._delivered[domain] = None
                self._delivered.move_to_end(domain, last=False)

    def line(self, row: str, /) -> str:
        return row

    def row(self, line: str, /) -> str | None:
        return line if _LINE.fullmatch(line) else None


class Admission:
    """For one look: who may have a run, given those that there are."""

    def __init__(
        self,
        runs: Mapping[str, int],
        known: Collection[str],
        waits: Callable[[str], bool] = lambda domain: False,
        *,
        most: int,
        each: int,
    ) -> None:
        """`most`: runs of all domains; `each`: of one. Which domain `waits` would only wait for others' servers."""
        self.free = max(0, most - sum(runs.values()))
        self._runs = Counter(runs)
        self.known = known
        self._waits = waits
        self._each = each
        new = sum(count for domain, count in runs.items() if domain not in known)
        self._free_for_new = max(1, int(most * NEW_SHARE)) - new

    @property
    def is_for_known(self) -> bool:
        """Whether only domains that are known may have more."""
        return self.free > 0 and self._free_for_new <= 0

    def admits(self, domain: str) -> bool:
        """Whether it may have one more."""
        if not self.free or self._runs[domain] >= self._each or self._waits(domain):
            return False
        return self._free_for_new > 0 or domain in self.known

    def took(self, domain: str) -> None:
        """It has one more."""
        self.free -= 1
        self._runs[domain] += 1
        if domain not in self.known:
            self._free_for_new -= 1
