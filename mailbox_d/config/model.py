"""The configuration's model: the keys of `mailboxd.yaml`, their types, defaults and bounds.

A key's docstring is its description in `docs/configuration.md` and in the editors' JSON schema. There are no unions
of models: one wrong key would be told as a fault of every branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, model_validator

from mailbox_d.address import EmailAddress
from mailbox_d.config.endpoints import Endpoint, EndpointText
from mailbox_d.config.faults import Refusal
from mailbox_d.config.scalars import (
    DomainName,
    FilePath,
    GroupName,
    Hostname,
    IPNetwork,
    LdapUri,
    MailAddress,
    MailboxName,
    Network,
    Port,
    RealmName,
    Server,
    ServerAddress,
    SocketMode,
    Text,
)
from mailbox_d.config.units import DAY, GIB, HOUR, KIB, MIB, MINUTE, Count, Duration, Size

K = TypeVar("K")
V = TypeVar("V")

DNS_PORT = 53
SMTP_PORT = 25
CONTROL_SOCKET = "control.sock"


def _freeze(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(mapping))


Endpoints: TypeAlias = Annotated[tuple[Annotated[Endpoint, EndpointText()], ...], Strict(False)]


class Section(BaseModel):
    """The base of all sections: no unknown keys, no conversion of types, no change once read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)


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


class LdapRealm(Section):
    """Users in an LDAP directory."""

    uris: Annotated[tuple[Annotated[str, LdapUri()], ...], Strict(False)]
    """The servers (`ldaps:`, `ldap:`, `ldapi:`), tried in order."""

    ca: Annotated[Path, FilePath()] | None = None
    """The authorities that the servers' certificates are checked against, in PEM; null: the system's."""

    starttls: Literal["required", "none"] = "required"
    """Whether `ldap:` connections turn to TLS first; `none` is for tests on the loopback interface."""

    bind_dn: Annotated[str, Text()] | None = None
    """The name with which the daemon searches; null: anonymously."""

    bind_password_file: Annotated[Path, FilePath()] | None = None
    """A file with the password of `bind_dn`."""

    base: Annotated[str, Text()]
    """Where the search begins."""

    user_filter: Annotated[str, Text()] = "(&(objectClass=inetOrgPerson)(mail={address}))"
    """The filter that finds a user; `{address}` stands for the escaped address."""


class Realm(Section):
    """A source of users; exactly one of its kinds is given."""

    yaml: Annotated[Path, FilePath()] | None = None
    """A file of users and aliases, read again when it changes."""

    ldap: LdapRealm | None = None
    """An LDAP directory."""

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


class Login(Section):
    """How users may log in."""

    allow_plaintext: bool = False
    """Whether IMAP and POP3 take a password before TLS. Submission always wants TLS before AUTH."""


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


