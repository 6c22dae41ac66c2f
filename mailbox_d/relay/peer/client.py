"""A session with one server: connected to, greeted, secured as demanded, logged in to, and then sent messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed, UserError
from twisted.internet.protocol import Factory

from mailbox_d.relay.peer.connection import PeerConnection
from mailbox_d.relay.peer.envelope_commands import command
from mailbox_d.relay.peer.failures import (
    STARTTLS_LACKING,
    handshake_failed,
    login_refused,
    malformed,
    not_secured,
    refused,
    unreachable,
)
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.peer.login import log_in
from mailbox_d.relay.peer.obstacles import Obstacle, obstacle
from mailbox_d.relay.peer.sending import Transaction
from mailbox_d.relay.ports import Handed, Host, Login, PeerFailure, Security, Shipment, TlsClient, TlsDemand, TlsState
from mailbox_d.wire.dns.records import IPAddress
from mailbox_d.wire.smtp.extensions import Extensions, read_extensions


@dataclass(frozen=True, slots=True)
class Client:
    """What all sessions share. `name`: how we call ourselves (EHLO); `reactor`: `IReactorTCP` and `IReactorTime`;
    `is_allowed`: whether an address may be connected to at all, asked for each connection just before it is made."""

    name: str
    limits: RelayLimits
    tls: TlsClient
    reactor: Any
    is_allowed: Callable[[IPAddress], bool]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a session leads, and how it must be. `without_tls`: STARTTLS is not said though the server offers it, since
    it came to nothing before; the demand must allow that."""

    host: Host
    address: IPAddress
    demand: TlsDemand
    login: Login | None = None
    implicit_tls: bool = False
    without_tls: bool = False


