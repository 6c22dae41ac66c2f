"""A connection in memory: the transport, the clock, and the server that stands on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import alsoProvides


class MemoryTransport(StringTransport):
    """What a server writes to; TLS is a mark and nothing more."""

    tls_begun = False

    def __init__(self, *, secure: bool = False, handle: object = None) -> None:
        super().__init__(lenient=True)
        self._handle = handle
        if secure:
            alsoProvides(self, ISSLTransport)

    def startTLS(self, context: object) -> None:
        self.tls_begun = True
        alsoProvides(self, ISSLTransport)

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getHandle(self) -> object:
        return self._handle

    def getPeerCertificate(self) -> None:
        return None

    def take(self) -> bytes:
        """What was written since the last call."""
        written = self.value()
        self.clear()
        return written


@dataclass
class Connection:
    """A server under test with its transport and its clock. The server is not yet connected."""

    protocol: Any
    transport: MemoryTransport = field(default_factory=MemoryTransport)
    clock: Clock = field(default_factory=Clock)

    def connect(self) -> None:
        self.protocol.callLater = lambda seconds, call: self.clock.callLater(seconds, call)  # no more, as in Twisted
        self.protocol.monotonic = self.clock.seconds
        self.protocol.makeConnection(self.transport)
        self.settle()

    def send(self, data: bytes) -> None:
        """The client's octets arrive, unless nobody is there to take them."""
        if not self.closed:
            self.protocol.dataReceived(data)
            self.settle()

    def settle(self) -> None:
        """Let everything happen that does not wait for time to pass."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def finish_handshake(self) -> None:
        self.transport.tls_begun = False
        self.protocol.handshakeCompleted()
        self.settle()

    @property
    def closed(self) -> bool:
        return self.transport.disconnecting
