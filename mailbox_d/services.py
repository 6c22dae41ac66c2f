"""The services of a site: what the sessions of each protocol share, and the factories that make them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.mail.interfaces import IAccountIMAP, IMailboxPOP3, IMessageDelivery
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailbox_d.address import EmailAddress
from mailbox_d.auth.portal import AvatarFactory, build_portal, scram_keys
from mailbox_d.auth.realm import Service as LoginService
from mailbox_d.auth.realm import User
from mailbox_d.config.model import Mailboxes
from mailbox_d.imap.account import IMAPAccount
from mailbox_d.imap.first_login import FirstMailboxes, open_account
from mailbox_d.imap.server import IMAPServer
from mailbox_d.imap.service import IMAPService
from mailbox_d.limits import (
    imap_limits,
    login_session_limits,
    pop3_limits,
    smtp_limits,
    smtp_session_limits,
)
from mailbox_d.net.connections import SessionFactory
from mailbox_d.net.failure_deadline import FailureDeadline
from mailbox_d.net.lanes import sleep
from mailbox_d.net.limits import GrowingDelay
from mailbox_d.net.login import LoginGate
from mailbox_d.net.session import SessionLimits, SessionShell
from mailbox_d.net.tls import ServerTls
from mailbox_d.policy.mailbox_room import MailboxRoom
from mailbox_d.policy.space import FreeSpace
from mailbox_d.pop3.maildrop import POP3Maildrop
from mailbox_d.pop3.server import POP3Server
from mailbox_d.pop3.service import POP3Service
from mailbox_d.site import NotServed, Site
from mailbox_d.smtp.delivery import UserDelivery
from mailbox_d.smtp.replies import TOO_MANY_CONNECTIONS
from mailbox_d.smtp.server import SMTPServer
from mailbox_d.smtp.service import Kind
from mailbox_d.smtp.service import Service as SMTPService
from mailbox_d.store.ports import SpecialUse, Store

TOO_MANY_IMAP_CONNECTIONS = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
TOO_MANY_POP3_CONNECTIONS = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n"

JITTER = 0.002
"""Seconds, of which answers to failed logins leave up to as many late: what the clock shows of them is blurred."""


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
    make = partial(SMTPServer, service, limits, context, implicit_tls=implicit_tls)
    return session_factory(site, protocol, make, TOO_MANY_CONNECTIONS.encode(), implicit_tls=implicit_tls)


def smtp_service(site: Site, kind: Kind) -> SMTPService:
    """What the sessions of one kind of SMTP service share."""

    async def avatar(user: User) -> UserDelivery:
        return UserDelivery(user, site.recipients)

    async def free_octets() -> int:
        return await site.lanes.store.run(site.store.free_octets)

    async def first_full(mailboxes: Sequence[EmailAddress], octets: int) -> EmailAddress | None:
        limited = [
            mailbox
            for mailbox in mailboxes
            if site.quotas.limits(mailbox) is not None or not site.maildirs.residences.are_plain(mailbox)
        ]
        lane = site.lanes.delivery.of(*map(str, limited))
        return await lane.run(_first_full, site.store, limited, octets) if limited else None

    return SMTPService(
        kind=kind,
        hostname=site.configuration.hostname,
        recipients=site.recipients,
        intake=site.outgoing.intake,
        forwarding=site.outgoing.forwarding,
        lane=site.lanes.delivery,
        space=FreeSpace(free_octets, time.monotonic),
        clock=time.time,
        monotonic=time.monotonic,
        sleep=lambda seconds: sleep(site.reactor, seconds),
        limits=smtp_limits(site.configuration.limits),
        daily=site.daily_messages,
        mailbox_room=MailboxRoom(first_full, refuses=site.configuration.quota.when_full == "refuse"),
        room=site.room,
        record=site.record,
        gate=login_gate(site, LoginService.SUBMISSION, IMessageDelivery, avatar) if kind is Kind.SUBMISSION else None,
    )


def _first_full(store: Store, mailboxes: Sequence[EmailAddress], octets: int) -> EmailAddress | None:
    return next((mailbox for mailbox in mailboxes if not store.has_room(mailbox, octets)), None)


def login_gate(site: Site, service: LoginService, interface: Any, avatar: AvatarFactory) -> LoginGate:
    """A service's way in, over the users of the site."""
    limits, logins = site.configuration.limits, site.logins
    return LoginGate(
        service=service,
        interface=interface,
        portal=build_portal(logins.directory, {interface: avatar}, tokens=logins.tokens),
        keys_of=partial(scram_keys, logins.directory),
        sleep=lambda seconds: sleep(site.reactor, seconds),
        sessions=logins.sessions,
        mechanisms=site.configuration.login.mechanisms,
        delay=GrowingDelay(limits.login_failure_delay, limits.login_failure_delay_most),
        deadline=FailureDeadline(time.monotonic, partial(random.SystemRandom().uniform, 0.0, JITTER)),
        challenge_delay=limits.login_challenge_delay,
        guesses=logins.guesses,
        admissions=logins.rechecks.admissions,
        log=logins.log,
    )


