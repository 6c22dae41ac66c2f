"""Whether a login may be tried now: for its user and from its network, over all protocols and connections together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mailbox_d.address import EmailAddress
from mailbox_d.auth.guessing.acquaintances import LOCAL, Acquaintances
from mailbox_d.auth.guessing.blocks import blocks_of
from mailbox_d.auth.guessing.counts import Counts, Waits
from mailbox_d.errors import AddressError

_LONGEST = 1000
"""Characters of a user name that are looked at; no address has as many."""

_AT_ONCE = 50
"""Logins of one user under way at once; who has more waiting for an answer guesses."""

_Name: TypeAlias = tuple[Counts, str]


class Kind(Enum):
    """What failures are counted for."""

    ADDRESS = "address"
    NETWORK = "network"
    USER = "user"
    ACQUAINTED = "user from a known address"


@dataclass(frozen=True, slots=True)
class GuessLimits:
    """Failures that cost nothing, and how it goes on from there (`Waits`). `remembered`: networks, users and users'
    own networks, of each kind so many; `acquaintances`: users whose networks are kept."""

    per_address: int = 20
    per_network: int = 100
    per_user: int = 10
    first_wait: float = 2.0
    longest_wait: float = 15.0
    half_life: float = 900.0
    remembered: int = 100_000
    acquaintances: int = 10_000

    def waits(self, free: int) -> Waits:
        """The waits of one kind."""
        return Waits(free, self.first_wait, self.longest_wait, self.half_life)


DEFAULT_LIMITS = GuessLimits()


class Guesses:
    """Counts failed logins for the client's address, the network around it, and the user.

    From where a user has logged in before (`Acquaintances`), only a count of its own for the two together is looked at:
    nobody else's guesses shut them out there. What comes from an exempt address (`is_exempt`) is the user's alone.
    `clock` gives seconds, never backwards.
    """

    def __init__(
        self,
        limits: GuessLimits = DEFAULT_LIMITS,
        acquaintances: Acquaintances | None = None,
        clock: Callable[[], float] = time.monotonic,
        is_exempt: Callable[[str], bool] = lambda host: False,
    ) -> None:
        self._acquaintances = acquaintances if acquaintances is not None else Acquaintances(limits.acquaintances)
        self.is_exempt = is_exempt
        """Whether an address counts for no network."""
        self._addresses = Counts(clock, limits.waits(limits.per_address), limits.remembered)
        self._networks = Counts(clock, limits.waits(limits.per_network), limits.remembered)
        per_user = limits.waits(limits.per_user)
        self._users = Counts(clock, per_user, limits.remembered, at_once=_AT_ONCE)
        self._acquainted = Counts(clock, per_user, limits.remembered, at_once=_AT_ONCE)

    def attempt(self, user: str, host: str) -> Attempt:
        """A login of `user`, as the client wrote it (empty where it did not say), from `host`."""
        name, blocks = _folded(user), blocks_of(host)
        address: list[_Name] = []
        network: list[_Name] = []
        if blocks is not None and not self.is_exempt(host):
            address, network = [(self._addresses, blocks.narrow)], [(self._networks, blocks.wide)]
        place = blocks.narrow if blocks is not None else LOCAL
        if name and self._acquaintances.knows(name, place):
            own = (self._acquainted, f"{place} {name}")
            return Attempt(held=(own,), counted=(own, *address), forgiven=(own,))
        names = (*address, *network, *([(self._users, name)] if name else []))
        return Attempt(held=names, counted=names)

    def counts(self) -> Mapping[Kind, Counts]:
        """All that is counted."""
        kinds = Kind.ADDRESS, Kind.NETWORK, Kind.USER, Kind.ACQUAINTED
        return dict(zip(kinds, (self._addresses, self._networks, self._users, self._acquainted), strict=True))

    def names_of(self, whom: str) -> tuple[tuple[Kind, str], ...]:
        """Under what a user, or a client's address, is counted; nothing where the text is neither."""
        blocks = blocks_of(whom)
        if blocks is not None:
            return (Kind.ADDRESS, blocks.narrow), (Kind.NETWORK, blocks.wide)
        name = _folded(whom)
        own = [(Kind.ACQUAINTED, f"{network} {name}") for network in self._acquaintances.networks(name)]
        return ((Kind.USER, name), *own) if name else ()

    def succeeded(self, user: str, host: str) -> None:
        """A user logged in: from there they are known from now on."""
        name, blocks = _folded(user), blocks_of(host)
        if name:
            self._acquaintances.met(name, blocks.narrow if blocks is not None else LOCAL)


@dataclass(slots=True)
class Attempt:
    """What one login counts for."""

    held: tuple[_Name, ...]
    """To whose waits it is held."""
    counted: tuple[_Name, ...]
    """Whose failure it is."""
    forgiven: tuple[_Name, ...] = ()
    """Of whose failures one is taken back where it succeeds."""
    _is_under_way: bool = False

    @property
    def is_too_early(self) -> bool:
        """Whether it comes before its time, and is to be refused without being looked at."""
        waiting = [counts.must_wait(name) for counts, name in self.held]
        return any(waiting)

    @property
    def is_one_too_many(self) -> bool:
        """Whether there is no room for it among those that are under way."""
        return any(counts.is_full(name) for counts, name in self.held)

    def begin(self) -> bool:
        """Whether it may be tried now; if so it is under way, until `end`."""
        if self.is_too_early or self.is_one_too_many or self._in_its_way() is not None:
            return False
        self._is_under_way = True
        for counts, name in self.held:
            counts.begin(name)
        return True

    def when_over(self, call: Callable[[], None]) -> None:
        """Call back once it is known what came of the try that is in the way of this one."""
        in_its_way = self._in_its_way()
        if in_its_way is None:
            call()
        else:
            counts, name = in_its_way
            counts.when_over(name, call)

    def fail(self) -> None:
        """It was tried, and failed."""
        for counts, name in self.counted:
            counts.fail(name)

    def succeed(self) -> None:
        """It was tried, and the password was right: it is over. A program with an old password beside those that know
        the new one shuts nobody out."""
        for counts, name in self.forgiven:
            counts.forgive(name)
        self.end()

    def end(self) -> None:
        """It is over, whatever came of it; also where it was over before."""
        if not self._is_under_way:
            return
        self._is_under_way = False
        for counts, name in self.held:
            counts.end(name)

    def _in_its_way(self) -> _Name | None:
        return next(((counts, name) for counts, name in self.held if counts.is_busy(name)), None)


def _folded(user: str) -> str:
    """The address in the one form that all its ways of writing have; empty for what is nobody's."""
    try:
        address = EmailAddress.parse(user) if len(user) <= _LONGEST else None
    except (AddressError, UnicodeError):
        return ""
    return "" if address is None else address.folded
