"""Which servers a message goes to: by the operator's routes, by the one relay for all, or by the domain's own word."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.config.outgoing import Queue, Relay
from mailbox_d.config.outgoing import Route as ConfiguredRoute
from mailbox_d.net.own_addresses import OwnAddresses
from mailbox_d.relay.ports import Host, Route, Undeliverable
from mailbox_d.relay.routes.exchangers import Exchangers
from mailbox_d.relay.routes.host_lookup import HostLookup
from mailbox_d.relay.routes.smarthost import Smarthosts
from mailbox_d.relay.routes.special_addresses import NamedByDns, NamedByOperator
from mailbox_d.wire.dns.records import IPAddress, Resolver

ReadPassword = Callable[[Path], Awaitable[str]]
"""Reads a password's file where nothing waits for it. Raises `StorageFault`."""


class Routing:
    """Finds the servers for a domain.

    `hostname`: our own; `most_hosts`: servers of a domain, and addresses of each; `own`: this machine's addresses.
    """

    def __init__(
        self,
        queue: Queue,
        resolver: Resolver,
        *,
        hostname: str,
        most_hosts: int,
        read_password: ReadPassword,
        own: OwnAddresses,
        chance: random.Random | None = None,
    ) -> None:
        self._queue = queue
        self._own = own
        self._rules = NamedByDns(queue.allowed_addresses, own)
        lookup = HostLookup(resolver, most=most_hosts, ipv6=queue.ipv6)
        self._smarthosts = Smarthosts(lookup, read_password, ipv6=queue.ipv6)
        self._exchangers = Exchangers(
            resolver,
            lookup,
            self._rules,
            hostname=hostname,
            port=queue.port,
            most=most_hosts,
            dane=queue.dane,
            chance=chance or random.SystemRandom(),
        )

    async def route(self, domain: str, sender: EmailAddress | None) -> Route:
        """The servers for mail of a sender (None: the null reverse-path) to a domain, as `canonical_domain` writes it.
        Raises `Undeliverable`: for good only where it is certain that no server will ever be there."""
        relay = self._relay(domain, sender)
        if relay is not None:
            return await self._smarthosts.route(relay, domain)
        await self._own.renew()
        if domain.startswith("["):
            return self._literal(domain)
        return await self._exchangers.route(domain)

    def is_allowed(self, address: IPAddress, *, is_relay: bool = False) -> bool:
        """Whether it may be connected to: asked again when a connection is made. `is_relay`: of a configured host."""
        return NamedByOperator().admits(address) if is_relay else self._rules.admits(address)

    def _relay(self, domain: str, sender: EmailAddress | None) -> Relay | None:
        for route in self._queue.routes:
            if _fits(route, domain, sender):
                return route.relay
        return self._queue.relay

    def _literal(self, domain: str) -> Route:
        """An address instead of a name (RFC 5321 section 4.1.3)."""
        address = literal_address(domain)
        if address is None:
            raise Undeliverable(f"{domain} is no address", "5.1.2", temporary=False)
        if not self._rules.admits(address):
            raise Undeliverable(f"No mail is sent to the address {domain}", "5.4.4", temporary=False)
        return Route(f"mx {domain}", domain, (Host(str(address), self._queue.port, (address,)),))


def literal_address(domain: str) -> IPAddress | None:
    """The address of `[192.0.2.1]` or `[ipv6:2001:db8::1]`; None for any other text."""
    text = domain.removeprefix("[").removesuffix("]")
    try:
        return IPv6Address(text[5:]) if text.startswith("ipv6:") else IPv4Address(text)
    except ValueError:
        return None


def _fits(route: ConfiguredRoute, domain: str, sender: EmailAddress | None) -> bool:
    return _fits_domain(route, domain) and _fits_sender(route, sender)


def _fits_domain(route: ConfiguredRoute, domain: str) -> bool:
    return not route.domains or any(
        domain.endswith(wanted) if wanted.startswith(".") else domain == wanted for wanted in route.domains
    )


def _fits_sender(route: ConfiguredRoute, sender: EmailAddress | None) -> bool:
    if not route.senders or sender is None:
        return not route.senders
    return any(
        sender.domain == wanted[1:] if wanted.startswith("@") else sender == EmailAddress.parse(wanted)
        for wanted in route.senders
    )
