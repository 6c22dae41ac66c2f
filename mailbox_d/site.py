"""What the services of one site share: its users, its store, its limits, its sessions."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.config.limits import Limits
from mailbox_d.config.model import Configuration, Quota
from mailbox_d.imap.fetch.ahead import Crew
from mailbox_d.imap.fetch.feeding import IndexFeeding
from mailbox_d.limits import mime_limits
from mailbox_d.logins import Logins, build_logins
from mailbox_d.net.certificate_reload import CertificateReload
from mailbox_d.net.certificates import Certificates, declared_clients, declared_pairs
from mailbox_d.net.children import Children
from mailbox_d.net.connections import OpenSessions
from mailbox_d.net.directory_watch import DirectoryWatch
from mailbox_d.net.lanes import Lanes
from mailbox_d.net.limits import ConnectionLimits
from mailbox_d.net.recording import Recording
from mailbox_d.outgoing import Assembly, OutgoingMail
from mailbox_d.policy.rate import DailyMessages
from mailbox_d.policy.recipients import Recipients, ServedDomain
from mailbox_d.realms import AnyRealm
from mailbox_d.record.recorder import NO_RECORD, Record, Recorder
from mailbox_d.smtp.incoming import BatchRoom
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import QuotaLimits, Store
from mailbox_d.store.quota import QuotaRules
from mailbox_d.store.residences import Residence, ResidenceRules

INDEX_CHILD = "mailbox_d.imap.fetch.child:work"
"""What child processes do, one for each core but one: the daemon is to have the first."""


class NotServed(Exception):
    """The configuration asks for something that this version knows and does not serve."""


@dataclass(frozen=True, slots=True)
class Site:
    """One configuration brought to life, but for its listeners."""

    configuration: Configuration
    reactor: Any
    lanes: Lanes
    watch: DirectoryWatch
    workers: Children
    feeding: IndexFeeding
    crew: Crew
    logins: Logins
    recipients: Recipients
    quotas: QuotaRules
    store: Store
    maildirs: MaildirStore
    """The same store, for whoever looks after it."""
    record: Record
    recording: Recording | None
    """What has the record written; None where nothing is remembered."""
    outgoing: OutgoingMail
    connections: ConnectionLimits
    daily_messages: DailyMessages
    room: BatchRoom
    sessions: OpenSessions
    certificates: Certificates
    certificate_reload: CertificateReload


def build_site(configuration: Configuration, reactor: Any) -> Site:
    """Read what must be read before anything starts. Raises `ConfigurationError`, `NotServed`."""
    limits = configuration.limits
    lanes = build_lanes(configuration, reactor)
    connections = build_connections(limits)
    logins = build_logins(configuration, reactor, lanes, connections.is_exempt)
    watch, children = DirectoryWatch(reactor), max(1, (os.cpu_count() or 1) - 1)
    workers = build_workers(configuration, reactor, children)
    quotas = quota_rules(logins.directory, configuration.quota)
    maildirs = build_maildirs(configuration, watch, quotas, logins.directory)
    recorder = build_recorder(configuration, lanes)
    recipients = build_recipients(configuration, logins.realms)
    certificates = build_certificates(configuration)
    return Site(
        configuration=configuration,
        reactor=reactor,
        lanes=lanes,
        watch=watch,
        workers=workers,
        feeding=IndexFeeding(workers, mime_limits(limits), at_once=children),
        crew=Crew(workers, at_once=2 * children),
        logins=logins,
        recipients=recipients,
        quotas=quotas,
        store=maildirs,
        maildirs=maildirs,
        record=recorder or NO_RECORD,
        recording=Recording(reactor, recorder, lanes.record) if recorder is not None else None,
        outgoing=Assembly(configuration, reactor, lanes, recipients, maildirs, recorder or NO_RECORD).build(),
        connections=connections,
        daily_messages=DailyMessages(limits.messages_per_user_per_day, time.monotonic),
        room=BatchRoom(limits.large_messages_memory),
        sessions=OpenSessions(reactor),
        certificates=certificates,
        certificate_reload=CertificateReload(reactor, certificates, lanes.files.run, configuration.tls.reload_interval),
    )


def build_certificates(configuration: Configuration) -> Certificates:
    """What is shown to clients, and who vouches for what they show. Raises `ConfigurationError`."""
    clients = declared_clients(configuration)
    return Certificates(declared_pairs(configuration), configuration.tls.directory, clients=clients)


def build_workers(configuration: Configuration, reactor: Any, count: int) -> Children:
    """Processes that read messages for IMAP, ready before they are asked where IMAP is served."""
    serves_imap = bool(configuration.listeners.imap or configuration.listeners.imaps)
    return Children(reactor, INDEX_CHILD, count=count, ready=serves_imap)


def build_maildirs(
    configuration: Configuration, watch: DirectoryWatch, quotas: QuotaRules, directory: Directory
) -> MaildirStore:
    """Where users' mail is kept."""
    return MaildirStore(
        configuration.storage.maildirs,
        settings=store_settings(configuration.storage.newline, configuration.limits),
        watcher=watch,
        quotas=quotas,
        residences=residence_rules(configuration, directory),
    )


def build_connections(limits: Limits) -> ConnectionLimits:
    """What counts the connections of all services."""
    return ConnectionLimits(total=limits.connections, per_address=limits.connections_per_address, exempt=limits.exempt)


def build_recipients(configuration: Configuration, realms: Mapping[str, AnyRealm]) -> Recipients:
    """What says where addresses of ours lead."""
    domains = configuration.domains
    return Recipients(
        {name: ServedDomain(realms[domain.realm], domain.catch_all) for name, domain in domains.items()},
        most_targets=configuration.limits.alias_targets,
    )


def build_recorder(configuration: Configuration, lanes: Lanes) -> Recorder | None:
    """What remembers messages; None where nothing is to be remembered."""
    settings = configuration.record
    if not settings.size:
        return None
    return Recorder(
        configuration.storage.state, size=settings.size, keep=settings.keep, clock=time.time, run=lanes.record.run
    )


def store_settings(newline: str, limits: Limits) -> StoreSettings:
    """How the store works, as it is configured."""
    return StoreSettings(
        newline=newline,
        hold=limits.message_in_memory,
        subscriptions_octets_max=limits.subscriptions,
        expunges_kept=limits.imap_expunges,
        index_octets_max=limits.imap_index_file,
        text_octets_max=limits.imap_search_file,
    )


def quota_rules(directory: Directory, quota: Quota) -> QuotaRules:
    """What users may keep, as their realms have it at the moment."""

    def limits_of(address: EmailAddress) -> QuotaLimits | None:
        user = directory.known_user(address)
        return None if user is None else QuotaLimits(user.quota, user.quota_messages)

    return QuotaRules(limits_of, quota.grace_percent)


def residence_rules(configuration: Configuration, directory: Directory) -> ResidenceRules:
    """Where users' Maildirs are to lie, as their realms have it at the moment."""
    realms = {name: configuration.realms[domain.realm] for name, domain in configuration.domains.items()}

    def of(address: EmailAddress) -> Residence | None:
        user = directory.known_user(address)
        return None if user is None else Residence(user.maildir, realms[address.domain].provision)

    return ResidenceRules(of, frozenset(realms))


def build_lanes(configuration: Configuration, reactor: Any) -> Lanes:
    """Lanes in which no directory that is slow keeps the users of another one waiting."""
    limits = configuration.limits
    directories = sum(realm.ldap is not None for realm in configuration.realms.values())
    threads = {"percent_per_user": limits.threads_per_user, "questions": limits.ldap_questions}
    return Lanes(reactor, **threads, directories=directories)
