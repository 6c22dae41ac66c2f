"""The servers that DNS names for a domain (RFC 5321 section 5.1), with their certificates (RFC 7672 section 2)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mailbox_d.relay.ports import Host, Route, Undeliverable
from mailbox_d.relay.routes.host_lookup import Addresses, HostLookup, Lack, together
from mailbox_d.relay.routes.special_addresses import AddressRules
from mailbox_d.wire.dns.records import MX, TLSA, Answer, LookupFailed, Resolver

MOST_ROUNDS = 4
"""How often further hosts of a domain are looked up, as long as none can be tried."""


@dataclass(frozen=True, slots=True)
class Found:
    """A host that was looked up: `host` where it can be tried, else why it cannot (`lack`); `cause` is for the log."""

    mx: MX
    host: Host | None = None
    lack: Lack | None = None
    cause: str = ""


class Exchangers:
    """Finds mail exchangers. `hostname`: our own; `port`: where they listen; `most`: hosts that are looked up; `dane`:
    whether their certificates are asked for; `chance`: orders hosts of equal preference."""

    def __init__(
        self,
        resolver: Resolver,
        lookup: HostLookup,
        rules: AddressRules,
        *,
        hostname: str,
        port: int,
        most: int,
        dane: bool,
        chance: random.Random,
    ) -> None:
        self._resolver = resolver
        self._lookup = lookup
        self._rules = rules
        self._hostname = hostname
        self._port = port
        self._most = most
        self._dane = dane
        self._chance = chance

    async def route(self, domain: str) -> Route:
        """Raises `Undeliverable`, for good only where DNS is sure."""
        try:
            answer = await self._resolver.mx(domain)
        except LookupFailed as failure:
            raise _unknown(domain, failure.cause) from failure
        if not answer.exists:
            raise Undeliverable(f"There is no domain {domain}", "5.1.2", temporary=False)
        wanted = self._before_us(domain, self._in_order(domain, answer))
        found: list[Found] = []
        for start in range(0, self._most * MOST_ROUNDS, self._most):
            some = wanted[start : start + self._most]
            found += await together(*(self._find(mx, answer.secure) for mx in some))
            if hosts := tuple(each.host for each in _before_ourselves(found) if each.host is not None):
                return Route(f"mx {domain}", domain, hosts, secure=answer.secure)
        raise _nobody(domain, found, left=len(wanted) - len(found), is_implicit=not answer.records)

    def _in_order(self, domain: str, answer: Answer[MX]) -> list[MX]:
        """Each host once, the most preferred first; the domain itself where it names none."""
        if not answer.records:
            return [MX(0, domain)]
        hosts: dict[str, MX] = {}
        for mx in sorted(answer.records, key=lambda mx: (mx.preference, self._chance.random())):
            hosts.setdefault(mx.host, mx)
        if not hosts.keys() - {""}:
            raise Undeliverable(f"The domain {domain} takes no mail", "5.1.10", temporary=False)  # RFC 7505
        return [mx for mx in hosts.values() if mx.host]

    def _before_us(self, domain: str, hosts: list[MX]) -> list[MX]:
        """Those that are preferred to this server: from the others mail would come back here."""
        ours = min((mx.preference for mx in hosts if mx.host == self._hostname), default=None)
        before = [mx for mx in hosts if ours is None or mx.preference < ours]
        if not before:
            raise _ourselves(domain)
        return before

    async def _find(self, mx: MX, is_secure: bool) -> Found:
        addresses = await self._lookup.addresses(mx.host, self._rules)
        if addresses.lack is not None:
            return Found(mx, lack=addresses.lack, cause=addresses.cause)
        try:
            names = await self._signed_names(mx.host, addresses) if is_secure else ()
            tlsa_name, tlsa = await self._certificates(names)
        except LookupFailed as failure:
            return Found(mx, lack=Lack.UNKNOWN, cause=failure.cause)  # nobody knows how it must be secured
        return Found(mx, Host(mx.host, self._port, addresses.found, tlsa, bool(names), tlsa_name))

    async def _signed_names(self, host: str, addresses: Addresses) -> tuple[str, ...]:
        """By which names a host's certificates are asked for; none where it is not signed."""
        if addresses.secure:
            return addresses.names
        is_alias = addresses.names != (host,)
        return (host,) if self._dane and is_alias and await self._lookup.is_signed_alias(host) else ()

    async def _certificates(self, names: tuple[str, ...]) -> tuple[str, tuple[TLSA, ...]]:
        return await self._lookup.certificates(names, self._port) if self._dane else ("", ())


def _before_ourselves(found: list[Found]) -> list[Found]:
    """Those that are preferred to one whose address is ours."""
    ours = min((each.mx.preference for each in found if each.lack is Lack.OURSELVES), default=None)
    return [each for each in found if ours is None or each.mx.preference < ours]


def _nobody(domain: str, found: list[Found], *, left: int, is_implicit: bool) -> Undeliverable:
    """Why there is no server to try. `left`: hosts that were not looked up."""
    before = _before_ourselves(found)
    cause = "; ".join(f"{each.mx.host}: {each.cause or each.lack.value}" for each in before if each.lack)
    lacks = {each.lack for each in before}
    if Lack.UNKNOWN in lacks:
        return _unknown(domain, cause)
    if len(before) < len(found):
        return _ourselves(domain)
    if left:
        return _unknown(domain, cause)
    if is_implicit and lacks == {Lack.NO_ADDRESS}:
        return Undeliverable(f"The domain {domain} has no mail server", "5.1.2", temporary=False)
    return Undeliverable(f"No mail server of {domain} can be sent to", "5.4.4", temporary=False, cause=cause)


def _unknown(domain: str, cause: str) -> Undeliverable:
    return Undeliverable(f"DNS does not say now which servers {domain} has", "4.4.3", temporary=True, cause=cause)


def _ourselves(domain: str) -> Undeliverable:
    return Undeliverable(f"Mail for {domain} would come back to this server", "5.4.6", temporary=False)
