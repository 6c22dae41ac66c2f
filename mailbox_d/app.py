"""The table of contents: every service of the daemon, in the order in which they start."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.mail.interfaces import IAccountIMAP, IMailboxPOP3, IMessageDelivery
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailbox_d.auth.portal import AvatarFactory, build_portal
from mailbox_d.auth.realm import User
from mailbox_d.config.endpoints import Endpoint, UnixEndpoint
from mailbox_d.config.model import Configuration, Limits, Mailboxes
from mailbox_d.imap.account import IMAPAccount
from mailbox_d.imap.contents import ContentLimits
from mailbox_d.imap.first_login import FirstMailboxes, open_account
from mailbox_d.imap.server import IMAPServer
from mailbox_d.imap.service import IMAPLimits, IMAPService
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.connections import SessionFactory
from mailbox_d.net.lanes import sleep
from mailbox_d.net.limits import GrowingDelay
from mailbox_d.net.listening import EndpointListener, UnixListener
from mailbox_d.net.login import LoginGate
from mailbox_d.net.session import SessionLimits, SessionShell
from mailbox_d.net.signals import ReloadOnHangup, StopOnce
from mailbox_d.net.state_folder import StateFolder, StateFolderTaken
from mailbox_d.net.watchdog import Watchdog
from mailbox_d.policy.content import HeaderLimits
from mailbox_d.policy.space import FreeSpace
from mailbox_d.pop3.maildrop import POP3Maildrop
from mailbox_d.pop3.server import POP3Server
from mailbox_d.pop3.service import POP3Limits, POP3Service
from mailbox_d.site import NotServed, Site, build_site
from mailbox_d.smtp.delivery import UserDelivery
from mailbox_d.smtp.replies import TOO_MANY_CONNECTIONS
from mailbox_d.smtp.server import SMTPServer
from mailbox_d.smtp.service import Kind, SMTPLimits
from mailbox_d.smtp.service import Service as SMTPService
from mailbox_d.store.ports import SpecialUse
from mailbox_d.wire.imap.cursor import DEFAULT_LIMITS
from mailbox_d.wire.imap.framer import AFTER_LOGIN, FramerLimits

TOO_MANY_IMAP_CONNECTIONS = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
TOO_MANY_POP3_CONNECTIONS = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n"

log = Logger()

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread must let the reactor have its turn; Python's own 5 ms are felt by every session."""

GARBAGE_THRESHOLDS = (20_000, 20, 20)
"""Objects made before a search for garbage. A mailbox of 50,000 messages comes as hundreds of thousands of objects that
are no garbage: with Python's own 700, a quarter of the time of opening it goes into looking at them again and again."""


class Daemon(MultiService):
    """All services. They start in order; when the daemon stops, each waits for those that started after it."""

    def __init__(self, services: Iterable[Any]) -> None:
        MultiService.__init__(self)
        for service in services:
            service.setServiceParent(self)

    def privilegedStartService(self) -> None:
        with _refusal_in_one_line():
            MultiService.privilegedStartService(self)

    def startService(self) -> None:
        with _refusal_in_one_line():
            MultiService.startService(self)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop_in_turn())

    async def _stop_in_turn(self) -> None:
        for service in reversed(list(self)):
            try:
                await maybeDeferred(service.stopService)
            except Exception:
                log.failure("a service did not stop as it should")


@contextmanager
def _refusal_in_one_line() -> Iterator[None]:
    """What keeps the daemon from starting is told in a line, and ends the process: a traceback would help nobody."""
    try:
        yield
    except (CannotListenError, StateFolderTaken, OSError) as error:
        raise SystemExit(f"mailboxd cannot start: {error}") from error


def build(configuration: Configuration) -> Daemon:
    """The daemon for a configuration, not yet started. Raises `ConfigurationError`, `NotServed`."""
    from twisted.internet import reactor  # importing it installs it, which nobody should do who only reads this file

    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    site = build_site(configuration, reactor)
    refreshes = [realm.refresh for realm in site.realms.values()]
    return Daemon(
        [
            StateFolder(configuration.storage.state),
            site.lanes,
            site.watch,
            StopOnce(reactor),
            Watchdog(reactor),
            site.certificate_reload,
            ReloadOnHangup(reactor, [*refreshes, site.certificate_reload.refresh]),
            site.sessions,
            *listeners(site),
        ]
    )


def listeners(site: Site) -> Iterator[Service]:
    """A listener for each endpoint of each kind of service."""
    kinds = site.configuration.listeners
    smtp, submission, lmtp = (smtp_service(site, kind) for kind in (Kind.SMTP, Kind.SUBMISSION, Kind.LMTP))
    yield from listen(site, kinds.smtp, smtp_factory(site, smtp))
    yield from listen(site, kinds.submission, smtp_factory(site, submission))
    yield from listen(site, kinds.submissions, smtp_factory(site, submission, implicit_tls=True))
    yield from listen(site, kinds.lmtp, smtp_factory(site, lmtp))
    imap = imap_service(site)
    yield from listen(site, kinds.imap, imap_factory(site, imap))
    yield from listen(site, kinds.imaps, imap_factory(site, imap, implicit_tls=True))
    pop3 = pop3_service(site)
    yield from listen(site, kinds.pop3, pop3_factory(site, pop3))
    yield from listen(site, kinds.pop3s, pop3_factory(site, pop3, implicit_tls=True))


