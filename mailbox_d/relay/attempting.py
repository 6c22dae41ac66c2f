"""One attempt to send a message to one domain: server after server, until every recipient has its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Parcel, Recipient
from mailbox_d.relay.connections import Connections, Session
from mailbox_d.relay.outcomes import NOBODY, Tried, outcomes, outcomes_of_failure
from mailbox_d.relay.ports import Content, Host, PeerFailure, Route, Security, Shipment, TlsDemand, Undeliverable
from mailbox_d.relay.unreachable import Unreachable
from mailbox_d.wire.dns.records import IPAddress


class Routing(Protocol):
    """Finds the servers for a domain."""

    async def route(self, domain: str, sender: EmailAddress | None) -> Route:
        """Raises `Undeliverable`."""


class TlsPolicy(Protocol):
    """Says how a connection must be secured."""

    async def demand(self, route: Route, host: Host, parcel: Parcel) -> TlsDemand:
        """Raises `PeerFailure` where this server must not be tried."""

    def note(self, route: Route, host: Host, tried: Tried, failure: str) -> None:
        """Remember how it went. `failure`: a result type of RFC 8460 section 4.3; empty where all was well."""


class Packing(Protocol):
    """Makes of a message what can be sent to one server."""

    async def shipment(
        self, parcel: Parcel, recipients: tuple[Recipient, ...], content: Content, session: Session
    ) -> Shipment:
        """Raises `Undeliverable` where the server cannot take it, whatever is done to it."""


Open = Callable[[Route, Host, IPAddress, TlsDemand], Awaitable[Session]]
"""Opens a session. Raises `PeerFailure`."""


@dataclass(slots=True)
class _Progress:
    """How far an attempt has come: who waits, who has an answer for good, what was said to those who wait."""

    waiting: tuple[Recipient, ...]
    final: list[Attempt] = field(default_factory=list)
    last: list[Attempt] = field(default_factory=list)
    reached: bool = False
    """Whether some server was there to talk to."""
    must_end: bool = False
    """Whether no further server may be tried: the last one may have the message."""
    failure: PeerFailure | None = None

    def took(self, attempts: Sequence[Attempt]) -> None:
        self.final += [attempt for attempt in attempts if attempt.is_final]
        self.last = [attempt for attempt in attempts if not attempt.is_final]
        open_still = {attempt.recipient for attempt in self.last}
        self.waiting = tuple(recipient for recipient in self.waiting if recipient.address in open_still)

    @property
    def attempts(self) -> list[Attempt]:
        return self.final + self.last


class Attempting:
    """Attempts, over shared connections."""

    def __init__(
        self,
        *,
        routing: Routing,
        policy: TlsPolicy,
        packing: Packing,
        open_session: Open,
        connections: Connections,
        unreachable: Unreachable,
        clock: Callable[[], float],
    ) -> None:
        self._routing = routing
        self._policy = policy
        self._packing = packing
        self._open = open_session
        self._connections = connections
        self._unreachable = unreachable
        self._clock = clock

    async def attempt(self, parcel: Parcel, domain: str, content: Content) -> list[Attempt]:
        """What became of each recipient of a parcel, all in one domain."""
        try:
            route = await self._routing.route(domain, parcel.message.envelope.sender)
        except Undeliverable as error:
            return outcomes_of_failure(error, parcel.waiting, NOBODY, self._clock())
        known = self._unreachable.failure(route.key)
        if isinstance(known, PeerFailure):
            return outcomes_of_failure(known, parcel.waiting, NOBODY, self._clock())
        async with self._connections.place(route.key):
            return await self._over(route, parcel, content)

    async def _over(self, route: Route, parcel: Parcel, content: Content) -> list[Attempt]:
        progress = _Progress(parcel.waiting)
        session = None if parcel.message.envelope.require_tls else self._connections.take(route.key)
        if session is not None:
            await self._hand_over(session, route, parcel, content, progress)
        for host, address in _places(route):
            if not progress.waiting or progress.must_end:
                break
            await self._try(route, host, address, parcel, content, progress)
        if progress.reached:
            self._unreachable.reached(route.key)
        elif progress.failure is not None:
            self._unreachable.failed(route.key, progress.failure)
        return progress.attempts

    async def _try(
        self, route: Route, host: Host, address: IPAddress, parcel: Parcel, content: Content, progress: _Progress
    ) -> None:
        """Try one server."""
        tried = Tried(host.name, str(address))
        try:
            demand = await self._policy.demand(route, host, parcel)
            tried = Tried(host.name, str(address), policy=demand.policy)
            session = await self._session(route, host, address, demand)
        except PeerFailure as failure:
            self._policy.note(route, host, tried, failure.failure)
            progress.failure = failure
            progress.took(outcomes_of_failure(failure, progress.waiting, tried, self._clock()))
            return
        self._policy.note(route, host, session.tried, session.tried.tls.failure)
        await self._hand_over(session, route, parcel, content, progress)

    async def _session(self, route: Route, host: Host, address: IPAddress, demand: TlsDemand) -> Session:
        """Open a session; in plain text where TLS fails and nothing demands it."""
        try:
            return await self._open(route, host, address, demand)
        except PeerFailure as failure:
            if failure.stage != "tls" or demand.least is not Security.PLAIN or route.login is not None:
                raise
            self._policy.note(route, host, Tried(host.name, str(address), policy=demand.policy), failure.failure)
            return await self._open(route, host, address, TlsDemand(policy=f"{demand.policy}, TLS failed", avoid=True))

    async def _hand_over(
        self, session: Session, route: Route, parcel: Parcel, content: Content, progress: _Progress
    ) -> None:
        """Hand the message over, and keep the session for others where it can be."""
        progress.reached = True
        try:
            shipment = await self._packing.shipment(parcel, progress.waiting, content, session)
            handed = await session.send(shipment)
        except (PeerFailure, Undeliverable) as error:
            progress.must_end = isinstance(error, PeerFailure) and error.may_have_it
            progress.took(outcomes_of_failure(error, progress.waiting, session.tried, self._clock()))
        else:
            progress.took(outcomes(handed, session.tried, self._clock()))
        if parcel.message.envelope.require_tls:
            self._connections.close(session)
        else:
            self._connections.keep(route.key, session)


def _places(route: Route) -> Iterator[tuple[Host, IPAddress]]:
    for host in route.hosts:
        for address in host.addresses:
            yield host, address
