"""The addresses and certificates of a host, and how sure DNS is of them."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from enum import Enum
from itertools import chain, zip_longest
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, gatherResults

from mailbox_d.relay.routes.special_addresses import AddressRules
from mailbox_d.wire.dns.records import TLSA, Answer, IPAddress, LookupFailed, Resolver

T = TypeVar("T")


class Lack(Enum):
    """Why a host cannot be tried."""

    UNKNOWN = "DNS gave no answer"
    NO_ADDRESS = "it has no address"
    REFUSED = "none of its addresses may be sent to"
    OURSELVES = "it is this server"


@dataclass(frozen=True, slots=True)
class Addresses:
    """`found`: those that may be connected to, in the order of trying. `secure`: DNSSEC vouches for all that was said.
    `names`: what the host's name stands for, then the name itself. `lack`: why the host cannot be tried, None where it
    can; `cause`: what went wrong, for the log."""

    found: tuple[IPAddress, ...] = ()
    secure: bool = False
    names: tuple[str, ...] = ()
    lack: Lack | None = None
    cause: str = ""


async def together(*lookups: Coroutine[Any, Any, T]) -> list[T]:
    """All outcomes in order; the lookups, which raise nothing, are out at the same time."""
    outcomes: list[T] = await gatherResults([Deferred.fromCoroutine(lookup) for lookup in lookups])
    return outcomes


class HostLookup:
    """Looks hosts up. `most`: addresses of one; `ipv6`: whether those of IPv6 are asked for."""

    def __init__(self, resolver: Resolver, *, most: int, ipv6: bool) -> None:
        self._resolver = resolver
        self._most = most
        self._ipv6 = ipv6

    async def addresses(self, name: str, rules: AddressRules) -> Addresses:
        """Of both families. One that cannot be looked up is passed over where the other one is there: who stops our
        questions stops no mail by it, and makes nothing less secure."""
        outcomes = await together(*self._lookups(name))
        answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        failures = [outcome for outcome in outcomes if isinstance(outcome, LookupFailed)]
        told = alternating(*(answer.records for answer in answers))
        found = tuple(filter(rules.admits, told))[: self._most]
        return Addresses(
            found,
            secure=bool(answers) and all(answer.secure for answer in answers),
            names=tuple(dict.fromkeys([*(answer.name for answer in answers if answer.name), name])),
            lack=_lack(rules, told, found, failures),
            cause="; ".join(failure.cause for failure in failures),
        )

    async def is_signed_alias(self, name: str) -> bool:
        """Whether DNSSEC vouches that a name stands for another one, be the addresses there signed or not (RFC 7672
        section 2.2.2). Raises `LookupFailed`."""
        answer = await self._resolver.cname(name)
        return bool(answer.records) and answer.secure

    async def certificates(self, names: tuple[str, ...], port: int) -> tuple[str, tuple[TLSA, ...]]:
        """What DNS says of a host's certificate, if DNSSEC vouches for it, and the name that it says it of: the first
        one that has such records (RFC 7672 section 2.2.3). Raises `LookupFailed`."""
        for name in names:
            answer = await self._resolver.tlsa(f"_{port}._tcp.{name}")
            if answer.records and answer.secure:
                return name, answer.records
        return "", ()

    def _lookups(self, name: str) -> list[Coroutine[Any, Any, Answer[Any] | LookupFailed]]:
        lookups: list[Coroutine[Any, Any, Answer[Any]]] = [self._resolver.a(name)]
        if self._ipv6:
            lookups.insert(0, self._resolver.aaaa(name))
        return [outcome(lookup) for lookup in lookups]


async def outcome(lookup: Coroutine[Any, Any, T]) -> T | LookupFailed:
    """What a lookup gives, or why it gives nothing: one for `together`."""
    try:
        return await lookup
    except LookupFailed as failure:
        return failure


def alternating(*families: tuple[IPAddress, ...]) -> tuple[IPAddress, ...]:
    """One of each family in turn: where one leads nowhere, the next address is of the other."""
    return tuple(address for address in chain.from_iterable(zip_longest(*families)) if address is not None)


def _lack(
    rules: AddressRules, told: tuple[IPAddress, ...], found: tuple[IPAddress, ...], failures: list[LookupFailed]
) -> Lack | None:
    if any(map(rules.is_own, told)):
        return Lack.OURSELVES
    if found:
        return None
    if failures:
        return Lack.UNKNOWN
    return Lack.REFUSED if told else Lack.NO_ADDRESS
