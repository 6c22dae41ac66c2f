"""DNS records and answers as values, and the one interface by which everything that needs DNS asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Generic, Protocol, TypeAlias, TypeVar

from mailbox_d.errors import TemporaryError

R = TypeVar("R")

IPAddress: TypeAlias = IPv4Address | IPv6Address


class LookupFailed(TemporaryError):
    """No server gave an answer that can be used: refused, SERVFAIL, timeout, nonsense. Never "no such name"."""


@dataclass(frozen=True, slots=True)
class MX:
    """A mail exchanger (RFC 5321 section 5). `host` is in lower case without its last dot; empty for `.`: RFC 7505."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class SRV:
    """A service's place (RFC 2782); `host` is empty for `.`."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class TLSA:
    """What a server's certificate is to be (RFC 6698)."""

    usage: int
    selector: int
    matching: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """What DNS says of a name: no records where it has none of this type, or (`exists` is false) where there is no
    such name. `secure`: the server says that it has checked the signatures, and is believed (DNSSEC). `name`: what the
    name stands for, its CNAMEs followed."""

    records: tuple[R, ...] = ()
    exists: bool = True
    secure: bool = False
    name: str = ""


class Resolver(Protocol):
    """Looks names up. Names are A-labels without a last dot. Every method may raise `LookupFailed`."""

    async def mx(self, name: str) -> Answer[MX]:
        """As DNS gives them, in no order."""

    async def a(self, name: str) -> Answer[IPv4Address]:
        """A host's IPv4 addresses."""

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        """A host's IPv6 addresses."""

    async def txt(self, name: str) -> Answer[bytes]:
        """Texts, the strings of each put together."""

    async def tlsa(self, name: str) -> Answer[TLSA]:
        """What `_25._tcp.host` says of the host's certificate."""

    async def srv(self, name: str) -> Answer[SRV]:
        """Places of a service."""

    async def cname(self, name: str) -> Answer[str]:
        """What the name itself is another name for, not followed."""

    async def ptr(self, address: IPAddress) -> Answer[str]:
        """The names of an address."""
