"""From where users have logged in: whoever guesses elsewhere shuts nobody out there."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

FILE_NAME = "acquaintances"
"""In the state folder; kept by `net/kept_state`."""

FILE_MAX = 256 << 20

PER_USER = 20
"""Networks of one user; one who travels has the last of them."""

Pair: TypeAlias = tuple[str, str]
"""A user and a network."""

_LINE = re.compile(r"([0-9a-f.:/]{1,50}) ([^\n]{1,400})")


class Acquaintances:
    """Users, and the networks (`Blocks.narrow`) from which each logged in last.

    Holds up to `most` users with `PER_USER` networks each; of more, those go that were here longest ago.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._networks: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self.is_new = False
        """Whether something came that is not on disk; whoever writes it down says so."""

    def knows(self, user: str, network: str) -> bool:
        """Whether the user has logged in from there."""
        return network in self._networks.get(user, ())

    def networks(self, user: str) -> tuple[str, ...]:
        """From where the user has logged in."""
        return tuple(self._networks.get(user, ()))

    def met(self, user: str, network: str) -> None:
        """The user logged in from there."""
        self.is_new = self.is_new or not self.knows(user, network)
        networks = self._networks.setdefault(user, OrderedDict())
        networks[network] = None
        networks.move_to_end(network)
        self._networks.move_to_end(user)
        if len(networks) > PER_USER:
            networks.popitem(last=False)
        if len(self._networks) > self._most:
            self._networks.popitem(last=False)

    def __iter__(self) -> Iterator[Pair]:
        """A user and a network at a time, those who were here last at the end."""
        return ((user, network) for user, networks in self._networks.items() for network in networks)

    # -- what is kept ----------------------------------------------------------------------------------------------

    def rows(self) -> Sequence[Pair]:
        """All, those who were here last at the end."""
        return tuple(self)

    def recall(self, rows: Sequence[Pair]) -> None:
        """Take what was kept."""
        is_new = self.is_new
        for user, network in rows:
            self.met(user, network)
        self.is_new = is_new

    def line(self, row: Pair, /) -> str:
        user, network = row
        return f"{network} {user}"

    def row(self, line: str, /) -> Pair | None:
        match = _LINE.fullmatch(line)
        return (match[2], match[1]) if match is not None else None
