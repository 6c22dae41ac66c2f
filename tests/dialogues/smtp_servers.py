"""SMTP, submission and LMTP servers in memory, for the dialogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from twisted.mail.interfaces import IMessageDelivery

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.portal import build_portal, scram_keys
from mailbox_d.auth.realm import LoggedIn, User
from mailbox_d.auth.realm import Service as LoginService
from mailbox_d.auth.scram_keys import make_keys
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.net.lanes import InlineLane
from mailbox_d.net.limits import UserSessions
from mailbox_d.net.login import LoginGate
from mailbox_d.net.session import SessionLimits
from mailbox_d.policy.mailbox_room import MailboxRoom
from mailbox_d.policy.rate import DailyMessages
from mailbox_d.policy.recipients import Recipients, ServedDomain
from mailbox_d.policy.space import FreeSpace
from mailbox_d.policy.srs import SenderRewriting
from mailbox_d.queue.message import Envelope, Source
from mailbox_d.relay.intake.deliveries import Intake, Outgoing
from mailbox_d.smtp.delivery import UserDelivery
from mailbox_d.smtp.server import SMTPServer
from mailbox_d.smtp.service import Kind, Service, SMTPLimits
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import QuotaLimits
from mailbox_d.store.quota import QuotaRules
from mailbox_d.wire.sasl.scram import ScramKeys
from tests.dialogues.imap_server import mechanisms_of
from tests.dialogues.inside_tls import handle_of
from tests.dialogues.memory import Connection, MemoryTransport

NOW = 1_700_000_000.0


class SampleRealm:
    """Alice with an alias of her own, bob, some aliases of the realm; the password is `pass`."""

    name = "staff"

    def __init__(self, *, down: bool = False) -> None:
        alias = EmailAddress.parse("a.smith@example.org")
        self._alice = User(EmailAddress.parse("alice@example.org"), aliases=(alias,))
        self._bob = User(EmailAddress.parse("bob@example.net"))
        self._aliases = {
            EmailAddress.parse("postmaster@example.org"): (self._alice.address,),
            EmailAddress.parse("sales@example.org"): (self._alice.address, self._bob.address),
            EmailAddress.parse("outside@example.org"): (EmailAddress.parse("carol@example.com"),),
            EmailAddress.parse("both@example.org"): (self._alice.address, EmailAddress.parse("outside@example.org")),
        }
        self._down = down
        self.edition = 0

    async def find_user(self, address: EmailAddress) -> User | None:
        self._answer_if_up()
        return next((user for user in (self._alice, self._bob) if user.address == address), None)

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        return next((user for user in (self._alice, self._bob) if address in user.aliases), None)

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        return self._aliases.get(address)

    async def authenticate(self, address: EmailAddress, password: bytes, service: LoginService) -> LoggedIn:
        self._answer_if_up()
        user = await self.find_user(address)
        if user is None or password != b"pass":
            raise AuthenticationFailed("Authentication failed")
        return LoggedIn(user)

    async def scram_keys(self, address: EmailAddress) -> tuple[ScramKeys, bool]:
        self._answer_if_up()
        return make_keys(b"pass", b"sixteen octets.."), address == self._alice.address

    async def by_keys(self, address: EmailAddress, stored_key: bytes, service: LoginService) -> LoggedIn:
        return LoggedIn(self._alice)

    async def objection(self, logged_in: LoggedIn, service: LoginService) -> str:
        return ""

    async def look(self) -> None:
        """Nothing changes."""

    def _answer_if_up(self) -> None:
        if self._down:
            raise AuthenticationUnavailable("Users cannot be looked up now", cause="the directory's host is down")


class SampleTokens:
    """`good` is alice's token; of `unasked` nobody can say anything now."""

    async def address_of(self, token: str) -> EmailAddress:
        if token == "unasked":
            raise AuthenticationUnavailable("The issuer cannot be asked now", cause="https://x: it takes too long")
        if token != "good":
            raise AuthenticationFailed("Authentication failed", cause="it has expired")
        return EmailAddress.parse("alice@example.org")


def smtp(options: Mapping[str, str]) -> Connection:
    return _connection(Kind.SMTP, options)


def submission(options: Mapping[str, str]) -> Connection:
    return _connection(Kind.SUBMISSION, options)