def listen(site: Site, endpoints: Iterable[Endpoint], factory: Any) -> Iterator[Service]:
    """Where one factory's connections come from."""
    for endpoint in endpoints:
        if isinstance(endpoint, UnixEndpoint):
            yield UnixListener(site.reactor, endpoint.path, endpoint.mode, factory)
        else:
            yield EndpointListener(site.reactor, str(endpoint), factory)


def session_factory(
    site: Site, protocol: str, make: Callable[[], SessionShell], refusal: bytes, *, implicit_tls: bool
) -> Any:
    """A factory within the site's limits; TLS stands between the socket and the session where it comes first.

    A connection too many is told so in plain text alone: a handshake is more than it is worth.
    """
    factory: Any = SessionFactory(make, site.connections, site.sessions, refusal=b"" if implicit_tls else refusal)
    if not implicit_tls:
        return factory
    context: Any = site.certificates.context(protocol)
    if context is None:
        raise NotServed(f"there is no certificate for {protocol} inside TLS")
    return TLSMemoryBIOFactory(context, False, factory)


def smtp_factory(site: Site, service: SMTPService, *, implicit_tls: bool = False) -> Any:
    """Sessions of SMTP, submission or LMTP."""
    protocol = "smtp" if service.kind is Kind.SMTP else "submission"
    limits = smtp_session_limits(site.configuration.limits, service.kind)
    context = None if service.kind is Kind.LMTP else site.certificates.context(protocol)

    def make() -> SMTPServer:
        return SMTPServer(service, limits, context, implicit_tls=implicit_tls)

    return session_factory(site, protocol, make, TOO_MANY_CONNECTIONS.encode(), implicit_tls=implicit_tls)


def smtp_service(site: Site, kind: Kind) -> SMTPService:
    """What the sessions of one kind of SMTP service share."""

    async def avatar(user: User) -> UserDelivery:
        return UserDelivery(user, site.recipients)

    async def free_octets() -> int:
        return await site.lanes.store.run(site.store.free_octets)

    return SMTPService(
        kind=kind,
        hostname=site.configuration.hostname,
        recipients=site.recipients,
        store=site.store,
        lane=site.lanes.delivery,
        space=FreeSpace(free_octets, time.monotonic),
        clock=time.time,
        monotonic=time.monotonic,
        sleep=lambda seconds: sleep(site.reactor, seconds),
        limits=smtp_limits(site.configuration.limits),
        daily=site.daily_messages,
        room=site.room,
        gate=login_gate(site, "submission", IMessageDelivery, avatar) if kind is Kind.SUBMISSION else None,
    )


def login_gate(site: Site, service: str, interface: Any, avatar: AvatarFactory) -> LoginGate:
    """A service's way in, over the users of the site."""
    limits = site.configuration.limits
    return LoginGate(
        service=service,
        interface=interface,
        portal=build_portal(site.directory, {interface: avatar}),
        sleep=lambda seconds: sleep(site.reactor, seconds),
        sessions=site.user_sessions,
        delay=GrowingDelay(limits.login_failure_delay, limits.login_failure_delay_most),
    )


def smtp_limits(limits: Limits) -> SMTPLimits:
    """The configured limits that SMTP's commands keep to."""
    return SMTPLimits(
        message_size=limits.message_size,
        command_line=limits.smtp_command_line,
        auth_line=limits.smtp_auth_line,
        recipients=limits.recipients_per_message,
        unknown_recipients=limits.unknown_recipients,
        unknown_recipient_delay=limits.unknown_recipient_delay,
        bad_commands=limits.bad_commands,
        junk_commands=limits.junk_commands,
        login_failures=limits.login_failures,
        data_timeout=limits.smtp_data_timeout,
        data_minimum_rate=limits.data_minimum_rate,
        header=HeaderLimits(limits.header_size, limits.header_fields, limits.received_hops),
    )


def smtp_session_limits(limits: Limits, kind: Kind) -> SessionLimits:
    """The configured limits that the shell of an SMTP, submission or LMTP session keeps to."""
    greeting_delay = limits.greeting_delay if kind is Kind.SMTP else 0.0
    return replace(session_limits(limits), greeting_delay=greeting_delay)


def session_limits(limits: Limits) -> SessionLimits:
    """The configured limits that every session's shell keeps to."""
    return SessionLimits(
        input_buffer=limits.input_buffer_preauth,
        output_buffer=limits.output_buffer,
        command_timeout=limits.command_timeout,
        handshake_timeout=limits.tls_handshake_timeout,
        write_timeout=limits.write_timeout,
    )


