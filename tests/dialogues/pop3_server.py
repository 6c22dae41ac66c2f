"""The POP3 server under test: the user ann@example.org, password secret, and three messages in INBOX.

Options: `tls=no` (it cannot begin), `secure=yes` (TLS from the start), `allow_plaintext=yes`, `sessions=n` (of a user),
`taken=yes` (another session has the maildrop), `mechanisms=PLAIN,SCRAM-SHA-256` (of SASL), and those of `inside_tls`.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.cred.portal import IRealm, Portal
from twisted.mail.interfaces import IMailboxPOP3
from zope.interface import implementer

from mailbox_d.auth.realm import Service
from mailbox_d.net.lanes import InlineLane
from mailbox_d.net.limits import UserSessions
from mailbox_d.net.login import LoginGate
from mailbox_d.net.session import SessionLimits
from mailbox_d.pop3.maildrop import POP3Maildrop
from mailbox_d.pop3.server import POP3Server
from mailbox_d.pop3.service import POP3Limits, POP3Service
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import Account, Store
from tests.dialogues import inside_tls
from tests.dialogues.imap_server import ANN, OneUser, at_once, keys_of, mechanisms_of
from tests.dialogues.memory import Connection, MemoryTransport

HELLO = b"From: bob@example.org\r\nSubject: hello\r\n\r\nHello Ann,\r\nthis is Bob.\r\n"
DOTS = b"Subject: dots\r\n\r\n.\r\n..\r\n. .\r\nno last line end."
LONG = b"Subject: long\r\n\r\n1\r\n2\r\n3\r\n"


@implementer(IRealm)
class OneMaildrop:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.logged_out = 0

    def requestAvatar(self, avatarId: bytes, mind: object, *interfaces: object) -> tuple[object, POP3Maildrop, object]:
        return IMailboxPOP3, self.maildrop(self.store.account(ANN)), self._log_out

    def maildrop(self, account: Account) -> POP3Maildrop:
        return POP3Maildrop(account, InlineLane())

    def _log_out(self) -> None:
        self.logged_out += 1


def filled_store(*messages: bytes) -> MemoryStore:
    store = MemoryStore()
    inbox = store.account(ANN).open("INBOX")
    for message in messages:
        inbox.add(message)
    return store


def pop3_service(
    store: Store,
    *,
    allow_plaintext: bool = False,
    marks_seen: bool = True,
    sessions: int = 0,
    limits: POP3Limits | None = None,
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
) -> POP3Service:
    portal = Portal(OneMaildrop(store), [OneUser()])
    gate = LoginGate(Service.POP3, IMailboxPOP3, portal, keys_of, at_once, UserSessions(sessions), mechanisms)
    return POP3Service("mail.example.org", gate, allow_plaintext, marks_seen, limits or POP3Limits())


def pop3_connection(
    service: POP3Service, *, tls: bool = True, secure: bool = False, handle: object = None
) -> Connection:
    server = POP3Server(service, SessionLimits(command_timeout=60.0), object() if tls else None)
    return Connection(server, MemoryTransport(secure=secure, handle=handle))


def pop3_dialogue(options: Mapping[str, str]) -> Connection:
    """The factory that dialogues use."""
    unknown = options.keys() - {"tls", "secure", "allow_plaintext", "sessions", "taken", "mechanisms"}
    unknown -= inside_tls.OPTIONS
    if unknown:
        raise KeyError(*unknown)
    service = pop3_service(
        filled_store(HELLO, DOTS, LONG),
        allow_plaintext=options.get("allow_plaintext") == "yes",
        sessions=int(options.get("sessions", "0")),
        mechanisms=mechanisms_of(options),
    )
    if options.get("taken") == "yes":
        service.locks.take(ANN)
    tls, secure = options.get("tls") != "no", options.get("secure") == "yes"
    return pop3_connection(service, tls=tls, secure=secure, handle=inside_tls.handle_of(options))
