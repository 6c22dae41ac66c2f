"""The IMAP server under test: the user ann@example.org, password secret, and two messages in INBOX.

Options: `tls=no` (it cannot begin), `secure=yes` (TLS from the start), `allow_plaintext=yes`, `sessions=n` (of a user),
`message_size=n` (octets), `first_login=yes` (the mailboxes of a first login are made), `condstore=no`,
`quota=n` (octets, no grace), `quota_messages=n`, `mechanisms=PLAIN,SCRAM-SHA-256` (of SASL), and those of `inside_tls`.
The token `good` is Ann's; while her issuer is down there is only `unasked`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, fail, succeed
from twisted.mail.interfaces import IAccountIMAP
from zope.interface import implementer

from mailbox_d.address import EmailAddress
from mailbox_d.auth.portal import IProofOfUser, ProofOfUser
from mailbox_d.auth.realm import Service
from mailbox_d.auth.scram_keys import make_keys
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.imap.account import IMAPAccount
from mailbox_d.imap.first_login import FirstMailboxes, prepare
from mailbox_d.imap.server import IMAPServer
from mailbox_d.imap.service import IMAPLimits, IMAPService
from mailbox_d.net.lanes import InlineLane
from mailbox_d.net.limits import UserSessions
from mailbox_d.net.login import LoginGate
from mailbox_d.net.session import SessionLimits
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import QuotaLimits, SpecialUse, Store
from mailbox_d.store.quota import QuotaRules
from mailbox_d.wire.imap.framer import FramerLimits
from mailbox_d.wire.sasl.exchange import BearerToken, ByCertificate, Credentials, Proven
from mailbox_d.wire.sasl.scram import ScramKeys
from tests.dialogues import inside_tls
from tests.dialogues.memory import Connection, MemoryTransport

ANN = EmailAddress.parse("ann@example.org")
HELLO = b"From: bob@example.org\r\nSubject: hello\r\n\r\nHello Ann,\r\nthis is Bob.\r\n"
FIRST = {"Drafts": SpecialUse.DRAFTS, "Archive/2024": SpecialUse.ARCHIVE, "Archive": SpecialUse.ARCHIVE}
AGAIN = b"Subject: again\r\n\r\nSecond message.\r\n"


def mechanisms_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """The SASL mechanisms that a dialogue wants served."""
    return tuple(options.get("mechanisms", "PLAIN,LOGIN").split(","))


@implementer(ICredentialsChecker)
class OneUser:
    credentialInterfaces = (IProofOfUser,)

    def requestAvatarId(self, credentials: ProofOfUser) -> Deferred[bytes]:
        match credentials.proof:
            case Credentials("broken@example.org"):
                return fail(AuthenticationUnavailable("The user database does not answer", cause="password of ldap: x"))
            case Credentials("ann@example.org", b"secret") | Proven("ann@example.org"):
                return succeed(b"ann@example.org")
            case BearerToken("ann@example.org" | "", "good"):
                return succeed(b"ann@example.org")
            case ByCertificate("ann@example.org", "" | "ann@example.org"):
                return succeed(b"ann@example.org")
            case ByCertificate("broken@example.org"):
                return fail(AuthenticationUnavailable("The user database does not answer", cause="password of ldap: x"))
            case BearerToken(_, "unasked"):
                return fail(AuthenticationUnavailable("The issuer does not answer", cause="https://x: no answer"))
        return fail(AuthenticationFailed("Authentication failed"))


async def keys_of(name: str, service: Service) -> tuple[ScramKeys, bool]:
    """Ann's keys; anybody else's are made up."""
    return make_keys(b"secret", b"sixteen octets.."), name == "ann@example.org"


@implementer(IRealm)
class OneAccount:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.logged_out = 0

    def requestAvatar(self, avatarId: bytes, mind: object, *interfaces: object) -> tuple[object, IMAPAccount, object]:
        return IAccountIMAP, IMAPAccount(self.store.account(ANN), InlineLane()), self._log_out

    def _log_out(self) -> None:
        self.logged_out += 1


def filled_store(limits: QuotaLimits | None = None) -> MemoryStore:
    store = MemoryStore(quotas=QuotaRules({ANN: limits}.get, grace=0))
    account = store.account(ANN)
    inbox = account.open("INBOX")
    inbox.add(HELLO, internal_date=1e9)
    inbox.add(AGAIN, frozenset({r"\Seen", "work"}), internal_date=1e9)
    account.create("Archive/2024")
    return store


def imap_service(
    store: Store,
    *,
    allow_plaintext: bool = False,
    sessions: int = 0,
    limits: IMAPLimits | None = None,
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
) -> IMAPService:
    portal = Portal(OneAccount(store), [OneUser()])
    gate = LoginGate(Service.IMAP, IAccountIMAP, portal, keys_of, at_once, UserSessions(sessions), mechanisms)
    return IMAPService("mail.example.org", gate, allow_plaintext, limits or IMAPLimits())


async def at_once(seconds: float) -> None:
    """Time passes without being waited for."""


def imap_connection(
    service: IMAPService, *, tls: bool = True, secure: bool = False, handle: object = None
) -> Connection:
    server = IMAPServer(service, SessionLimits(command_timeout=60.0), object() if tls else None)
    return Connection(server, MemoryTransport(secure=secure, handle=handle))


def imap_dialogue(options: Mapping[str, str]) -> Connection:
    """The factory that dialogues use."""
    unknown = options.keys() - {"tls", "secure", "allow_plaintext", "sessions", "message_size", "first_login"}
    unknown -= {"quota", "quota_messages", "condstore", "mechanisms"} | inside_tls.OPTIONS
    if unknown:
        raise KeyError(*unknown)
    small = FramerLimits(line=65536, literals=1000, literal_octets=1 << 20, streams_messages=True, drained=1000)
    octets, messages = (int(options[name]) if name in options else None for name in ("quota", "quota_messages"))
    store = filled_store(QuotaLimits(octets, messages))
    if options.get("first_login") == "yes":
        prepare(store.account(ANN), FirstMailboxes(FIRST))
    service = imap_service(
        store,
        allow_plaintext=options.get("allow_plaintext") == "yes",
        sessions=int(options.get("sessions", "0")),
        limits=IMAPLimits(message_size=int(options.get("message_size", "500")), after_login=small),
        mechanisms=mechanisms_of(options),
    )
    service = replace(service, condstore=options.get("condstore") != "no")
    tls, secure = options.get("tls") != "no", options.get("secure") == "yes"
    return imap_connection(service, tls=tls, secure=secure, handle=inside_tls.handle_of(options))