def imap_factory(site: Site, service: IMAPService, *, implicit_tls: bool = False) -> Any:
    """Sessions of IMAP."""
    limits = login_session_limits(site.configuration.limits)
    context = site.certificates.context("imap")

    def make() -> IMAPServer:
        return IMAPServer(service, limits, context, implicit_tls=implicit_tls)

    return session_factory(site, "imap", make, TOO_MANY_IMAP_CONNECTIONS, implicit_tls=implicit_tls)


def imap_service(site: Site) -> IMAPService:
    """What the sessions of IMAP share."""

    mailboxes = first_mailboxes(site.configuration.mailboxes)

    async def avatar(user: User) -> IMAPAccount:
        account = await site.lanes.store.run(site.store.account, user.address)
        return await open_account(account, site.lanes.store, mailboxes)

    return IMAPService(
        hostname=site.configuration.hostname,
        gate=login_gate(site, "imap", IAccountIMAP, avatar),
        allow_plaintext=site.configuration.login.allow_plaintext,
        limits=imap_limits(site.configuration.limits),
    )


def first_mailboxes(mailboxes: Mailboxes) -> FirstMailboxes:
    """The configured mailboxes that a user finds at first login."""
    uses = {name: SpecialUse[use.upper()] for name, use in mailboxes.special_use.items()}
    return FirstMailboxes(uses, mailboxes.create_at_first_login)


def mime_limits(limits: Limits) -> MimeLimits:
    """The configured limits to which messages are taken apart."""
    return MimeLimits(
        depth=limits.mime_depth,
        parts=limits.mime_parts,
        header=limits.header_size,
        header_kept=min(limits.mime_header, limits.header_size),
        headers_kept=limits.mime_headers,
        addresses=limits.mime_addresses,
        parameters=limits.mime_parameters,
    )


def imap_limits(limits: Limits) -> IMAPLimits:
    """The configured limits that IMAP's commands keep to."""
    return IMAPLimits(
        message_size=limits.message_size,
        before_login=FramerLimits(line=limits.imap_preauth_command, literal_octets=limits.imap_preauth_command // 2),
        after_login=replace(
            AFTER_LOGIN,
            line=limits.imap_command,
            literal_octets=limits.imap_literal,
            drained=max(AFTER_LOGIN.drained, limits.message_size),
        ),
        grammar=replace(
            DEFAULT_LIMITS, search_keys=limits.imap_search_keys, fetch_attributes=limits.imap_fetch_attributes
        ),
        contents=ContentLimits(mime=mime_limits(limits)),
        input_buffer=limits.input_buffer,
        login_timeout=limits.login_timeout,
        idle_timeout=limits.idle_timeout,
        idle_time=limits.imap_idle_time,
        idle_poll=limits.imap_idle_poll,
        login_failures=limits.login_failures,
        bad_commands_before_login=limits.imap_bad_commands_preauth,
        bad_commands_in_a_row=limits.imap_bad_commands,
    )


def pop3_factory(site: Site, service: POP3Service, *, implicit_tls: bool = False) -> Any:
    """Sessions of POP3."""
    limits = login_session_limits(site.configuration.limits)
    context = site.certificates.context("pop3")

    def make() -> POP3Server:
        return POP3Server(service, limits, context, implicit_tls=implicit_tls)

    return session_factory(site, "pop3", make, TOO_MANY_POP3_CONNECTIONS, implicit_tls=implicit_tls)


def pop3_service(site: Site) -> POP3Service:
    """What the sessions of POP3 share, inside TLS from the first octet or not: one maildrop, one session."""

    async def avatar(user: User) -> POP3Maildrop:
        return POP3Maildrop(await site.lanes.store.run(site.store.account, user.address), site.lanes.store)

    return POP3Service(
        hostname=site.configuration.hostname,
        gate=login_gate(site, "pop3", IMailboxPOP3, avatar),
        allow_plaintext=site.configuration.login.allow_plaintext,
        marks_seen=site.configuration.pop3.marks_seen,
        limits=pop3_limits(site.configuration.limits),
    )


def pop3_limits(limits: Limits) -> POP3Limits:
    """The configured limits that POP3's commands keep to."""
    return POP3Limits(
        command_line=limits.pop3_command_line,
        login_timeout=limits.login_timeout,
        idle_timeout=limits.pop3_idle_timeout,
        login_failures=limits.login_failures,
        bad_commands_before_login=limits.pop3_bad_commands_preauth,
        bad_commands_in_a_row=limits.pop3_bad_commands,
    )


def login_session_limits(limits: Limits) -> SessionLimits:
    """The configured limits that the shell of an IMAP or POP3 session keeps to."""
    return replace(
        session_limits(limits),
        command_timeout=limits.login_timeout,
    )