class Limits(Section):
    """What strangers and users may cost. Sizes are octets."""

    # Mail
    message_size: Annotated[int, Size(least=64 * KIB, most=4 * GIB)] = 50 * MIB
    """A message, header and all; announced by SIZE (RFC 1870)."""

    header_size: Annotated[int, Size(least=64 * KIB)] = MIB
    """The whole header of a message."""

    header_fields: Annotated[int, Count(least=100)] = 10_000
    """Fields of a message's header."""

    received_hops: Annotated[int, Count(least=10, most=1000)] = 50
    """Received fields, above which a message is taken to be in a loop."""

    recipients_per_message: Annotated[int, Count(least=100, most=100_000)] = 1000
    """Recipients of one message; RFC 5321 demands 100 at least."""

    messages_per_user_per_day: Annotated[int, Count(least=0)] = 1000
    """Messages that a user may submit in a day; 0: no limit."""

    # Connections
    connections: Annotated[int, Count(least=0)] = 10_000
    """Connections of all kinds at once; 0: no limit."""

    connections_per_address: Annotated[int, Count(least=0)] = 50
    """Connections of one client address (IPv6: of one /64) at once; 0: no limit."""

    connections_per_user: Annotated[int, Count(least=0)] = 20
    """Connections of one logged-in user at once; 0: no limit."""

    threads_per_user: Annotated[int, Count(least=1, most=100)] = 50
    """Of the threads that wait for the disk, the percentage that one user's work may hold at once; 100: all."""

    exempt: Annotated[tuple[Annotated[IPNetwork, Network()], ...], Strict(False)] = ()
    """Addresses and networks without connection and rate limits; their failed logins are slowed all the same."""

    input_buffer: Annotated[int, Size(least=4 * KIB, most=16 * MIB)] = 64 * KIB
    """Input of one connection held before it is worked on, and one read of 64 KiB more; who sends more waits."""

    message_in_memory: Annotated[int, Size(most=16 * MIB)] = 64 * KIB
    """Of a message that comes in, what is held in memory before it goes to a file."""

    large_messages_memory: Annotated[int, Size(most=GIB)] = 16 * MIB
    """Memory that all large messages that come in share for larger writes; 0: none, they are written in small ones."""

    input_buffer_preauth: Annotated[int, Size(least=4 * KIB, most=16 * MIB)] = 32 * KIB
    """The same before login."""

    output_buffer: Annotated[int, Size(least=4 * KIB, most=16 * MIB)] = 64 * KIB
    """Output held for a client that does not read; the work for it pauses above this."""

    # Bad manners
    unknown_recipients: Annotated[int, Count(least=1)] = 20
    """Unknown recipients, and strangers' attempts to relay, in one SMTP connection, after which it is closed."""

    unknown_recipient_delay: Annotated[float, Duration(most=MINUTE)] = 0.25
    """The wait before the answer to an unknown recipient, for each one before it in the connection; 5 s at most."""

    bad_commands: Annotated[int, Count(least=1)] = 10
    """Unknown, malformed or misplaced SMTP commands in one connection, after which it is closed."""

    junk_commands: Annotated[int, Count(least=1)] = 100
    """NOOP, RSET, HELP and VRFY without a message between them, after which an SMTP connection is closed."""

    commands_before_login: Annotated[int, Count(least=10)] = 100
    """Commands of an IMAP or POP3 client that has not logged in, after which its connection is closed."""

    login_failures: Annotated[int, Count(least=1, most=100)] = 3
    """Failed logins in one connection, after which it is closed."""

    login_failure_delay: Annotated[float, Duration(most=MINUTE)] = 2.0
    """The wait before the answer to a failed login; it doubles with each failure."""

    login_failure_delay_most: Annotated[float, Duration(most=MINUTE)] = 15.0
    """The longest wait before the answer to a failed login."""

    data_minimum_rate: Annotated[int, Size(most=MIB)] = 500
    """Octets a second below which a client that sends a message is cut off; 0: no limit."""

    # SMTP
    smtp_command_line: Annotated[int, Size(least=512, most=MIB)] = 2 * KIB
    """An SMTP command with its line end; RFC 5321 demands 512, extensions some hundred more."""

    smtp_auth_line: Annotated[int, Size(least=512, most=MIB)] = 12 * KIB
    """A line of an AUTH exchange with its line end (RFC 4954 section 4)."""

    # IMAP
    imap_command: Annotated[int, Size(least=8 * KIB, most=16 * MIB)] = 64 * KIB
    """An IMAP command after login, without its literals."""

    imap_preauth_command: Annotated[int, Size(least=KIB, most=MIB)] = 8 * KIB
    """An IMAP command before login, literals and all."""

    imap_literal: Annotated[int, Size(least=4 * KIB, most=64 * MIB)] = MIB
    """The literals of an IMAP command together, APPEND's message aside."""

    imap_search_keys: Annotated[int, Count(least=100, most=100_000)] = 1000
    """Keys of one SEARCH; they are looked for together, message by message."""

    imap_search_text: Annotated[int, Size(most=16 * MIB)] = MIB
    """Text of one message that is kept, folded, so that SEARCH need not read it again; of one with more, its body or
    all of it is read each time. 0: nothing is kept."""

    imap_index_file: Annotated[int, Size(least=MIB, most=64 * GIB)] = GIB
    """What is kept for FETCH of all of a user's messages (`mailboxd.index`); where it is full, no further answers are
    remembered."""

    imap_search_file: Annotated[int, Size(least=MIB, most=64 * GIB)] = GIB
    """What is kept for SEARCH of all of a user's messages (`mailboxd.text`); those beyond it are read each time."""

    imap_fetch_attributes: Annotated[int, Count(least=100, most=100_000)] = 300
    """Attributes of one FETCH, such as headers of parts."""

    imap_fetch_ahead: Annotated[int, Size(most=256 * MIB)] = 4 * MIB
    """What child processes may find out ahead of one FETCH of many messages that nobody has looked at yet. 0: nobody
    goes ahead of FETCH."""

    imap_expunges: Annotated[int, Count(least=10, most=1_000_000)] = 10_000
    """Removed messages of a mailbox of which is remembered when they went; a client that was away for longer is told of
    all that are not there (QRESYNC)."""

    imap_bad_commands: Annotated[int, Count(least=1)] = 20
    """Unknown or malformed IMAP commands after login, after which the connection is closed."""

    imap_bad_commands_preauth: Annotated[int, Count(least=1)] = 3
    """The same before login."""

    subscriptions: Annotated[int, Size(least=16 * KIB, most=64 * MIB)] = 4 * MIB
    """A user's subscriptions, as the file `subscriptions` holds them; of a longer one, that much is told."""

    # What is understood of a message's parts when it is read
    mime_depth: Annotated[int, Count(least=10, most=200)] = 100
    """Parts within parts; what lies deeper is shown as one opaque part."""

    mime_parts: Annotated[int, Count(least=100, most=100_000)] = 10_000
    """Parts of one message; what follows belongs to the last of them."""

    mime_header: Annotated[int, Size(least=16 * KIB, most=16 * MIB)] = 256 * KIB
    """Octets of one header that are looked at; the fields behind them are shown and not understood."""

    mime_headers: Annotated[int, Size(least=64 * KIB, most=64 * MIB)] = 4 * MIB
    """The same of all headers of one message, its parts' headers included."""

    mime_addresses: Annotated[int, Count(least=100, most=100_000)] = 1000
    """Addresses of one field that ENVELOPE tells."""

    mime_parameters: Annotated[int, Count(least=20, most=10_000)] = 100
    """Parameters of one Content-Type or Content-Disposition."""

    # POP3
    pop3_command_line: Annotated[int, Size(least=255, most=MIB)] = 512
    """A POP3 command with its line end; RFC 2449 section 4 demands 255."""

    pop3_bad_commands: Annotated[int, Count(least=1)] = 20
    """Unknown, malformed or misplaced POP3 commands in a row after login, after which the connection is closed."""

    pop3_bad_commands_preauth: Annotated[int, Count(least=1)] = 3
    """Such POP3 commands before login, after which the connection is closed."""

    # The control socket
    control_connections: Annotated[int, Count(least=1, most=100)] = 4
    """Connections to the control socket at once; each may have one request under way."""

    control_line: Annotated[int, Size(least=KIB, most=MIB)] = 16 * KIB
    """A request to the control socket with its line end."""

    control_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 30.0
    """For the next request to come over the control socket."""

    control_job: Annotated[float, Duration(least=1, most=7 * DAY)] = DAY
    """For the work that a request to the control socket makes."""

    # Time
    greeting_delay: Annotated[float, Duration(most=MINUTE)] = 0.0
    """How long an SMTP client from outside must wait for the greeting; one that speaks earlier is turned away."""

    tls_handshake_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 30.0
    """For a TLS handshake."""

    login_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 3 * MINUTE
    """For an IMAP or POP3 client to log in."""

    command_timeout: Annotated[float, Duration(least=0.1, most=DAY)] = 5 * MINUTE
    """For the next SMTP command, whole; RFC 5321 section 4.5.3.2.7 recommends 5 min."""

    smtp_data_timeout: Annotated[float, Duration(least=0.1, most=DAY)] = 10 * MINUTE
    """Silence within a message that is sent; RFC 5321 section 4.5.3.2.5 recommends 3 min at least."""

    idle_timeout: Annotated[float, Duration(least=0.1, most=7 * DAY)] = 30 * MINUTE
    """Silence of a logged-in IMAP client; RFC 9051 section 5.4 demands 30 min at least."""

    pop3_idle_timeout: Annotated[float, Duration(least=0.1, most=7 * DAY)] = 10 * MINUTE
    """Silence of a logged-in POP3 client; RFC 1939 section 3 demands 10 min at least."""

    imap_idle_time: Annotated[float, Duration(least=0.1, most=7 * DAY)] = 35 * MINUTE
    """For an IMAP client to end IDLE, which it should begin anew after 29 min (RFC 2177)."""

    imap_idle_poll: Annotated[float, Duration(least=0.1, most=HOUR)] = 5.0
    """How often the mailbox of a client in IDLE is looked at for what other programs did."""

    write_timeout: Annotated[float, Duration(least=0.1, most=DAY)] = 5 * MINUTE
    """For a client to read what waits for it."""

    password_cache: Annotated[float, Duration(most=HOUR)] = 5 * MINUTE
    """How long a successful login is remembered, so that the next needs no hashing; 0 s: not at all."""


