"""Servers that are configured to take our mail: what is amiss with them is the operator's to mend, never the mail's
end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from mailbox_d.config.outgoing import Relay
from mailbox_d.errors import StorageFault
from mailbox_d.relay.ports import Host, Login, Route, Undeliverable
from mailbox_d.relay.routes.host_lookup import HostLookup
from mailbox_d.relay.routes.presets import submission_of
from mailbox_d.relay.routes.special_addresses import NamedByOperator
from mailbox_d.wire.dns.records import IPAddress

LOCALHOST = "localhost"
"""A name that DNS is not asked for (RFC 6761 section 6.3)."""

_MOST_PASSWORD = 4096


class Smarthosts:
    """Makes routes of them."""

    def __init__(self, lookup: HostLookup, read_password: Callable[[Path], Awaitable[str]], *, ipv6: bool) -> None:
        self._lookup = lookup
        self._read_password = read_password
        self._ipv6 = ipv6

    async def route(self, relay: Relay, domain: str) -> Route:
        """Raises `Undeliverable`, for now."""
        submission = submission_of(relay)
        host = Host(submission.host, submission.port, await self._addresses(submission.host))
        return Route(
            f"relay {submission.host}:{submission.port} {relay.tls} {relay.username or ''}",
            domain,
            (host,),
            is_relay=True,
            login=await self._login(relay),
            tls=relay.tls,
            implicit_tls=submission.implicit_tls,
        )

    async def _addresses(self, host: str) -> tuple[IPAddress, ...]:
        if host == LOCALHOST:
            return (IPv4Address("127.0.0.1"), IPv6Address("::1"))[: 1 + self._ipv6]
        addresses = await self._lookup.addresses(host, NamedByOperator())
        if addresses.lack is not None:
            cause = addresses.cause or f"{host}: {addresses.lack.value}"
            raise Undeliverable("The server for outgoing mail is not found", "4.4.4", temporary=True, cause=cause)
        return addresses.found

    async def _login(self, relay: Relay) -> Login | None:
        if relay.username is None or relay.password_file is None:
            return None
        try:
            return Login(relay.username, await self._read_password(relay.password_file))
        except StorageFault as fault:
            public = "This server cannot log in to the server for outgoing mail"
            raise Undeliverable(public, "4.3.5", temporary=True, cause=fault.cause or fault.public) from fault


def read_password(path: Path) -> str:
    """The first line of a password's file. Blocks. Raises `StorageFault`."""
    try:
        with path.open("rb") as file:
            text = file.readline(_MOST_PASSWORD).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageFault("A password cannot be read", cause=f"{path}: {error}") from error
    if not text.strip():
        raise StorageFault("A password cannot be read", cause=f"{path}: there is none in it")
    return text.rstrip("\r\n")
