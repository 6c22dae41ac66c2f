"""How many connections may be open: in all, from one address, for one user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from mailbox_d.address import fold
from mailbox_d.auth.guessing.blocks import address_of, blocks_of
from mailbox_d.policy.transaction import LOCAL_PEER

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class GrowingDelay:
    """A wait that doubles with each offence: `first` seconds at the first one, never over `most`."""

    first: float = 0.0
    most: float = 15.0

    def at(self, offence: int) -> float:
        """Seconds to wait at the offence of this number, counted from 1."""
        return min(self.first * 2.0 ** min(offence - 1, 16), self.most)


class ConnectionLimits:
    """Counts open connections. What is admitted must be released, once. Zero means that there is no limit.

    Memory is bounded by the connections that are open: an address without any is not remembered.
    """

    def __init__(self, *, total: int, per_address: int, exempt: Collection[Network] = ()) -> None:
        self._total = total
        self._per_address = per_address
        self._exempt = tuple(exempt)
        self._open: Counter[str] = Counter()
        self._open_in_all = 0

    def admit(self, host: str) -> bool:
        """Whether one more connection from `host` (an address, or any other name for a local peer) may be served."""
        block = address_block(host)
        if self._total and self._open_in_all >= self._total:
            return False
        if self._per_address and self._open[block] >= self._per_address and not self.is_exempt(host):
            return False
        self._open[block] += 1
        self._open_in_all += 1
        return True

    def release(self, host: str) -> None:
        """A connection that was admitted has ended."""
        block = address_block(host)
        self._open_in_all -= 1
        self._open[block] -= 1
        if not self._open[block]:
            del self._open[block]

    def is_exempt(self, host: str) -> bool:
        """Whether `host` is one of the addresses and networks that no limit on connections and rates applies to."""
        address = address_of(host)
        return address is None or any(address in network for network in self._exempt)


class UserSessions:
    """Counts open sessions by user. Zero means that there is no limit."""

    def __init__(self, per_user: int) -> None:
        self._per_user = per_user
        self._open: Counter[str] = Counter()

    def admit(self, user: str) -> bool:
        """Whether this user may have one more session."""
        if self._per_user and self._open[user] >= self._per_user:
            return False
        self._open[user] += 1
        return True

    def count(self, user: str) -> int:
        """How many sessions of this user are open, however the address was written."""
        return sum(count for name, count in self._open.items() if fold(name) == fold(user))

    def release(self, user: str) -> None:
        """A session that was admitted has ended."""
        self._open[user] -= 1
        if not self._open[user]:
            del self._open[user]


def host_of(address: object) -> str:
    """A peer's IP address as text, one of IPv4 as such even where the socket speaks IPv6; `local` on a unix socket."""
    host = str(getattr(address, "host", LOCAL_PEER))
    return str(address_of(host) or host)


def address_block(host: str) -> str:
    """What counts as one peer: an IPv4 address, an IPv6 /64; anything else is itself."""
    blocks = blocks_of(host)
    return host if blocks is None else blocks.narrow