class Relay(Section):
    """A server that takes all outgoing mail."""

    host: Annotated[str, Hostname()]
    """Its name."""

    port: Annotated[int, Port()] = 587
    """Its port; 465 begins with TLS, others turn to it by STARTTLS."""

    username: Annotated[str, Text()] | None = None
    """The name to log in with; null: no login."""

    password_file: Annotated[Path, FilePath()] | None = None
    """A file with the password."""

    @model_validator(mode="after")
    def _name_and_password_together(self) -> Relay:
        if (self.username is None) != (self.password_file is None):
            raise Refusal("one of username and password_file is missing", "both of them, or neither")
        return self


class Queue(Section):
    """Outgoing mail."""

    relay: Relay | None = None
    """The server that takes all outgoing mail; null: each domain's own, by MX."""

    resolver: Annotated[ServerAddress, Server(DNS_PORT)] | None = None
    """The DNS server to ask, such as `127.0.0.1:5353`; null: the system's."""

    port: Annotated[int, Port()] = SMTP_PORT
    """The port where MX hosts listen; other values than 25 are for tests."""


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

    control: Control = Control()
    """The socket by which `mailboxctl` asks the daemon."""

    @property
    def control_socket(self) -> Path:
        """Where the control socket lies."""
        return self.control.socket or self.storage.state / CONTROL_SOCKET
