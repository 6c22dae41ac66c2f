"""The addresses of this machine, as the kernel has them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

READ_AGAIN = 60.0
"""Seconds after which the addresses may be others."""

_LOCAL_4 = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")
_LINE_6 = re.compile(r"^([0-9a-f]{32}) ", re.MULTILINE)


class OwnAddresses:
    """The addresses of this machine, as they were when they were read last: at first when this is made.

    `run`: that of a lane, for tables may be long where there are many routes; `clock`: monotonic seconds.
    """

    def __init__(
        self,
        run: Callable[..., Awaitable[Any]],
        clock: Callable[[], float],
        read: Callable[[], frozenset[IPv4Address | IPv6Address]] | None = None,
    ) -> None:
        self._run = run
        self._clock = clock
        self._read = read or own_addresses
        self._known = self._read()
        self._read_at = clock()

    def __contains__(self, address: object) -> bool:
        return address in self._known

    async def renew(self) -> None:
        """Read them again, unless that was done within a minute."""
        if self._clock() - self._read_at >= READ_AGAIN:
            self._known = await self._run(self._read)
            self._read_at = self._clock()


def own_addresses(proc: Path = Path("/proc/net")) -> frozenset[IPv4Address | IPv6Address]:
    """Those of all interfaces at this moment; where the kernel does not tell, none."""
    fours = {IPv4Address(text) for text in _LOCAL_4.findall(_text(proc / "fib_trie"))}
    sixes = {IPv6Address(int(text, 16)) for text in _LINE_6.findall(_text(proc / "if_inet6"))}
    return frozenset(fours | sixes)


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