class PeerSession:
    """One session: `open` once, `send` as often as `is_usable`, then `close`.

    Whatever raises, a cancellation too, leaves no connection behind. `extensions` and `tls` hold from `open` on, also
    where it fails as far as it came. `when_gone` is called once when a connection that was made is gone.
    """

    def __init__(self, client: Client, destination: Destination) -> None:
        self.destination = destination
        self.extensions = Extensions()
        self.tls = TlsState()
        self.when_gone: Callable[[], None] | None = None
        self._client = client
        self._connection: PeerConnection | None = None
        self._leaves_rest = False
        self._has_sent = False
        """A message was sent, or tried to: what is said before the next one has its own time."""

    @property
    def is_usable(self) -> bool:
        """Whether a message can be sent: the server is still there, and said nothing unasked."""
        return self._connection is not None and self._connection.is_usable

    async def open(self) -> None:
        """Connect, up to where mail can be sent. Raises `PeerFailure`."""
        try:
            connection = self._connection = await self._connect()
            await self._begin(connection)
            connection.rest()
        except PeerFailure:
            await self.close()
            raise
        except BaseException:
            self.abort()
            raise

    async def send(self, shipment: Shipment) -> tuple[Handed, ...]:
        """Send a message; what the server said to each recipient, in order, to MAIL or DATA where that was refused.

        Raises `PeerFailure`: for a message that the server cannot take (see `obstacles`), which leaves the session as
        it was; else the session is over, and nobody has the message but where `may_have_it` says so.
        """
        assert self._connection is not None
        if (why := obstacle(self.extensions, shipment)) is not None:
            raise _impassable(why)
        connection = self._connection
        connection.busy = True
        if self._has_sent:
            connection.allow(connection.limits.conversation)
        self._has_sent = True
        try:
            transaction = Transaction(connection, self.extensions, shipment)
            handed = await transaction.run(after_another=self._leaves_rest)
        except BaseException:
            self.abort()
            raise
        self._leaves_rest = transaction.leaves_rest
        connection.rest()
        return handed

    async def close(self) -> None:
        """Take leave (QUIT), bounded in time. Raises nothing of the server's."""
        if (connection := self._connection) is None:
            return
        connection.busy = True
        try:
            if connection.is_usable:
                await connection.ask(command("QUIT"), connection.stage, self._client.limits.farewell)
            await connection.end()
        except PeerFailure:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """End at once."""
        if self._connection is not None:
            self._connection.abort()

    # -- opening ------------------------------------------------------------------------------------------------

    async def _connect(self) -> PeerConnection:
        destination, client = self.destination, self._client
        address = destination.address
        if not client.is_allowed(address):
            raise unreachable(f"{address} is no address that mail may be sent to")
        endpoint_of = TCP6ClientEndpoint if isinstance(address, IPv6Address) else TCP4ClientEndpoint
        endpoint = endpoint_of(client.reactor, str(address), destination.host.port, timeout=client.limits.connect)
        try:
            connection = await endpoint.connect(Factory.forProtocol(self._new_connection))  # type: ignore[arg-type]
        except (ConnectError, ConnectionClosed, UserError, OSError) as error:
            raise unreachable(f"{address} port {destination.host.port}: {error}") from error
        assert isinstance(connection, PeerConnection)
        return connection

    def _new_connection(self) -> PeerConnection:
        connection = PeerConnection(self._client.name, self._client.limits, self._client.reactor)
        connection.when_gone = self._gone
        return connection

    def _gone(self) -> None:
        if self.when_gone is not None:
            self.when_gone()

    async def _begin(self, connection: PeerConnection) -> None:
        if self.destination.implicit_tls:
            await self._secure(connection)
        greeting = await connection.reply("greeting", self._client.limits.greeting)
        if greeting.code != 220:
            raise refused("greeting", greeting)
        await self._hello(connection)
        if not self.destination.implicit_tls:
            await self._start_tls(connection)
        self._check_demand()
        if self.destination.login is not None:
            await self._log_in(connection, self.destination.login)

    async def _hello(self, connection: PeerConnection) -> None:
        """EHLO, or HELO for a server that does not know it (RFC 5321 section 3.2)."""
        self.extensions = Extensions()
        reply = await connection.ask(command(f"EHLO {self._client.name}"), "hello")
        if reply.code // 100 == 2:
            self.extensions = read_extensions(reply)
            return
        if reply.code // 100 == 5:
            reply = await connection.ask(command(f"HELO {self._client.name}"), "hello")
        if reply.code // 100 != 2:
            raise refused("hello", reply)

    async def _start_tls(self, connection: PeerConnection) -> None:
        """STARTTLS, if it is offered; what the server told before is forgotten (RFC 3207 section 4.2)."""
        if "STARTTLS" not in self.extensions:
            self.tls = TlsState(problem="the server does not offer TLS", failure=STARTTLS_LACKING)
            return
        if self.destination.without_tls:
            self.tls = TlsState(problem="TLS came to nothing before")
            return
        reply = await connection.ask(command("STARTTLS"), "tls")
        if reply.code != 220:
            if reply.code < 400:
                raise malformed("tls", f"it replied {reply.code} {reply.text}")
            self.tls = TlsState(problem=f"the server refused TLS: {reply.code} {reply.text}", failure=STARTTLS_LACKING)
            return
        await self._secure(connection)
        await self._hello(connection)

    async def _secure(self, connection: PeerConnection) -> None:
        demand = self.destination.demand
        handshake = self._client.tls.handshake(self.destination.host, demand)
        try:
            secured = await connection.start_tls(handshake.creator())
        except PeerFailure as failure:
            may_be_plain = demand.least is Security.PLAIN and not self.destination.implicit_tls
            raise handshake_failed(failure, may_be_plain=may_be_plain) from failure
        self.tls = handshake.state(secured)

    def _check_demand(self) -> None:
        """Before anything of a message is said: the connection is as it must be."""
        demand = self.destination.demand
        if self.tls.security < demand.least:
            raise not_secured(self.tls, demand)
        if demand.needs_requiretls and "REQUIRETLS" not in self.extensions:
            raise _impassable(Obstacle.NO_REQUIRETLS)

    async def _log_in(self, connection: PeerConnection, login: Login) -> None:
        if self.tls.security is Security.PLAIN:
            raise login_refused("a login is configured, but there is no TLS to protect the password")
        await log_in(connection, self.extensions, login)


def _impassable(why: Obstacle) -> PeerFailure:
    return PeerFailure(why.public, why.status, stage="mail", temporary=False)
