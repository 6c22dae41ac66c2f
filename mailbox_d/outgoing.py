"""Outbound mail of a site: the queue, and everything that sends from it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mailbox_d.config.model import Configuration
from mailbox_d.limits import dns_limits, mime_limits, relay_limits
from mailbox_d.net.dns_client import DnsClient
from mailbox_d.net.dns_servers import dns_servers
from mailbox_d.net.kept_state import KeptState
from mailbox_d.net.lanes import Lanes, sleep
from mailbox_d.net.own_addresses import OwnAddresses
from mailbox_d.policy.recipients import Recipients
from mailbox_d.queue.backoff import Backoff
from mailbox_d.queue.mail_queue import MailQueue, QueueSettings
from mailbox_d.queue.message import Attempt, Parcel
from mailbox_d.record.recorder import Record
from mailbox_d.relay.dispatch.admission import KNOWN_DOMAINS, KNOWN_FILE_MAX, KnownDomains
from mailbox_d.relay.dispatch.attempting import Attempting, OpenSession
from mailbox_d.relay.dispatch.conclusion import Conclusion, ReportSettings
from mailbox_d.relay.dispatch.connections import Connections
from mailbox_d.relay.dispatch.contents import PackedContent
from mailbox_d.relay.dispatch.conversion import Conversion
from mailbox_d.relay.dispatch.courier import Courier
from mailbox_d.relay.dispatch.dispatcher import Dispatcher, DispatchLimits
from mailbox_d.relay.dispatch.loading import Loading
from mailbox_d.relay.dispatch.local_attempt import LocalAttempting
from mailbox_d.relay.dispatch.outcomes import outcomes_of_our_fault
from mailbox_d.relay.dispatch.packing import Packing
from mailbox_d.relay.dispatch.scratch import Scratch
from mailbox_d.relay.dispatch.unreachable import Unreachable
from mailbox_d.relay.intake.deliveries import Intake, Outgoing
from mailbox_d.relay.intake.forwarding import Forwarding
from mailbox_d.relay.intake.srs_keys import FILE_NAME as SRS_KEYS
from mailbox_d.relay.peer.client import Client, Destination, PeerSession
from mailbox_d.relay.ports import Route
from mailbox_d.relay.routes.remembered_routes import RememberedRoutes
from mailbox_d.relay.routes.routing import Routing
from mailbox_d.relay.routes.smarthost import read_password
from mailbox_d.relay.signing.dkim import Signer
from mailbox_d.relay.signing.dkim_keys import KeyFolder
from mailbox_d.relay.signing.signatures import Signing
from mailbox_d.relay.tls.handshakes import OutgoingTls, client_context
from mailbox_d.relay.tls.knowledge import TlsKnowledge
from mailbox_d.relay.tls.mta_sts_cache import MtaStsPolicies
from mailbox_d.relay.tls.mta_sts_fetch import FetchSettings, PolicyFetcher
from mailbox_d.relay.tls.mta_sts_files import PolicyFiles
from mailbox_d.relay.tls.policy import TlsPolicies, TlsRules
from mailbox_d.relay.tls.remembered import RememberedTls
from mailbox_d.relay.tls.results import TlsResults
from mailbox_d.store.files import FileSystem
from mailbox_d.store.ports import Store

QUEUE_FOLDER = "queue"
NOT_SENT = "No mail for other sites is sent from here (queue.send)"
NOT_SENT_REST = 1800.0
"""Seconds for which such mail rests, or `retry_most` if that is less: so that it goes soon, once it may."""


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """The parts that others need: the queue; what takes messages for it; what finds the senders of forwarded mail; and
    the services, in the order in which they start."""

    queue: MailQueue
    intake: Intake
    forwarding: Forwarding
    remembered: RememberedTls | None
    unreachable: Unreachable
    dispatcher: Dispatcher
    services: tuple[Any, ...]


class EitherAttempt:
    """Mail for domains of ours stays here, whatever DNS says of them; so does all other, where it is not to be sent."""

    def __init__(self, is_ours: Callable[[str], bool], local: LocalAttempting, remote: Attempting | None) -> None:
        self._is_ours = is_ours
        self._local = local
        self._remote = remote

    def must_wait(self, domain: str) -> bool:
        """Whether enough wait already for the servers that this domain's mail goes to."""
        return self._remote is not None and not self._is_ours(domain) and self._remote.must_wait(domain)

    async def attempt(self, parcel: Parcel, domain: str, content: PackedContent) -> list[Attempt]:
        """What became of each recipient."""
        if self._is_ours(domain):
            return await self._local.attempt(parcel)
        if self._remote is None:
            return outcomes_of_our_fault(parcel.waiting, NOT_SENT, time.time())
        return await self._remote.attempt(parcel, domain, content)


