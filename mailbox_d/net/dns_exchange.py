"""One question to one DNS server: by UDP, and by TCP where the answer is too large for that (RFC 7766)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mailbox_d.net.dns_servers import DnsServer
from mailbox_d.wire.dns.answers import NotTheAnswer, Reading, Truncated
from mailbox_d.wire.dns.records import LookupFailed

LARGEST_MESSAGE = 65535

Read = Callable[[bytes], Reading[Any]]
"""Reads a server's octets; raises as `wire.dns.answers.read_answer` does."""


class NoReply(LookupFailed):
    """The server said nothing in time: it may do so when it is asked again."""


async def exchange(reactor: Any, server: DnsServer, octets: bytes, read: Read, *, seconds: float) -> Reading[Any]:
    """Ask, and wait so long for an answer, once more where it comes by TCP. Raises `LookupFailed`."""
    try:
        try:
            return await _by_datagram(reactor, server, octets, read).addTimeout(seconds, reactor)
        except Truncated:
            asking = Deferred.fromCoroutine(_by_stream(reactor, server, octets, read))
            return await asking.addTimeout(seconds, reactor)
    except TimeoutError:
        raise NoReply("DNS gave no answer", cause=f"{server.host} did not answer in time") from None


def _failed(server: DnsServer, error: object) -> LookupFailed:
    return LookupFailed("DNS gave no answer", cause=f"{server.host}: {error}")


def _by_datagram(reactor: Any, server: DnsServer, octets: bytes, read: Read) -> Deferred[Reading[Any]]:
    datagrams = _Datagrams(reactor, server, read)
    datagrams.send(octets)
    return datagrams.outcome


@implementer(IReadDescriptor)
class _Datagrams:
    """A socket for one question, at a port that the kernel draws. It is connected, so that what others send to it never
    comes here; what the server sends and is not the answer is passed over."""

    def __init__(self, reactor: Any, server: DnsServer, read: Read) -> None:
        self.outcome: Deferred[Reading[Any]] = Deferred(lambda _: self._close())
        self._reactor = reactor
        self._server = server
        self._read = read
        family = socket.AF_INET if ip_address(server.host).version == 4 else socket.AF_INET6
        self._family = family
        self._socket: socket.socket | None = None

    def send(self, octets: bytes) -> None:
        """Ask, and wait."""
        try:
            self._socket = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.connect((self._server.host, self._server.port))
            self._socket.send(octets)
        except OSError as error:
            self._fail(error)
            return
        self._reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket else -1

    def logPrefix(self) -> str:
        return "DNS"

    def doRead(self) -> None:
        """One datagram; if there are more, the reactor comes back."""
        assert self._socket is not None
        try:
            octets = self._socket.recv(LARGEST_MESSAGE)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        try:
            reading = self._read(octets)
        except NotTheAnswer:
            return
        except Exception:
            self._end(Failure())
        else:
            self._end(reading)

    def connectionLost(self, reason: Failure) -> None:
        self._fail("nobody listens there")

    def _fail(self, error: object) -> None:
        self._end(Failure(_failed(self._server, error)))

    def _end(self, outcome: Reading[Any] | Failure) -> None:
        self._close()
        if not self.outcome.called:
            self.outcome.callback(outcome)

    def _close(self) -> None:
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None


async def _by_stream(reactor: Any, server: DnsServer, octets: bytes, read: Read) -> Reading[Any]:
    kind: Any = TCP4ClientEndpoint if ip_address(server.host).version == 4 else TCP6ClientEndpoint
    try:
        stream: _Stream = await kind(reactor, server.host, server.port).connect(Factory.forProtocol(_Stream))
        return await stream.asked(octets, read)
    except ConnectingCancelledError:
        raise CancelledError from None
    except (ConnectError, ConnectionDone, OSError) as error:
        raise _failed(server, type(error).__name__) from error
    except (NotTheAnswer, Truncated) as error:
        raise _failed(server, "what came by TCP is no answer") from error


class _Stream(Protocol):
    """A connection for one question: its answer is the first message that comes, with its length before it."""

    transport: Any

    def __init__(self) -> None:
        self._outcome: Deferred[Reading[Any]] = Deferred(lambda _: self._abort())
        self._received = b""
        self._read: Read | None = None

    def asked(self, octets: bytes, read: Read) -> Deferred[Reading[Any]]:
        """Ask. What fires has the answer, or the fault."""
        self._read = read
        self.transport.write(struct.pack("!H", len(octets)) + octets)
        return self._outcome

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < 2 or self._outcome.called or self._read is None:
            return
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) < end:
            return
        try:
            outcome: Any = self._read(self._received[2:end])
        except Exception:
            outcome = Failure()
        self._abort()
        self._outcome.callback(outcome)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._outcome.called:
            self._outcome.errback(Failure(ConnectionDone()))

    def _abort(self) -> None:
        self.transport.abortConnection()
