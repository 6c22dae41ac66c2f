"""The configuration's model: the keys of `mailboxd.yaml`, their types, defaults and bounds.

A key's docstring is its description in `docs/configuration.md` and in the editors' JSON schema. There are no unions
of models: one wrong key would be told as a fault of every branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, Strict, model_validator

from mailbox_d.address import EmailAddress
from mailbox_d.config.client_certificates import ClientCertificates
from mailbox_d.config.endpoints import Endpoint, EndpointText
from mailbox_d.config.faults import Refusal
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.config.limits import Limits
from mailbox_d.config.outgoing import Dkim, Queue, Record
from mailbox_d.config.scalars import (
    DomainName,
    FilePath,
    GroupName,
    Hostname,
    MailAddress,
    MailboxName,
    RealmName,
    SocketMode,
)
from mailbox_d.config.section import Section
from mailbox_d.config.tokens import Tokens
from mailbox_d.config.units import DAY, MINUTE, Count, Duration

K = TypeVar("K")
V = TypeVar("V")

CONTROL_SOCKET = "control.sock"
DKIM_FOLDER = "dkim"


def _freeze(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(mapping))


Endpoints: TypeAlias = Annotated[tuple[Annotated[Endpoint, EndpointText()], ...], Strict(False)]


class Storage(Section):
    """Where mail and everything else that lasts is kept."""

    maildirs: Annotated[Path, FilePath()]
    """The folder of the Maildirs: `<maildirs>/<domain>/<local part>/Maildir`."""

    state: Annotated[Path, FilePath()]
    """The folder for what the daemon keeps for itself: queue, keys, indexes, pid."""

    newline: Literal["lf", "crlf"] = "lf"
    """The line ends of the files written: `lf` as every Maildir program writes them, or `crlf` as on the wire."""


class Listeners(Section):
    """Twisted endpoint strings (`tcp:`, `unix:`, `systemd:`) under the kind of service."""

    smtp: Endpoints = ()
    """Mail from other servers: no relaying, STARTTLS offered, AUTH never."""

    submission: Endpoints = ()
    """Mail from users: STARTTLS, then AUTH."""

    submissions: Endpoints = ()
    """Mail from users: TLS from the first byte, then AUTH."""

    lmtp: Endpoints = ()
    """Mail from a local mail server (RFC 2033): best a unix socket, as whoever connects may deliver."""

    imap: Endpoints = ()
    """IMAP with STARTTLS."""

    imaps: Endpoints = ()
    """IMAP with TLS from the first byte."""

    pop3: Endpoints = ()
    """POP3 with STLS."""

    pop3s: Endpoints = ()
    """POP3 with TLS from the first byte."""


class CertificatePair(Section):
    """A certificate with its chain, and its key."""

    certificate: Annotated[Path, FilePath()]
    """The certificate in PEM, its chain behind it."""

    key: Annotated[Path, FilePath()]
    """The private key in PEM, without a password."""


class Tls(Section):
    """The certificates of all services."""

    certificates: Annotated[tuple[CertificatePair, ...], Strict(False)] = ()
    """Pairs, chosen by the name that the client asks for (SNI); the first is the default."""

    directory: Annotated[Path, FilePath()] | None = None
    """A folder in certbot's layout: in it a folder a name, with `fullchain.pem` and `privkey.pem`."""

    reload_interval: Annotated[float, Duration(least=1, most=DAY)] = MINUTE
    """How often the certificates' files are looked at for changes."""


class Realm(Section):
    """A source of users; exactly one of its kinds is given."""

    yaml: Annotated[Path, FilePath()] | None = None
    """A file of users and aliases, read again when it changes."""

    ldap: LdapRealm | None = None
    """An LDAP directory."""

    provision: bool = True
    """Whether a user's Maildir is made where it is missing. With false their mail is put off until it is there."""

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Realm:
        given = [name for name in ("yaml", "ldap") if getattr(self, name) is not None]
        if len(given) != 1:
            problem = "yaml and ldap are both given" if given else "the realm has no source of users"
            raise Refusal(problem, "either yaml or ldap")
        return self


class Domain(Section):
    """A domain whose mail is delivered here."""

    realm: Annotated[str, RealmName()]
    """The realm that knows the domain's users."""

    catch_all: Annotated[EmailAddress, MailAddress()] | None = None
    """The address that takes mail for the domain's unknown addresses; null: they are refused."""

    tls: CertificatePair | None = None
    """A certificate for this domain's names, beside those of `tls`."""


SaslMechanism: TypeAlias = Literal["PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"]

BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")
BY_CERTIFICATE = "EXTERNAL"


