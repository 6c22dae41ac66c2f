"""Addresses that no mail host of the Internet has, whatever DNS says: this machine, this network, and what leads there.

Whoever owns a domain can name any address in it. Without these bounds they could have this server speak to what only it
can reach. The lists are of IANA's special-purpose registries (RFC 6890), where they are not globally reachable.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Protocol

from mailbox_d.config.scalars import IPNetwork
from mailbox_d.wire.dns.records import IPAddress

_SPECIAL_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host and network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by a provider's customers
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and what clouds tell their machines
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocols
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays, given up
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)

_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All that has been given to anybody; whatever lies outside is loopback, private, link-local, multicast or reserved."""

_SPECIAL_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
        ),
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


def is_special(address: IPAddress) -> bool:
    """Whether no mail host of the Internet can be there."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _SPECIAL_IPV4)
    if (embedded := _embedded(address)) is not None:
        return is_special(embedded)
    return address not in _GLOBAL_IPV6 or any(address in network for network in _SPECIAL_IPV6)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets for this one are sent on to (RFC 6052 section 2.1, RFC 3056 section 2). What is
    mapped into IPv6 (`::ffff:192.0.2.1`) stands for nothing in DNS, and is special as a whole."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return None


class AddressRules(Protocol):
    """Which addresses may be connected to."""

    def admits(self, address: IPAddress) -> bool:
        """Whether this one may."""

    def is_own(self, address: IPAddress) -> bool:
        """Whether mail for it would come back here."""


@dataclass(frozen=True, slots=True)
class NamedByDns(AddressRules):
    """For hosts that DNS names. `allowed`: networks that the operator allows, special or not. `own`: this machine's
    addresses."""

    allowed: tuple[IPNetwork, ...] = ()
    own: Container[IPAddress] = ()

    def admits(self, address: IPAddress) -> bool:
        return self._is_allowed(address) or not (self._leads_here(address) or is_special(address))

    def is_own(self, address: IPAddress) -> bool:
        return self._leads_here(address) and not self._is_allowed(address)

    def _leads_here(self, address: IPAddress) -> bool:
        """Whether an address is our own, or stands for one that is."""
        embedded = _embedded(address) if isinstance(address, IPv6Address) else None
        return address in self.own or (embedded is not None and embedded in self.own)

    def _is_allowed(self, address: IPAddress) -> bool:
        return any(address in network for network in self.allowed)


@dataclass(frozen=True, slots=True)
class NamedByOperator(AddressRules):
    """For hosts that are configured: they may well be on this machine."""

    def admits(self, address: IPAddress) -> bool:
        return not (address.is_unspecified or address.is_multicast)

    def is_own(self, address: IPAddress) -> bool:
        return False
