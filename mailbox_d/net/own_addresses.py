"""The addresses of this machine, as the kernel has them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_LOCAL_4 = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")
_LINE_6 = re.compile(r"^([0-9a-f]{32}) ", re.MULTILINE)


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
