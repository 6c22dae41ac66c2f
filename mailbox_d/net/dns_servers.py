"""Which DNS servers are asked, and which of them are believed that they have checked signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from mailbox_d.config.outgoing import DNS_PORT
from mailbox_d.config.scalars import ServerAddress

RESOLV_CONF = Path("/etc/resolv.conf")
MOST_SERVERS = 3
"""As the system's resolver takes them."""

_OF_THIS_MACHINE = "127.0.0.1"
_MOST_TEXT = 64 * 1024


@dataclass(frozen=True, slots=True)
class DnsServer:
    """`is_believed`: what it says of signatures counts (RFC 7672 section 2.1.1: only over a way that nobody is on)."""

    host: str
    port: int = DNS_PORT
    is_believed: bool = False


def dns_servers(
    configured: ServerAddress | None, validates: bool | None, *, resolv_conf: Path = RESOLV_CONF
) -> tuple[DnsServer, ...]:
    """The configured server, or those that the system names, or one on this machine. Blocks: the file is read.

    `validates`: whether they are believed; None: those on this machine.
    """
    found = [configured] if configured else [*_named(_text(resolv_conf))][:MOST_SERVERS]
    return tuple(
        DnsServer(server.host, server.port, _is_local(server.host) if validates is None else validates)
        for server in found or [ServerAddress(_OF_THIS_MACHINE, DNS_PORT)]
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_TEXT).decode("utf-8", "replace")
    except OSError:
        return ""


def _named(text: str) -> Iterator[ServerAddress]:
    """The lines `nameserver ADDRESS` of resolv.conf(5)."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            yield ServerAddress(words[1], DNS_PORT)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return ip_address(host).is_loopback