class Login(Section):
    """How users may log in."""

    allow_plaintext: bool = False
    """Whether IMAP and POP3 take a password before TLS. Submission always wants TLS before AUTH."""

    mechanisms: Annotated[tuple[SaslMechanism, ...], Strict(False)] = ("PLAIN", "LOGIN")
    """The SASL mechanisms that users may log in by, alike on submission, IMAP and POP3; without `PLAIN` and `LOGIN`
    IMAP's LOGIN and POP3's PASS are not taken either. `SCRAM-SHA-256` is for sites whose passwords are all stored as
    `{SCRAM-SHA-256}` or `{PLAIN}`: clients that know it ask for nothing else. Inside TLS it brings `SCRAM-SHA-256-PLUS`
    along. `OAUTHBEARER` and `XOAUTH2` take what `tokens` says, `EXTERNAL` what `client_certificates` says."""

    upgrade_hashes: bool = False
    """Whether a password that is stored by an older scheme, or at a lower cost than today's, is stored anew in the
    users file when its owner next logs in with it: as `{ARGON2ID}`, or as `{SCRAM-SHA-256}` where that mechanism is
    offered. The daemon must be able to write the file and its folder."""

    tokens: Tokens | None = None
    """Whose tokens prove an address to `OAUTHBEARER` and `XOAUTH2`."""

    client_certificates: ClientCertificates | None = None
    """Whose certificates prove an address to `EXTERNAL`; where that is not named, nobody is asked for one."""

    @model_validator(mode="after")
    def _tokens_have_an_issuer(self) -> Login:
        named = [name for name in BY_TOKEN if name in self.mechanisms]
        if named and self.tokens is None:
            raise Refusal(f"{named[0]} needs tokens", "a section tokens, or other mechanisms")
        return self

    @model_validator(mode="after")
    def _certificates_have_authorities(self) -> Login:
        if BY_CERTIFICATE in self.mechanisms and self.client_certificates is None:
            raise Refusal("EXTERNAL needs client_certificates", "a section client_certificates, or other mechanisms")
        return self


Use: TypeAlias = Literal["drafts", "sent", "trash", "junk", "archive"]


class Mailboxes(Section):
    """What every user finds at first login."""

    special_use: Annotated[dict[Annotated[str, MailboxName()], Use], AfterValidator(_freeze)] = Field(
        default={"Drafts": "drafts", "Sent": "sent", "Trash": "trash", "Junk": "junk", "Archive": "archive"},
        validate_default=True,
    )
    """What mailboxes of these names are for (RFC 6154), which clients are told. Several may be for one thing: the first
    is made where none of them exists."""

    create_at_first_login: bool = True
    """Whether these mailboxes are made and subscribed to."""


class Imap(Section):
    """What IMAP offers."""

    condstore: bool = True
    """Whether clients are told mod-sequences, and what has happened since they were last there (CONDSTORE and QRESYNC,
    RFC 7162). Off while Dovecot serves the same mailboxes, whose mod-sequences are others."""


class Pop3(Section):
    """How POP3 and IMAP share a mailbox."""

    marks_seen: bool = True
    """Whether a message that a client retrieved is seen (`\\Seen`) from its QUIT on, as with Dovecot."""


class Quota(Section):
    """What happens when a mailbox is full. How much each user may keep is said where the users are."""

    when_full: Literal["retry", "refuse"] = "retry"
    """What other servers are told: to try again later, or that the message is refused for good."""

    grace_percent: Annotated[int, Count(least=0, most=100)] = 10
    """By how much of the quota the message that fills a mailbox may go beyond it."""


class Control(Section):
    """The socket by which `mailboxctl` asks the daemon."""

    socket: Annotated[Path, FilePath()] | None = None
    """The socket's path; null: `control.sock` in `storage.state`."""

    mode: Annotated[int, SocketMode()] = Field(default=0o660)
    """The permissions of the socket's file, such as "660". Whoever connects is asked for by the kernel besides."""

    group: Annotated[str, GroupName()] | None = None
    """A group whose members may ask too, beside root and the daemon's own user; the socket is given to it."""


class Configuration(Section):
    """Everything that `mailboxd.yaml` says. Paths are absolute, domain names in lower-case A-labels."""

    hostname: Annotated[str, Hostname()]
    """The server's own name, in greetings, Received and Message-ID."""

    storage: Storage
    """Where mail and everything else that lasts is kept."""

    listeners: Listeners
    """Where each service listens."""

    tls: Tls = Tls()
    """The certificates of all services."""

    realms: Annotated[dict[Annotated[str, RealmName()], Realm], AfterValidator(_freeze)]
    """The sources of users, by names of your own."""

    domains: Annotated[dict[Annotated[str, DomainName()], Domain], AfterValidator(_freeze)]
    """The domains whose mail is delivered here, in order: the first that has a postmaster serves <postmaster>."""

    login: Login = Login()
    """How users may log in."""

    mailboxes: Mailboxes = Field(default_factory=Mailboxes)
    """What every user finds at first login."""

    imap: Imap = Imap()
    """What IMAP offers."""

    pop3: Pop3 = Pop3()
    """How POP3 and IMAP share a mailbox."""

    quota: Quota = Quota()
    """What happens when a mailbox is full."""

    limits: Limits = Limits()
    """What strangers and users may cost."""

    queue: Queue = Queue()
    """Outgoing mail."""

    dkim: Dkim = Dkim()
    """The signatures of outgoing mail."""

    record: Record = Record()
    """What is remembered of each message."""

    control: Control = Control()
    """The socket by which `mailboxctl` asks the daemon."""

    @property
    def dkim_keys(self) -> Path:
        """The folder of the keys for signatures."""
        return self.dkim.keys or self.storage.state / DKIM_FOLDER

    @property
    def control_socket(self) -> Path:
        """Where the control socket lies."""
        return self.control.socket or self.storage.state / CONTROL_SOCKET
