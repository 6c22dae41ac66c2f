"""What the services of one site share: its users, its store, its limits, its sessions."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.guessing.acquaintances import FILE_MAX, Acquaintances, Places
from mailbox_d.auth.guessing.acquaintances import FILE_NAME as ACQUAINTANCES
from mailbox_d.auth.guessing.guesses import Guesses
from mailbox_d.auth.last_use import LAST_USE, LastUse, Use
from mailbox_d.auth.lasting_secret import FILE_NAME as SECRET
from mailbox_d.auth.lasting_secret import LastingSecret
from mailbox_d.auth.ldap_realm.bounds import LdapBounds
from mailbox_d.auth.ldap_realm.realm import DirectoryRealm
from mailbox_d.auth.ldap_realm.servers import ServedDirectory
from mailbox_d.auth.success_cache import SuccessCache
from mailbox_d.auth.upgrades import HashUpgrades, usual_scheme
from mailbox_d.auth.users_edit.edits import replace_password
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.config.faults import ConfigurationError, Fault
from mailbox_d.config.file_identity import identify
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.config.limits import Limits
from mailbox_d.config.model import Configuration, Quota
from mailbox_d.imap.fetch.ahead import Crew
from mailbox_d.imap.fetch.feeding import IndexFeeding
from mailbox_d.limits import guess_limits, ldap_bounds, mime_limits
from mailbox_d.net.admissions import Admissions
from mailbox_d.net.certificate_reload import CertificateReload
from mailbox_d.net.certificates import Certificates, declared_clients, declared_pairs
from mailbox_d.net.children import Children
from mailbox_d.net.connections import OpenSessions
from mailbox_d.net.directory_watch import DirectoryWatch
from mailbox_d.net.issuers import TokenChecker, token_checker
from mailbox_d.net.kept_state import KeptState
from mailbox_d.net.lanes import Lanes
from mailbox_d.net.limits import ConnectionLimits, UserSessions
from mailbox_d.net.login_log import LoginLog
from mailbox_d.net.rechecks import Rechecks
from mailbox_d.net.recording import Recording
from mailbox_d.outgoing import Assembly, OutgoingMail
from mailbox_d.policy.rate import DailyMessages
from mailbox_d.policy.recipients import Recipients, ServedDomain
from mailbox_d.record.recorder import NO_RECORD, Record, Recorder
from mailbox_d.smtp.incoming import BatchRoom
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import QuotaLimits, Store
from mailbox_d.store.quota import QuotaRules
from mailbox_d.store.residences import Residence, ResidenceRules

INDEX_CHILD = "mailbox_d.imap.fetch.child:work"
"""What child processes do, one for each core but one: the daemon is to have the first."""


AnyRealm: TypeAlias = YamlRealm | DirectoryRealm


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
    realms: Mapping[str, AnyRealm]
    directory: Directory
    last_use: LastUse
    kept_last_use: KeptState[Use]
    kept_secret: KeptState[bytes]
    """What keeps it over a restart."""
    tokens: TokenChecker | None
    """What checks the tokens that prove an address; None where there is no issuer."""
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
    user_sessions: UserSessions
    guesses: Guesses
    """Who has to wait between two logins, whatever service they want."""
    acquaintances: KeptState[Places]
    rechecks: Rechecks
    """What knows who is in, whatever service they use."""
    daily_messages: DailyMessages
    room: BatchRoom
    sessions: OpenSessions
    certificates: Certificates
    certificate_reload: CertificateReload
    login_log: LoginLog = field(default_factory=LoginLog)


def build_site(configuration: Configuration, reactor: Any) -> Site:
    """Read what must be read before anything starts. Raises `ConfigurationError`, `NotServed`."""
    limits = configuration.limits
    lanes = build_lanes(configuration, reactor)
    secret = LastingSecret()
    realms = build_realms(configuration, lanes, secret)
    watch, children = DirectoryWatch(reactor), max(1, (os.cpu_count() or 1) - 1)
    workers = build_workers(configuration, reactor, children)
    last_use = LastUse(time.time)
    keeps_secret = kept_secret(configuration, reactor, secret, lanes)
    directory = build_directory(configuration, realms, last_use, keeps_secret.load)
    quotas = quota_rules(directory, configuration.quota)
    maildirs = build_maildirs(configuration, watch, quotas, directory)
    recorder = build_recorder(configuration, lanes)
    recipients = build_recipients(configuration, realms)
    certificates = build_certificates(configuration)
    connections = build_connections(limits)
    acquaintances = Acquaintances(limits.login_acquaintances)
    return Site(
        configuration=configuration,
        reactor=reactor,
        lanes=lanes,
        watch=watch,
        workers=workers,
        feeding=IndexFeeding(workers, mime_limits(limits), at_once=children),
        crew=Crew(workers, at_once=2 * children),
        realms=realms,
        directory=directory,
        last_use=last_use,
        kept_last_use=kept_last_use(configuration, reactor, last_use, lanes),
        kept_secret=keeps_secret,
        tokens=build_tokens(configuration, lanes, reactor),
        recipients=recipients,
        quotas=quotas,
        store=maildirs,
        maildirs=maildirs,
        record=recorder or NO_RECORD,
        recording=Recording(reactor, recorder, lanes.record) if recorder is not None else None,
        outgoing=Assembly(configuration, reactor, lanes, recipients, maildirs, recorder or NO_RECORD).build(),
        connections=connections,
        user_sessions=UserSessions(limits.connections_per_user),
        guesses=Guesses(guess_limits(limits), acquaintances, time.monotonic, connections.is_exempt),
        acquaintances=kept_acquaintances(configuration, reactor, acquaintances, lanes),
        rechecks=build_rechecks(configuration, reactor, realms),
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


def kept_acquaintances(
    configuration: Configuration, reactor: Any, acquaintances: Acquaintances, lanes: Lanes
) -> KeptState[Places]:
    """What has it written down from where users have logged in."""
    path = os.fsencode(configuration.storage.state / ACQUAINTANCES)
    return KeptState(reactor, path, acquaintances, lanes.files.run, most=FILE_MAX)


def kept_last_use(configuration: Configuration, reactor: Any, last_use: LastUse, lanes: Lanes) -> KeptState[Use]:
    """What has it written down when users were here last."""
    return KeptState(reactor, os.fsencode(configuration.storage.state / LAST_USE), last_use, lanes.files.run)


def kept_secret(configuration: Configuration, reactor: Any, secret: LastingSecret, lanes: Lanes) -> KeptState[bytes]:
    """What has it written down."""
    return KeptState(reactor, os.fsencode(configuration.storage.state / SECRET), secret, lanes.files.run)


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


def build_directory(
    configuration: Configuration,
    realms: Mapping[str, AnyRealm],
    last_use: LastUse,
    ready: Callable[[], Awaitable[None]],
) -> Directory:
    """The users of all domains."""
    domains = configuration.domains.items()
    return Directory({name: realms[domain.realm] for name, domain in domains}, used=last_use.note, ready=ready)


def build_rechecks(configuration: Configuration, reactor: Any, realms: Mapping[str, AnyRealm]) -> Rechecks:
    """What knows who is in, and looks again at them."""
    domains = configuration.domains.items()
    places = [(realm, [name for name, one in domains if one.realm == which]) for which, realm in realms.items()]
    return Rechecks(reactor, Admissions(), places, configuration.limits.login_recheck)


def build_connections(limits: Limits) -> ConnectionLimits:
    """What counts the connections of all services."""
    return ConnectionLimits(total=limits.connections, per_address=limits.connections_per_address, exempt=limits.exempt)


def build_tokens(configuration: Configuration, lanes: Lanes, reactor: Any) -> TokenChecker | None:
    """What checks tokens, where there is an issuer. Raises `ConfigurationError`."""
    settings = configuration.login.tokens
    return token_checker(settings, lanes, reactor) if settings is not None else None


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


def build_realms(configuration: Configuration, lanes: Lanes, secret: LastingSecret) -> dict[str, AnyRealm]:
    """The realms by name, their users read. Raises `ConfigurationError` with every fault of every file."""
    faults: list[Fault] = []
    realms: dict[str, AnyRealm] = {}
    for name, realm in configuration.realms.items():
        try:
            if realm.yaml is not None:
                realms[name] = _yaml_realm(name, realm.yaml, configuration, lanes, secret)
            elif realm.ldap is not None:
                realms[name] = _ldap_realm(name, realm.ldap, lanes, ldap_bounds(configuration.limits))
        except ConfigurationError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigurationError(faults)
    return realms


def _yaml_realm(name: str, path: Path, configuration: Configuration, lanes: Lanes, secret: LastingSecret) -> YamlRealm:
    known = identify(path)
    upgrades = _upgrades(path, configuration, lanes) if configuration.login.upgrade_hashes else None
    realm = YamlRealm(
        name,
        path,
        read_users(path),
        known,
        read=lanes.files.run,
        verify=lanes.hashing.run,
        clock=time.monotonic,
        cache=SuccessCache(time.monotonic, seconds=configuration.limits.password_cache),
        upgrades=upgrades,
        secret=secret,
    )
    if upgrades is not None:
        upgrades.when_changed(realm.refresh)
    return realm


def _upgrades(path: Path, configuration: Configuration, lanes: Lanes) -> HashUpgrades:
    return HashUpgrades(
        path,
        replace_password,
        hash=lanes.hashing.run,
        edit=lanes.upgrades.run,
        clock=time.monotonic,
        scheme=usual_scheme(configuration.login.mechanisms),
    )


def _ldap_realm(name: str, settings: LdapRealm, lanes: Lanes, bounds: LdapBounds) -> DirectoryRealm:
    directory = ServedDirectory(settings, bounds)
    lanes.directory.before_stop(directory.stop)
    run = lanes.directory.of(name).run
    return DirectoryRealm(name, settings, directory, run=run, clock=time.monotonic, bounds=bounds)
