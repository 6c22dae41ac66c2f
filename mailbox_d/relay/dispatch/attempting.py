"""One attempt to send a message to one domain: server after server, until every recipient has its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Parcel, Recipient
from mailbox_d.relay.dispatch.connections import Connections, Link
from mailbox_d.relay.dispatch.contents import PackedContent
from mailbox_d.relay.dispatch.outcomes import NOBODY, Tried, outcomes, outcomes_of_failure, outcomes_of_our_fault
from mailbox_d.relay.dispatch.packing import Packing
from mailbox_d.relay.dispatch.unreachable import Unreachable
from mailbox_d.relay.peer.client import Destination, PeerSession
from mailbox_d.relay.ports import Host, PeerFailure, Route, TlsDemand, Undeliverable
from mailbox_d.relay.routes.remembered_routes import Routing
from mailbox_d.wire.dns.records import IPAddress

SERVERS_SECONDS = 300.0
"""After which no further server is tried in an attempt: a domain may name many that only cost time."""

_NOBODY_SPOKE = frozenset({"connect", "greeting"})
"""Stages that come to nothing for every domain whose mail goes to the same address."""


class TlsPolicy(Protocol):
    """Says how a connection must be secured."""

    async def demand(self, route: Route, host: Host, parcel: Parcel, *, tls_optional: bool = False) -> TlsDemand:
        """Raises `PeerFailure` where this server must not be tried."""

    def note(self, route: Route, host: Host, tried: Tried, failure: str) -> None:
        """Remember how it went. `failure`: a result type of RFC 8460 section 4.3; empty where all was well."""


OpenSession = Callable[[Route, Destination], Awaitable[PeerSession]]
"""Makes a session and opens it. Raises `PeerFailure`."""


@dataclass(slots=True)
class _Progress:
    """How far an attempt has come. `answers`: what was last said to each recipient, or of the server for them."""

    recipients: tuple[Recipient, ...]
    answers: dict[EmailAddress, Attempt] = field(default_factory=dict)
    reached: bool = False
    """Whether some server was there to talk to."""
    must_end: bool = False
    """Whether no further server may be tried: the last one may have the message."""
    failure: PeerFailure | None = None
    """Why a server was of no use, and which one that was: of several the first that may be of use later."""
    failed_at: Tried = NOBODY

    def failed(self, failure: PeerFailure, tried: Tried) -> None:
        """A server came to nothing before anything was said of the message."""
        if self.failure is None or (failure.temporary and not self.failure.temporary):
            self.failure, self.failed_at = failure, tried

    @property
    def unanswered(self) -> tuple[Recipient, ...]:
        """Those of whom no server has said anything."""
        return tuple(recipient for recipient in self.recipients if recipient.address not in self.answers)

    @property
    def waiting(self) -> tuple[Recipient, ...]:
        """Those without a final answer."""
        found = (recipient for recipient in self.recipients if not self._is_settled(recipient))
        return tuple(found)

    def took(self, attempts: Iterable[Attempt]) -> None:
        self.answers.update((attempt.recipient, attempt) for attempt in attempts)

    def _is_settled(self, recipient: Recipient) -> bool:
        answer = self.answers.get(recipient.address)
        return answer is not None and answer.is_final


class Attempting:
    """Attempts, over shared connections."""

    _log = Logger()

    def __init__(
        self,
        *,
        routing: Routing,
        policy: TlsPolicy,
        packing: Packing,
        open_session: OpenSession,
        connections: Connections,
        unreachable: Unreachable,
        recipients_at_once: int,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._routing = routing
        self._policy = policy
        self._packing = packing
        self._open_session = open_session
        self._connections = connections
        self._unreachable = unreachable
        self._recipients_at_once = recipients_at_once
        self._clock = clock
        self._monotonic = monotonic
        self._crowded: dict[str, str] = {}
        """Keys of routes, by the domains whose mail found too many waiting there."""

    async def attempt(self, parcel: Parcel, domain: str, content: PackedContent) -> list[Attempt]:
        """What became of each recipient of a parcel, all in one domain; where it was cancelled, of some; of none where
        too many wait for its servers already."""
        try:
            route = await self._routing.route(domain, parcel.message.envelope.sender)
        except Undeliverable as error:
            return outcomes_of_failure(error, parcel.waiting, NOBODY, self._clock())
        if self._connections.is_crowded(route.key):
            self._crowded[domain] = route.key
            return []
        async with self._connections.place(route.key):
            known = self._unreachable.failure(route.key)
            if isinstance(known, PeerFailure) and not _is_special(parcel, content):
                return outcomes_of_failure(known, parcel.waiting, NOBODY, self._clock())
            return await self._over(route, parcel, content)

    def must_wait(self, domain: str) -> bool:
        """Whether as many wait for this domain's servers as they may be waited for; nothing that blocks."""
        key = self._crowded.get(domain)
        if key is None or self._connections.is_crowded(key):
            return key is not None
        del self._crowded[domain]
        return False

    async def _over(self, route: Route, parcel: Parcel, content: PackedContent) -> list[Attempt]:
        progress = _Progress(parcel.waiting)
        try:
            await self._over_servers(route, parcel, content, progress)
        except CancelledError:  # all stops: what was taken is noted, and the others wait as before
            return list(progress.answers.values())
        if progress.failure is not None:
            at = self._clock()
            progress.took(outcomes_of_failure(progress.failure, progress.unanswered, progress.failed_at, at))
        if progress.reached:
            self._unreachable.reached(route.key)
        elif progress.failure is not None and progress.failure.temporary and not _is_special(parcel, content):
            self._unreachable.failed(route.key, progress.failure)
        return list(progress.answers.values())

    async def _over_servers(self, route: Route, parcel: Parcel, content: PackedContent, progress: _Progress) -> None:
        """Over the connection there is, then over one to each server, while recipients wait."""
        until = self._monotonic() + SERVERS_SECONDS
        link = None if _is_special(parcel, content) else self._connections.take(route.key)
        if link is not None:
            await self._hand_over(link, route, parcel, content, progress)
        answered = link.tried.address if link is not None and link.is_usable else ""
        for host, address in _places(route):
            if not progress.waiting or progress.must_end or self._monotonic() > until:
                break
            if str(address) == answered:  # it would say the same again
                continue
            await self._try(route, host, address, parcel, content, progress)

    async def _try(
        self, route: Route, host: Host, address: IPAddress, parcel: Parcel, content: PackedContent, progress: _Progress
    ) -> None:
        """Try one server."""
        tried = Tried(host.name, str(address))
        known = self._unreachable.failure(_key_of(host, address))
        if isinstance(known, PeerFailure):
            progress.failed(known, tried)
            return
        try:
            demand = await self._policy.demand(route, host, parcel, tls_optional=content.top.tls_optional)
            tried = Tried(host.name, str(address), policy=demand.policy)
            self._connections.make_room(route.key)
            link = await self._link(route, host, address, demand)
        except PeerFailure as failure:
            self._policy.note(route, host, tried, failure.failure)
            progress.failed(failure, tried)
            if failure.stage in _NOBODY_SPOKE and failure.reply is None:
                self._unreachable.failed(_key_of(host, address), failure)
            return
        self._unreachable.reached(_key_of(host, address))
        self._policy.note(route, host, link.tried, link.tried.tls.failure)
        await self._hand_over(link, route, parcel, content, progress)

    async def _link(self, route: Route, host: Host, address: IPAddress, demand: TlsDemand) -> Link:
        """Open a session; without TLS where that failed and nothing demands it."""
        destination = Destination(host, address, demand, route.login, route.implicit_tls)
        try:
            session = await self._open_session(route, destination)
        except PeerFailure as failure:
            if not failure.may_be_plain:
                raise
            self._policy.note(route, host, Tried(host.name, str(address), policy=demand.policy), failure.failure)
            session = await self._open_session(route, replace(destination, without_tls=True))
        knows_dsn = "DSN" in session.extensions
        return Link(session, Tried(host.name, str(address), session.tls, demand.policy, knows_dsn))

    async def _hand_over(
        self, link: Link, route: Route, parcel: Parcel, content: PackedContent, progress: _Progress
    ) -> None:
        """Hand the message over, for so many recipients at a time, and keep the session where it can be."""
        progress.reached = True
        for recipients in batches(progress.waiting, self._recipients_at_once):
            if progress.must_end or not link.is_usable:
                break
            await self._hand_over_for(recipients, link, parcel, content, progress)
        if _is_special(parcel, content):
            self._connections.close(link)
        else:
            self._connections.keep(route.key, link)

    async def _hand_over_for(
        self,
        recipients: tuple[Recipient, ...],
        link: Link,
        parcel: Parcel,
        content: PackedContent,
        progress: _Progress,
    ) -> None:
        session = link.session
        try:
            shipment = await self._packing.shipment(parcel.message, recipients, content, session.extensions)
            progress.took(outcomes(await session.send(shipment), link.tried, self._clock()))
        except (PeerFailure, Undeliverable) as error:
            progress.must_end = isinstance(error, PeerFailure) and error.may_have_it
            progress.took(outcomes_of_failure(error, recipients, link.tried, self._clock()))
        except CancelledError:
            session.abort()
            raise
        except Exception:
            session.abort()
            self._log.failure("queue: a message could not be handed over by a fault of ours")
            progress.must_end = True
            progress.took(outcomes_of_our_fault(recipients, "Something is wrong here", self._clock()))


def _is_special(parcel: Parcel, content: PackedContent) -> bool:
    """Whether its connection must be secured otherwise than that of other mail: they share neither connections nor
    what is known of servers that were not reached."""
    return parcel.message.envelope.require_tls or content.top.tls_optional


def _key_of(host: Host, address: IPAddress) -> str:
    """A place where somebody may listen; that nobody is at one port says nothing of another one."""
    return f"address {address} port {host.port}"


def batches(recipients: Sequence[Recipient], most: int) -> Iterator[tuple[Recipient, ...]]:
    """The recipients, so many at a time."""
    for start in range(0, len(recipients), most):
        yield tuple(recipients[start : start + most])


def _places(route: Route) -> Iterator[tuple[Host, IPAddress]]:
    for host in route.hosts:
        for address in host.addresses:
            yield host, address
