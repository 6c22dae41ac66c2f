"""The networks that a client's address counts for: guesses come from many addresses of one owner."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NARROW = {4: 32, 6: 64}
"""A single host: one of IPv6 has all of a /64."""

_WIDE = {4: 24, 6: 48}
"""What a provider gives to one customer, or a little more."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The networks of one address, as `192.0.2.1/32` and `192.0.2.0/24`."""

    narrow: str
    wide: str


def blocks_of(host: str) -> Blocks | None:
    """The blocks of an IP address; None for a peer that has none, as on a unix socket."""
    address = address_of(host)
    if address is None:
        return None
    plain = str(address).partition("%")[0]  # a zone, as of link-local addresses, is no part of a network
    version = address.version
    return Blocks(
        str(ip_network(f"{plain}/{_NARROW[version]}", strict=False)),
        str(ip_network(f"{plain}/{_WIDE[version]}", strict=False)),
    )


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """An IP address, one of IPv4 as such even where the socket speaks IPv6; None for any other text."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