def lmtp(options: Mapping[str, str]) -> Connection:
    return _connection(Kind.LMTP, options)


def _connection(kind: Kind, options: Mapping[str, str]) -> Connection:
    """Options: `limit.<name>=<number>`, `free=<octets>`, `realm=down`, `tls=no`, `daily=<messages>`,
    `greeting_delay=<seconds>`, `quota=<octets>` (alice's), `when_full=refuse`,
    `mechanisms=<SASL's>,…`, `sessions=taken` (all that alice may have),
    `targets=<addresses>` that one may lead to, `queue=yes`: mail for other sites is taken, and those of
    `inside_tls`."""
    connection = Connection(protocol=None, transport=MemoryTransport(handle=handle_of(options)))
    limits = {name.removeprefix("limit."): int(value) for name, value in options.items() if name.startswith("limit.")}
    server = SMTPServer(
        _service(kind, options, SMTPLimits(**{"unknown_recipient_delay": 0.0, **limits}), connection.clock),
        SessionLimits(greeting_delay=float(options.get("greeting_delay", "0"))),
        None if options.get("tls") == "no" else object(),  # type: ignore[arg-type]
    )
    connection.protocol = server
    return connection


class MemoryQueue:
    """Takes mail for other sites, and forgets it."""

    def __init__(self, *, full: bool) -> None:
        self._full = full

    def begin(self, identifier: str, envelope: Envelope, source: Source, user: str, header: bytes) -> MemoryDraft:
        return MemoryDraft()

    def is_full(self) -> bool:
        return self._full


class MemoryDraft:
    def write(self, octets: bytes) -> None:
        pass

    def publish(self) -> None:
        pass

    def schedule(self) -> None:
        pass

    def abort(self) -> None:
        pass


def _outgoing(options: Mapping[str, str]) -> Outgoing | None:
    """`queue`: `yes` or `full`; there is none where it is not said."""
    if "queue" not in options:
        return None
    queue = MemoryQueue(full=options["queue"] == "full")
    return Outgoing(queue, lambda sender, via: sender, lambda: None)


def _service(kind: Kind, options: Mapping[str, str], limits: SMTPLimits, clock: Any) -> Service:
    realm = SampleRealm(down=options.get("realm") == "down")
    bob = EmailAddress.parse("bob@example.net")
    recipients = Recipients(
        {"example.org": ServedDomain(realm), "example.net": ServedDomain(realm, catch_all=bob)},
        most_targets=int(options.get("targets", "1000")),
    )
    directory = Directory({"example.org": realm, "example.net": realm})

    async def free_octets() -> int:
        return int(options.get("free", str(1 << 40)))

    async def avatar(user: User) -> UserDelivery:
        return UserDelivery(user, recipients)

    async def at_once(seconds: float) -> None:
        pass

    quotas = {EmailAddress.parse("alice@example.org"): QuotaLimits(int(options.get("quota", "0")) or None)}
    store = MemoryStore(quotas=QuotaRules(quotas.get))

    async def first_full(mailboxes: Sequence[EmailAddress], octets: int) -> EmailAddress | None:
        return next((mailbox for mailbox in mailboxes if not store.has_room(mailbox, octets)), None)

    sessions = UserSessions(1 if options.get("sessions") == "taken" else 0)
    sessions.admit("alice@example.org")
    portal = build_portal(directory, {IMessageDelivery: avatar}, tokens=SampleTokens())
    return Service(
        kind=kind,
        hostname="mail.example.org",
        recipients=recipients,
        intake=Intake(store, "mail.example.org", _outgoing(options)),
        lane=InlineLane(),
        space=FreeSpace(free_octets, clock.seconds),
        clock=lambda: NOW,
        monotonic=clock.seconds,
        sleep=at_once,
        daily=DailyMessages(int(options.get("daily", "0")), clock.seconds),
        mailbox_room=MailboxRoom(first_full, refuses=options.get("when_full") == "refuse"),
        limits=limits,
        forwarding=SenderRewriting((b"the key of the dialogues",), lambda: NOW),
        gate=LoginGate(
            LoginService.SUBMISSION,
            IMessageDelivery,
            portal,
            partial(scram_keys, directory),
            at_once,
            sessions,
            mechanisms_of(options),
        )
        if kind is Kind.SUBMISSION
        else None,
    )