class Assembly:
    """Puts the outbound side together, part by part."""

    def __init__(
        self,
        configuration: Configuration,
        reactor: Any,
        lanes: Lanes,
        recipients: Recipients,
        store: Store,
        record: Record,
    ) -> None:
        self.configuration = configuration
        self.reactor = reactor
        self.lanes = lanes
        self.recipients = recipients
        self.store = store
        self.record = record
        self.limits = configuration.limits
        self.state = configuration.storage.state
        self.resolver = self._resolver()
        self.routing = self._routing()
        self.forwarding = Forwarding(
            self.state / SRS_KEYS, recipients.is_ours, rewrites=configuration.queue.srs, clock=time.time
        )

    def build(self) -> OutgoingMail:
        """Everything, not yet started. Raises `OpenSSL.SSL.Error` where `queue.ca` is no file of certificates."""
        queue = MailQueue(self.state / QUEUE_FOLDER, self._backoff(), self._queue_settings())
        rules = self._tls_rules()
        knowledge = TlsKnowledge(self.reactor, rules)
        known = KnownDomains(self.recipients.is_ours)
        path = os.fsencode(self.state / KNOWN_DOMAINS)
        kept = KeptState(self.reactor, path, known, self.lanes.record.run, most=KNOWN_FILE_MAX)
        woken = _Waking()
        outgoing = Outgoing(queue, self.forwarding.sender, woken.scheduled)
        intake = Intake(self.store, self.configuration.hostname, outgoing)
        schedule = self.configuration.queue
        unreachable = Unreachable(time.monotonic, first=schedule.retry_after, longest=schedule.retry_most)
        dispatcher = self._dispatcher(
            queue, intake, rules, unreachable, woken.scheduled, known, _all(knowledge.load, kept.load)
        )
        woken.dispatcher = dispatcher
        services = (self.forwarding, knowledge, kept, dispatcher)
        return OutgoingMail(queue, intake, self.forwarding, rules.remembered, unreachable, dispatcher, services)

    def _dispatcher(
        self,
        queue: MailQueue,
        intake: Intake,
        rules: TlsRules,
        unreachable: Unreachable,
        scheduled: Callable[[], None],
        known: KnownDomains,
        ready: Callable[[], Awaitable[None]],
    ) -> Dispatcher:
        lane, hostname = self.lanes.queue, self.configuration.hostname
        connections = Connections(
            self.reactor.callLater,
            most=self.limits.queue_connections,
            most_each=self.limits.queue_connections_per_domain,
            idle_seconds=self.limits.queue_idle_connection,
            messages=self.limits.queue_messages_per_connection,
        )
        signing = Signing(Signer(KeyFolder(self.configuration.dkim_keys)), self.configuration.hostname, time.time)
        sends = self.configuration.queue.send
        remote = self._attempting(rules, connections, unreachable, signing, queue) if sends else None
        conclusion = Conclusion(
            queue,
            lane,
            Courier(queue, lane, scheduled),
            self.record,
            ReportSettings(hostname, self.limits.returned_message, self.configuration.queue.give_up_after),
            clock=time.time,
            sleep=partial(sleep, self.reactor),
        )
        return Dispatcher(
            self.reactor,
            queue,
            lane,
            Loading(queue, lane, signing, time.time),
            EitherAttempt(self.recipients.is_ours, self._local_attempting(queue, intake), remote),
            conclusion,
            connections,
            DispatchLimits(
                self.limits.queue_connections,
                self.limits.queue_connections_per_domain,
                self.limits.queue_messages_per_connection,
            ),
            known,
            ready=ready,
            clock=time.time,
        )

    def _local_attempting(self, queue: MailQueue, intake: Intake) -> LocalAttempting:
        return LocalAttempting(
            queue,
            self.lanes.delivery,
            self.recipients,
            intake,
            self.record,
            self.forwarding.original,
            hostname=self.configuration.hostname,
            clock=time.time,
        )

    def _attempting(
        self,
        rules: TlsRules,
        connections: Connections,
        unreachable: Unreachable,
        signing: Signing,
        queue: MailQueue,
    ) -> Attempting:
        folders = queue.folders
        conversion = Conversion(
            mime_limits(self.limits),
            signing,
            queue.content,
            lambda: Scratch(folders.files, folders.new_in_tmp()),
            work=self.lanes.conversion,
            disk=self.lanes.queue,
        )
        return Attempting(
            routing=RememberedRoutes(self.routing, time.monotonic),
            policy=TlsPolicies(rules),
            packing=Packing(conversion.seven_bit),
            open_session=self._opening(),
            connections=connections,
            unreachable=unreachable,
            recipients_at_once=self.limits.queue_recipients_per_message,
            clock=time.time,
            monotonic=time.monotonic,
        )

    def _opening(self) -> OpenSession:
        """What opens sessions: a configured relay may well be on this machine, what DNS names may not."""
        limits, tls = relay_limits(self.limits), OutgoingTls(self.configuration.queue.ca)
        clients = {
            is_relay: Client(
                self.configuration.hostname,
                limits,
                tls,
                self.reactor,
                partial(self.routing.is_allowed, is_relay=is_relay),
            )
            for is_relay in (False, True)
        }

        async def open_session(route: Route, destination: Destination) -> PeerSession:
            session = PeerSession(clients[route.is_relay], destination)
            await session.open()
            return session

        return open_session

    def _resolver(self) -> DnsClient:
        queue = self.configuration.queue
        return DnsClient(self.reactor, dns_servers(queue.resolver, queue.resolver_validates), dns_limits(self.limits))

    def _routing(self) -> Routing:
        return Routing(
            self.configuration.queue,
            self.resolver,
            hostname=self.configuration.hostname,
            most_hosts=self.limits.queue_hosts,
            read_password=lambda path: self.lanes.files.run(read_password, path),
            own=OwnAddresses(self.lanes.files.run, time.monotonic),
        )

    def _tls_rules(self) -> TlsRules:
        queue, files, run = self.configuration.queue, FileSystem(), self.lanes.record.run
        most, state = self.limits.remembered_domains, os.fsencode(self.state)
        settings = FetchSettings(
            queue.mta_sts_port, self.limits.mta_sts_policy, self.limits.mta_sts_timeout, self.routing.is_allowed
        )
        fetcher = PolicyFetcher(self.reactor, self.resolver, client_context(queue.ca, level=2), settings)
        policies = PolicyFiles(files, state + b"/mta-sts")
        return TlsRules(
            mta_sts=MtaStsPolicies(self.resolver, fetcher, policies, run=run, clock=time.time, most=most)
            if queue.mta_sts
            else None,
            remembered=RememberedTls(files, state + b"/remembered-tls", run=run, clock=time.time, most=most)
            if queue.remember_tls
            else None,
            results=TlsResults(files, state + b"/tlsrpt", run=run, clock=time.time, octets=self.limits.tls_results),
            dane=queue.dane,
        )

    def _backoff(self) -> Backoff:
        """What is not to be sent grows no older, is neither late nor given up, and goes soon when it is to be sent."""
        queue = self.configuration.queue
        if not queue.send:
            rest = min(max(queue.retry_after, NOT_SENT_REST), queue.retry_most)
            return Backoff(rest, rest, math.inf, math.inf, counts=False)
        return Backoff(queue.retry_after, queue.retry_most, queue.warn_after, queue.give_up_after)

    def _queue_settings(self) -> QueueSettings:
        return QueueSettings(hold=self.limits.message_in_memory, messages_max=self.limits.queue_messages)


def _all(*loads: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """What loads everything that must be known before anything is sent."""

    async def load() -> None:
        for each in loads:
            await each()

    return load


class _Waking:
    """Tells the dispatcher of what is new, once there is one: it is made after those who tell."""

    dispatcher: Dispatcher | None = None

    def scheduled(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.scheduled()
