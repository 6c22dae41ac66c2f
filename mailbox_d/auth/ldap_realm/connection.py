"""One connection to one LDAP server, over ldap3; its waiting and reading are ours, so that both have bounds."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from typing_extensions import ParamSpec

from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS, LdapBounds
from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.entries import Entry
from mailbox_d.auth.ldap_realm.host_addresses import HostAddresses, SocketAddress
from mailbox_d.auth.ldap_realm.library import (
    ANONYMOUS,
    BASE,
    NONE,
    SUBTREE,
    AuthenticationChoice,
    BindRequest,
    Connection,
    LDAPExceptionError,
    LDAPInvalidDnError,
    LDAPInvalidFilterError,
    LDAPSessionTerminatedByServerError,
    LDAPSocketSendError,
    Server,
    Simple,
    SyncStrategy,
    Version,
)
from mailbox_d.auth.ldap_realm.open_sockets import OpenSockets

P = ParamSpec("P")
T = TypeVar("T")

SEQUENCE = b"\x30"
"""What every message begins with (X.690 section 8.9)."""
ENUMERATED = b"\x0a"
"""What the code of a result begins with (X.690 section 8.4)."""

STARTTLS = "1.3.6.1.4.1.1466.20037"
SUCCESS, SIZE_LIMIT_EXCEEDED = 0, 4
NO_SUCH_ENTRY = frozenset({32, 34})
"""Result codes for a DN of nothing, or what is no DN."""
WRONG_PASSWORD = frozenset({19, 32, 34, 48, 49, 50, 53})
"""Result codes by which servers say that a bind is not to be: also for entries without a password, locked ones, and
names of nobody (RFC 4511 section 4.1.9)."""
ELSEWHERE = frozenset({1, 8, 13, 51, 52})
"""Result codes of a search that another server may do better than."""
BUSY = frozenset({51, 52})
"""Those of them that say the same of a bind."""


class ServerFault(Exception):
    """The server cannot be used, or talks nonsense; the connection is of no more use."""


class ConnectionGone(ServerFault):
    """The server has ended the connection, as it may do at any time."""


class AnswerFault(Exception):
    """The server is well, and says what cannot be worked with: this one question has no answer."""


class EndlessAnswer(AnswerFault):
    """The answer is larger than one may be; what is left of it is not waited for, so the connection is of no use."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to come to a server: its URI, the TLS to speak with it (None: none), seconds for each step, what an answer
    may be, who tells hosts' addresses, and who is told of its sockets."""

    uri: str
    tls: ssl.SSLContext | None
    timeout: float
    bounds: LdapBounds = DEFAULT_BOUNDS
    addresses: HostAddresses = field(default_factory=HostAddresses)
    sockets: OpenSockets = field(default_factory=OpenSockets)


