"""Answers by HTTPS of which no more is taken than so many octets, and none that was cut on the way."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

HEADER_MAX = 64 * 1024
"""Octets of an answer beside its body."""


class AnswerTooLong(Exception):
    """The body has more octets than it may."""


class AnswerCutShort(Exception):
    """The connection ended before the body did."""


class BoundedBody(Protocol):
    """Takes an answer's body up to some octets. One that ends with its connection is whole only where the server said
    so by TLS, for anybody may cut a connection (RFC 9112 section 9.8). `whole` fails with `AnswerTooLong`,
    `AnswerCutShort`."""

    def __init__(self, most: int, connection: BoundedEndpoint) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._abort())
        self._most = most
        self._connection = connection
        self._pieces: list[bytes] = []
        self._octets = 0

    def dataReceived(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets <= self._most:
            self._pieces.append(data)
        elif not self.whole.called:
            self._abort()
            self.whole.errback(AnswerTooLong())

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008
        if self.whole.called:
            return
        if reason.check(ResponseDone) or (reason.check(PotentialDataLoss) and self._connection.was_closed):
            self.whole.callback(b"".join(self._pieces))
        else:
            self.whole.errback(AnswerCutShort())

    def give_up(self) -> None:
        """Nobody wants the body."""
        self.whole.addErrback(lambda _: None)
        self.whole.cancel()

    def _abort(self) -> None:
        abort = getattr(self.transport, "abortConnection", None)
        if abort is not None:
            abort()


@implementer(IAgentEndpointFactory)
class OnlyEndpoint:
    """An agent's way to the one server that it may ask."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: Any) -> Any:  # noqa: N802
        return self._endpoint


class _BoundedProtocol(ProtocolWrapper):
    """Ends a connection that brings more octets than it may, wherever in the answer they stand."""

    left = 0
    endpoint: BoundedEndpoint

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.endpoint.was_closed = reason.check(ConnectionDone) is not None
        ProtocolWrapper.connectionLost(self, reason)

    def dataReceived(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left < 0:
            self.abortConnection()
        else:
            ProtocolWrapper.dataReceived(self, data)


@implementer(IStreamClientEndpoint)
class BoundedEndpoint:
    """Another endpoint's connection, of which no more than so many octets are taken. `was_closed`: it has ended as TLS
    wants it (`close_notify`), and not as TCP alone says."""

    was_closed = False

    def __init__(self, endpoint: Any, most: int) -> None:
        self._endpoint = endpoint
        self._most = most

    def connect(self, protocolFactory: Any) -> Deferred[Any]:  # noqa: N803
        factory: Any = WrappingFactory(protocolFactory)
        factory.noisy = protocolFactory.noisy = False
        factory.protocol = self._bounded
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(lambda protocol: protocol.wrappedProtocol)

    def _bounded(self, factory: Any, protocol: Any) -> _BoundedProtocol:
        bounded = _BoundedProtocol(factory, protocol)
        bounded.left = self._most
        bounded.endpoint = self
        return bounded
