"""Who is in: each session of a user, how they came, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailbox_d.auth.realm import LoggedIn, Service


@dataclass(frozen=True, slots=True, eq=False)
class Stay:
    """One session of a user who was let in: how they came, to which service and from which address, and what ends it
    as soon as no command runs."""

    logged_in: LoggedIn
    service: Service
    peer: str
    end: Callable[[], None]


class Admissions:
    """All stays, by their users' domains; one for all services."""

    def __init__(self) -> None:
        self._stays: dict[str, dict[Stay, None]] = {}
        self._doubtful: set[str] = set()
        self.rounds = 0
        """How many times somebody began to look again at all who are in."""

    def __len__(self) -> int:
        return sum(map(len, self._stays.values()))

    def __contains__(self, stay: Stay) -> bool:
        return stay in self._stays.get(stay.logged_in.user.address.domain, ())

    def came(self, stay: Stay, rounds: int) -> None:
        """A user came in. `rounds`: how many there had been when their proof began to be looked at; a round that began
        since may have missed what it is about."""
        domain = stay.logged_in.user.address.domain
        self._stays.setdefault(domain, {})[stay] = None
        if rounds != self.rounds:
            self._doubtful.add(domain)

    def left(self, stay: Stay) -> None:
        """The session is over, or is about to be. Harmless when called twice."""
        domain = stay.logged_in.user.address.domain
        if (stays := self._stays.get(domain)) is not None:
            stays.pop(stay, None)
            if not stays:
                del self._stays[domain]

    def is_anybody(self, domains: Iterable[str]) -> bool:
        """Whether a user of one of these domains is in."""
        return not self._stays.keys().isdisjoint(domains)

    def are_doubtful(self, domains: Iterable[str]) -> bool:
        """Whether somebody came into one of these domains whom a round may have missed."""
        return not self._doubtful.isdisjoint(domains)

    def begin_round(self, domains: Iterable[str]) -> list[Stay]:
        """Who is in now, of these domains' users, each of whom is going to be looked at."""
        self.rounds += 1
        domains = tuple(domains)
        self._doubtful.difference_update(domains)
        return [stay for domain in domains for stay in self._stays.get(domain, ())]