class LdapConnection:
    """An open connection. All methods block for at most the way's timeout, and raise `ServerFault`; what asks a
    question raises `AnswerFault` too."""

    def __init__(self, way: Way) -> None:
        self.uri = way.uri
        self._way = way
        self._ldap = _Connection()
        self._guarded(self._open)

    def bind(self, dn: str, password: bytes) -> bool:
        """Whether the server lets this name in with this password (RFC 4511 section 4.2)."""
        if not dn or not password:
            raise ValueError("a bind without a name or a password proves nothing")
        return self._guarded(self._bind, dn, password)

    def search(self, query: Query) -> tuple[Entry, ...]:
        """What a search finds, two entries at most."""
        return self._guarded(self._search, query)

    def close(self) -> None:
        """End the connection."""
        self._ldap.strategy.close()

    def _guarded(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work` within the time; whatever goes wrong in it is the server's fault, as the octets are the server's."""
        self._ldap.strategy.begin(self._way)
        try:
            return work(*args, **kwargs)
        except (ServerFault, AnswerFault):
            raise
        except (LDAPInvalidFilterError, LDAPInvalidDnError) as error:
            raise AnswerFault(f"{self.uri}: {error}") from error
        except (LDAPSocketSendError, LDAPSessionTerminatedByServerError) as error:
            raise ConnectionGone(f"{self.uri}: {error}") from error
        except (OSError, LDAPExceptionError) as error:
            raise ServerFault(f"{self.uri}: {error}") from error
        except Exception as error:  # a decoder's surprise at what it was given to decode
            raise ServerFault(f"{self.uri}: what it says cannot be read ({type(error).__name__})") from error

    def _open(self) -> None:
        parts = urlsplit(self.uri)
        self._ldap.strategy.connect(self._way)
        try:
            if parts.scheme == "ldap" and self._way.tls is not None:
                if not self._ldap.extended(STARTTLS):
                    raise ServerFault(f"{self.uri}: no STARTTLS ({self._ldap.result['description']})")
                self._ldap.strategy.begin_tls(self._way)
        except BaseException:
            self.close()
            raise

    def _bind(self, dn: str, password: bytes) -> bool:
        request = BindRequest()
        request["version"] = Version(3)
        request["name"] = dn
        said = Simple(password, encoding="iso-8859-1")  # ldap3 makes text of it for itself; the octets stay as they are
        request["authentication"] = AuthenticationChoice().setComponentByName("simple", said)
        self._ldap.post_send_single_response(self._ldap.send("bindRequest", request, None))
        result = self._ldap.result
        if result["type"] != "bindResponse":
            raise ServerFault(f"{self.uri}: a bind answered by {result['type']}")
        if result["result"] == SUCCESS:
            return True
        if result["result"] in WRONG_PASSWORD:
            return False
        fault = ServerFault if result["result"] in BUSY else AnswerFault
        raise fault(f"{self.uri}: bind as {dn}: {result['description']}")

    def _search(self, query: Query) -> tuple[Entry, ...]:
        self._ldap.search(
            query.base,
            query.filter,
            BASE if query.this_entry else SUBTREE,
            attributes=list(query.attributes) or ["1.1"],
            size_limit=2,
            time_limit=max(1, int(self._way.timeout)),
        )
        code = self._ldap.result["result"]
        if self._ldap.result["type"] != "searchResDone" or code in ELSEWHERE:
            raise ServerFault(f"{self.uri}: search: {self._ldap.result['description']}")
        if code in NO_SUCH_ENTRY and query.this_entry and not query.is_known:
            return ()
        if code not in (SUCCESS, SIZE_LIMIT_EXCEEDED):
            raise AnswerFault(f"{self.uri}: search below {query.base}: {self._ldap.result['description']}")
        found = [one for one in self._ldap.response if one["type"] == "searchResEntry"]
        if code == SIZE_LIMIT_EXCEEDED and len(found) < 2:
            raise AnswerFault(f"{self.uri}: search below {query.base}: its size limit is too small")
        return tuple(_entry(one["dn"], one["raw_attributes"]) for one in found)


def _entry(dn: str, attributes: dict[str, list[bytes]]) -> Entry:
    return Entry(dn, {name.lower(): tuple(values) for name, values in attributes.items()})


def _header(element: bytes) -> int:
    """Octets of the tag and the length that an element begins with (X.690 section 8.1.3)."""
    return 2 + (element[1] & 0x7F if element[1] & 0x80 else 0)


class _Connection(Connection):  # type: ignore[misc]
    """ldap3's connection, which speaks through `_Strategy`."""

    def __init__(self) -> None:
        server = Server("localhost", get_info=NONE)  # a name that is never looked up
        super().__init__(
            server,
            authentication=ANONYMOUS,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            raise_exceptions=False,
            return_empty_attributes=False,
        )
        self.strategy = _Strategy(self)
        self.send = self.strategy.send
        self.open = self.strategy.open
        self.get_response = self.strategy.get_response
        self.post_send_single_response = self.strategy.post_send_single_response
        self.post_send_search = self.strategy.post_send_search


class _Strategy(SyncStrategy):  # type: ignore[misc]
    """ldap3's blocking way to talk, but for how it connects and reads: within a time, and a number of octets."""

    def begin(self, way: Way) -> None:
        """A new request: what it may take in time, octets and messages."""
        self._deadline = time.monotonic() + way.timeout
        self._bounds = way.bounds
        self._octets = self._messages = 0
        self._unread = b""
        if self.connection.socket is not None:
            self.connection.socket.settimeout(way.timeout)

    def connect(self, way: Way) -> None:
        """Open the socket, with TLS at once where the URI says so."""
        parts = urlsplit(way.uri)
        self._sockets = way.sockets
        self._outstanding: dict[int, object] = {}
        if parts.scheme == "ldapi":
            self.connection.socket = self._unix_socket(unquote(parts.netloc))
        else:
            port = parts.port or (636 if parts.scheme == "ldaps" else 389)
            self.connection.socket = self._tcp_socket(way.addresses.of(parts.hostname or "", port, self._left()))
        self.connection.closed = False
        self.connection.listening = True
        if parts.scheme == "ldaps":
            self.begin_tls(way)

    def _tcp_socket(self, addresses: Sequence[SocketAddress]) -> socket.socket:
        """A connection to the first address that takes one. Each has its share of the time that is left."""
        last: OSError = ConnectionRefusedError("the host has no address")
        for left, (family, kind, protocol, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                return self._connected(socket.socket(family, kind, protocol), address, self._left() / left)
            except OSError as error:
                last = error
        raise last

    def _unix_socket(self, path: str) -> socket.socket:
        return self._connected(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path, self._left())

    def _connected(self, plain: socket.socket, address: Any, seconds: float) -> socket.socket:
        try:
            self._sockets.add(plain)
            plain.settimeout(seconds)
            plain.connect(address)
            plain.settimeout(self._left())
        except BaseException:
            plain.close()
            raise
        return plain

    def begin_tls(self, way: Way) -> None:
        """Speak TLS from here on. What came in clear text beyond its time is an attack (RFC 4511 section 4.14.1)."""
        assert way.tls is not None
        if self._unread:
            raise ServerFault(f"{way.uri}: more than one answer before TLS")
        plain = self.connection.socket
        try:
            self.connection.socket = way.tls.wrap_socket(
                plain, server_hostname=urlsplit(way.uri).hostname, do_handshake_on_connect=False
            )
            way.sockets.add(self.connection.socket)
            self.connection.socket.do_handshake()
        except BaseException:
            plain.close()
            self.close()
            raise

    def receiving(self) -> list[bytes]:
        """One message, whole."""
        while True:
            if self._unread[:1] not in (b"", SEQUENCE):
                raise ServerFault("this is not LDAP")
            size = self.compute_ldap_message_size(self._unread)
            if size > self._bounds.answer:
                raise EndlessAnswer(f"an answer of more than {self._bounds.answer} octets")
            if 0 <= size <= len(self._unread):
                break
            self._read_more()
        self._messages += 1
        if self._messages > self._bounds.messages:
            raise EndlessAnswer("an answer of more entries than were asked for, or of many references")
        message, self._unread = self._unread[:size], self._unread[size:]
        if not self._has_short_numbers(message):
            raise ServerFault("this is not LDAP: a number of too many octets")
        return [message]

    def _has_short_numbers(self, message: bytes) -> bool:
        """Whether the message's ID, and the code of a result, are numbers as RFC 4511 has them: of a long one, the
        library makes an integer in a time that grows with the square of its length."""
        number = message[_header(message) :]
        operation = number[self.compute_ldap_message_size(number) :]
        first = operation[_header(operation) :]
        return self._is_short(number) and (first[:1] != ENUMERATED or self._is_short(first))

    def _is_short(self, number: bytes) -> bool:
        size: int = self.compute_ldap_message_size(number)
        return 0 < size - _header(number) <= 4

    def _read_more(self) -> None:
        self.connection.socket.settimeout(self._left())
        try:
            data = self.connection.socket.recv(self.socket_size)
        except ConnectionError as error:
            raise ConnectionGone(str(error)) from error
        if not data:
            raise ConnectionGone("the server ended the connection")
        self._octets += len(data)
        if self._octets > self._bounds.answer:
            raise EndlessAnswer(f"an answer of more than {self._bounds.answer} octets")
        self._unread += data

    def _left(self) -> float:
        """Seconds that are left for this request."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left