def imap_factory(site: Site, service: IMAPService, *, implicit_tls: bool = False) -> Any:
    """Sessions of IMAP."""
    make = partial(IMAPServer, service, *_client_session(site, "imap"), implicit_tls=implicit_tls)
    return session_factory(site, "imap", make, TOO_MANY_IMAP_CONNECTIONS, implicit_tls=implicit_tls)


def pop3_factory(site: Site, service: POP3Service, *, implicit_tls: bool = False) -> Any:
    """Sessions of POP3."""
    make = partial(POP3Server, service, *_client_session(site, "pop3"), implicit_tls=implicit_tls)
    return session_factory(site, "pop3", make, TOO_MANY_POP3_CONNECTIONS, implicit_tls=implicit_tls)


def _client_session(site: Site, protocol: str) -> tuple[SessionLimits, ServerTls | None]:
    """What a session shell of IMAP or POP3 keeps to: its limits, and TLS for those who ask for it."""
    return login_session_limits(site.configuration.limits), site.certificates.context(protocol)


def imap_service(site: Site) -> IMAPService:
    """What the sessions of IMAP share."""

    mailboxes = first_mailboxes(site.configuration.mailboxes)

    async def avatar(user: User) -> IMAPAccount:
        lane = site.lanes.store.of(str(user.address))
        account = await lane.run(site.store.account, user.address)
        return await open_account(account, lane, mailboxes, partial(site.feeding.want, lane=lane))

    return IMAPService(
        hostname=site.configuration.hostname,
        gate=login_gate(site, LoginService.IMAP, IAccountIMAP, avatar),
        allow_plaintext=site.configuration.login.allow_plaintext,
        limits=imap_limits(site.configuration.limits),
        condstore=site.configuration.imap.condstore,
        crew=site.crew,
    )


def first_mailboxes(mailboxes: Mailboxes) -> FirstMailboxes:
    """The configured mailboxes that a user finds at first login."""
    uses = {name: SpecialUse[use.upper()] for name, use in mailboxes.special_use.items()}
    return FirstMailboxes(uses, mailboxes.create_at_first_login)


def pop3_service(site: Site) -> POP3Service:
    """What the sessions of POP3 share, inside TLS from the first octet or not: one maildrop, one session."""

    async def avatar(user: User) -> POP3Maildrop:
        lane = site.lanes.store.of(str(user.address))
        return POP3Maildrop(await lane.run(site.store.account, user.address), lane)

    return POP3Service(
        hostname=site.configuration.hostname,
        gate=login_gate(site, LoginService.POP3, IMailboxPOP3, avatar),
        allow_plaintext=site.configuration.login.allow_plaintext,
        marks_seen=site.configuration.pop3.marks_seen,
        limits=pop3_limits(site.configuration.limits),
    )
