"""What the parts of the outbound side tell each other: routes, demands on TLS, what a server did."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from mailbox_d.errors import MailError
from mailbox_d.queue.message import Queued, Recipient
from mailbox_d.wire.dns.records import TLSA, IPAddress


class Undeliverable(MailError):
    """No server can be tried: `temporary` says whether later. `status`: the enhanced status code (RFC 3463)."""

    def __init__(self, public: str, status: str, *, temporary: bool, cause: str = "") -> None:
        super().__init__(public, cause=cause)
        self.status = status
        self.temporary = temporary


@dataclass(frozen=True, slots=True)
class Login:
    """With which a server that takes our mail is logged in to."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Host:
    """A server that may be tried: its name (for TLS and the record), its addresses in the order of trying, and what
    DNS said of it. `secure`: DNSSEC vouches for the name, and for its addresses or that they are another name's.
    `tlsa_name`: of what name it has the `tlsa`: its own, or the one that it stands for."""

    name: str
    port: int
    addresses: tuple[IPAddress, ...]
    tlsa: tuple[TLSA, ...] = ()
    secure: bool = False
    tlsa_name: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """The servers for a domain, best first. `is_relay`: they are configured and not found by MX; then `login`, `tls`
    (verified, encrypted, optional) and `implicit_tls` (port 465) hold. `key` names what connections can be shared by:
    routes of equal keys lead to the same servers."""

    key: str
    domain: str
    hosts: tuple[Host, ...]
    is_relay: bool = False
    login: Login | None = None
    tls: str = "optional"
    implicit_tls: bool = False
    secure: bool = False


class Security(IntEnum):
    """How well a connection is secured."""

    PLAIN = 0
    ENCRYPTED = 1
    """TLS, with whoever answered."""
    AUTHENTICATED = 2
    """TLS with a certificate that is right: by PKIX and name, or by DANE."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class TlsDemand:
    """How a connection to one host must be. `names`: what its certificate may be for, the first what it is asked for;
    `tlsa`: usable records, one of which must fit where there are any; `policy`: for the record, such as `mta-sts`,
    `dane`, `requiretls`, `seen before`, `configured`, `opportunistic`; `needs_requiretls`: the server must know
    REQUIRETLS (RFC 8689)."""

    least: Security = Security.PLAIN
    names: tuple[str, ...] = ()
    tlsa: tuple[TLSA, ...] = ()
    policy: str = "opportunistic"
    needs_requiretls: bool = False


@dataclass(frozen=True, slots=True)
class TlsState:
    """How a connection is. `version`: TLS version and cipher; `problem`: why the certificate is not right, if it is
    not, in words for the record; `failure`: the same as a result type of RFC 8460 section 4.3, if TLS failed."""

    security: Security = Security.PLAIN
    version: str = ""
    problem: str = ""
    failure: str = ""


class Handshake(Protocol):
    """One client's TLS handshake, and the judgement of what came of it."""

    def creator(self) -> Any:
        """An `IOpenSSLClientConnectionCreator` that takes any certificate and remembers what was wrong with it."""

    def state(self, connection: Any) -> TlsState:
        """What came of the handshake, once it is done: from an `OpenSSL.SSL.Connection`."""


class TlsClient(Protocol):
    """Makes handshakes."""

    def handshake(self, host: Host, demand: TlsDemand) -> Handshake:
        """For one connection."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """One message for one server, as on the wire (CRLF line ends): `header`, fields put in front of it, such as
    signatures, then `content`."""

    message: Queued
    recipients: tuple[Recipient, ...]
    content: Content
    header: bytes = b""

    @property
    def octets(self) -> int:
        return len(self.header) + self.content.octets


class Content(Protocol):
    """A message's octets, in wire form."""

    octets: int
    is_eight_bit: bool
    """Whether an octet above 127 stands in the body."""
    has_utf8_header: bool
    """Whether one stands in a header."""

    async def read(self, offset: int, length: int) -> bytes:
        """Up to so many octets; fewer only at the end. Raises `StorageFault`."""


@dataclass(frozen=True, slots=True)
class PeerReply:
    """What a server said: code, enhanced status code (made from the code where it gave none), and what stands behind
    the code, the status too where it gave one, as one printable line."""

    code: int
    status: str
    text: str

    @property
    def is_temporary(self) -> bool:
        return self.code < 500


class PeerFailure(MailError):
    """A conversation that came to nothing, or broke off. `stage`: connect, greeting, hello, tls, login, mail, rcpt,
    data, body, end. `reply`: the server's word, where it is the reason. `may_have_it`: the whole message was sent and
    no reply came. `failure`: a result type of RFC 8460 section 4.3 where TLS is the reason. `may_be_plain`: TLS came
    to nothing where none is demanded, so that the server may be tried again without."""

    def __init__(
        self,
        public: str,
        status: str,
        *,
        stage: str,
        temporary: bool = True,
        reply: PeerReply | None = None,
        may_have_it: bool = False,
        failure: str = "",
        may_be_plain: bool = False,
        cause: str = "",
    ) -> None:
        super().__init__(public, cause=cause)
        self.status = status
        self.stage = stage
        self.temporary = temporary
        self.reply = reply
        self.may_have_it = may_have_it
        self.failure = failure
        self.may_be_plain = may_be_plain


@dataclass(frozen=True, slots=True)
class Handed:
    """What a server said to one recipient: to RCPT where it was refused, else to the message's end."""

    recipient: Recipient
    reply: PeerReply
    taken: bool
