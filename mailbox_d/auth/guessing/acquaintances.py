"""From where users have logged in: whoever guesses elsewhere shuts nobody out there."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import TypeAlias

FILE_NAME = "acquaintances"
"""In the state folder; kept by `net/kept_state`."""

FILE_MAX = 256 << 20

PER_USER = 20
"""Networks of one user; one who travels has the last of them."""

LOCAL = "local"
"""The network of those who come by a unix socket."""

Places: TypeAlias = tuple[str, tuple[str, ...]]
"""A user and networks, the last one at the end."""

_NETWORK = rf"(?:{LOCAL}|[0-9a-f.:/]{{1,50}})"
_LINE = re.compile(rf"({_NETWORK}(?:,{_NETWORK}){{0,{PER_USER - 1}}}) ([^\n]{{1,400}})")


class Acquaintances:
    """Users, and the networks (`Blocks.narrow`, `LOCAL`) from which each logged in last.

    Holds up to `most` users with `PER_USER` networks each; of more, those go that were here longest ago.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._networks: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._since: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """Who was here since `rows` was asked for, and from where: what is written costs the reactor nothing."""
        self._handed_over: deque[OrderedDict[str, tuple[str, ...]]] = deque()
        self._written: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """All, as it is written; the lane's own."""
        self.is_new = False
        """Whether something came that is not on disk; whoever writes it down says so."""

    def knows(self, user: str, network: str) -> bool:
        """Whether the user has logged in from there."""
        return network in self._networks.get(user, ())

    def networks(self, user: str) -> tuple[str, ...]:
        """From where the user has logged in."""
        return self._networks.get(user, ())

    def met(self, user: str, network: str) -> None:
        """The user logged in from there."""
        networks = self._networks.get(user, ())
        self.is_new = self.is_new or network not in networks
        others = tuple(each for each in networks if each != network)
        for known in (self._networks, self._since):
            _put(known, user, (*others, network)[-PER_USER:], self._most)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """A user and a network at a time, those who were here last at the end."""
        return ((user, network) for user, networks in self._networks.items() for network in networks)

    # -- what is kept ----------------------------------------------------------------------------------------------

    def rows(self) -> Iterator[Places]:
        """All, those who were here last at the end; to be gone through in the lane."""
        since, self._since = self._since, OrderedDict()
        self._handed_over.append(since)
        return self._rows()

    def _rows(self) -> Iterator[Places]:
        while self._handed_over:
            for user, networks in self._handed_over.popleft().items():
                _put(self._written, user, networks, self._most)
        yield from self._written.items()

    def recall(self, rows: Sequence[Places]) -> None:
        """Take what was kept, as it was before anybody who was here since."""
        for user, earlier in reversed(rows):
            networks = self._networks.get(user)
            if networks is None and len(self._networks) >= self._most:
                continue
            others = tuple(each for each in earlier if each not in (networks or ()))
            for known in (self._networks, self._since):
                known[user] = (*others, *(networks or ()))[-PER_USER:]
                if networks is None:
                    known.move_to_end(user, last=False)

    def line(self, row: Places, /) -> str:
        user, networks = row
        return f"{','.join(networks)} {user}"

    def row(self, line: str, /) -> Places | None:
        match = _LINE.fullmatch(line)
        return (match[2], tuple(match[1].split(","))) if match is not None else None


def _put(known: OrderedDict[str, tuple[str, ...]], user: str, networks: tuple[str, ...], most: int) -> None:
    known[user] = networks
    known.move_to_end(user)
    if len(known) > most:
        known.popitem(last=False)
