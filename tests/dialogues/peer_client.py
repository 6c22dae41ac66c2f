"""Our SMTP client in memory: its session, the transport that it writes to, its clock, and messages for it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from mailbox_d.address import EmailAddress
from mailbox_d.errors import StorageFault
from mailbox_d.queue.message import Envelope, Queued, Recipient, Source
from mailbox_d.relay.peer.client import Client, Destination, PeerSession
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import Handed, Host, PeerFailure, Shipment, TlsDemand, TlsState
from tests.dialogues.memory import MemoryTransport

ADDRESS = IPv4Address("192.0.2.25")
HOST = Host("mail.example.net", 25, (ADDRESS,))
BODY = b"Subject: dots\r\n\r\n.\r\nend\r\n"


class MemoryContent:
    """A message in memory; `fails_at`: the offset from which on the disk refuses; `lacks`: octets gone from its end."""

    def __init__(self, octets: bytes, *, fails_at: int | None = None, lacks: int = 0) -> None:
        self._octets = octets[: len(octets) - lacks]
        self._fails_at = fails_at
        self.octets = len(octets)
        header, _, body = octets.partition(b"\r\n\r\n")
        self.is_eight_bit = not body.isascii()
        self.has_utf8_header = not header.isascii()
        self.read_to = 0

    async def read(self, offset: int, length: int) -> bytes:
        if self._fails_at is not None and offset + length > self._fails_at:
            raise StorageFault("The message cannot be read", cause="I/O error")
        self.read_to = max(self.read_to, offset + length)
        return self._octets[offset : offset + length]


class SlowContent(MemoryContent):
    """One whose reading waits until `go` is called back."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.go: Deferred[None] = Deferred()

    async def read(self, offset: int, length: int) -> bytes:
        if offset:
            await self.go
        return await super().read(offset, length)


class MarkedTls:
    """TLS that is a mark and nothing more, and as good as the test says."""

    def __init__(self) -> None:
        self.outcome = TlsState()

    def handshake(self, host: Host, demand: TlsDemand) -> MarkedTls:
        return self

    def creator(self) -> object:
        return object()

    def state(self, connection: object) -> TlsState:
        return self.outcome


class ClientTransport(MemoryTransport):
    """A transport that tells the client that the connection is gone once it was aborted, in a later turn. `is_full`:
    the server reads nothing for now, so that each write is one too many."""

    on_abort: Any = None
    is_full = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.is_full:
            self.producer.pauseProducing()

    def abortConnection(self) -> None:
        super().abortConnection()
        if self.on_abort is not None:
            self.on_abort()


@dataclass
class Outcome:
    """What a coroutine came to, once it did."""

    result: Any = None
    failure: BaseException | None = None
    done: bool = False


class PeerClient:
    """A session under test. Connects at once, unless told otherwise."""

    def __init__(
        self,
        destination: Destination | None = None,
        limits: RelayLimits | None = None,
        *,
        is_allowed: bool = True,
    ) -> None:
        self.reactor = MemoryReactorClock()
        self.transport = ClientTransport()
        self.transport.on_abort = lambda: self.reactor.callLater(0, self.lose, Failure(ConnectionAborted()))
        self.tls = MarkedTls()
        client = Client(
            "client.example.org", limits or RelayLimits(), self.tls, self.reactor, lambda address: is_allowed
        )
        self.session = PeerSession(client, destination or Destination(HOST, ADDRESS, TlsDemand()))
        self.times_gone = 0
        self.session.when_gone = self._count_gone
        self.protocol: Any = None
        self.opening = self.start(self.session.open())

    @property
    def told(self) -> bytes:
        """What the client said since the last look."""
        return self.transport.take()

    @property
    def connection(self) -> Any:
        """Our protocol, without what Twisted's endpoint puts around it."""
        return self.protocol._wrappedProtocol

    def start(self, work: Coroutine[Deferred[Any], Any, Any]) -> Outcome:
        """Run one of the session's coroutines as far as it goes."""
        outcome = Outcome()
        self.deferred = Deferred.fromCoroutine(work)

        def done(result: Any) -> None:
            outcome.done = True
            if isinstance(result, Failure):
                outcome.failure = result.value
            else:
                outcome.result = result

        self.deferred.addBoth(done)
        self.settle()
        return outcome

    def accept(self) -> None:
        """The server takes the connection."""
        factory = self.reactor.tcpClients[0][2]
        self.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)
        self.settle()

    def refuse(self, error: Exception) -> None:
        """There is no connection."""
        self.reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(error))
        self.settle()

    def hear(self, data: bytes) -> None:
        """The server says something."""
        if not self.transport.disconnected:
            self.protocol.dataReceived(data)
        self.settle()

    def finish_handshake(self, outcome: TlsState) -> None:
        self.tls.outcome = outcome
        self.transport.tls_begun = False
        self.protocol.handshakeCompleted()
        self.settle()

    def lose(self, reason: Failure | None = None) -> None:
        """The connection is gone, once."""
        if self.transport.connected:
            self.transport.connected = False
            self.transport.disconnecting = True
            self.protocol.connectionLost(reason or Failure(ConnectionDone()))
            self.settle()

    def wait(self, seconds: float) -> None:
        self.reactor.advance(seconds)
        self.settle()

    def settle(self) -> None:
        while any(call.getTime() <= self.reactor.seconds() for call in self.reactor.getDelayedCalls()):
            self.reactor.advance(0)

    def _count_gone(self) -> None:
        self.times_gone += 1


def opened(*extensions: str, limits: RelayLimits | None = None) -> PeerClient:
    """A client whose session is open in plain text with a server that offers these."""
    client = PeerClient(limits=limits)
    client.accept()
    client.hear(b"220 mail.example.net ESMTP\r\n")
    lines = ("mail.example.net", *extensions)
    client.hear("".join(f"250{'-' if at < len(lines) else ' '}{line}\r\n" for at, line in enumerate(lines, 1)).encode())
    assert client.opening.done
    assert client.opening.failure is None
    assert client.told == b"EHLO client.example.org\r\n"
    return client


def shipment(
    recipients: Sequence[str | Recipient] = ("b@example.net",),
    body: bytes | MemoryContent = BODY,
    *,
    header: bytes = b"",
    **envelope: Any,
) -> Shipment:
    """A message of a@example.org's, whose envelope is as `Envelope`'s fields say."""
    content = body if isinstance(body, MemoryContent) else MemoryContent(body)
    to = tuple(one if isinstance(one, Recipient) else Recipient(EmailAddress.parse(one)) for one in recipients)
    said = replace(Envelope(EmailAddress.parse("a@example.org"), to), **envelope)
    return Shipment(Queued("q1", said, Source.USER, 0.0, content.octets), to, content, header)


def told_of(outcome: Outcome) -> list[str]:
    """What became of each recipient, or of the whole conversation, a line each."""
    if isinstance(outcome.failure, PeerFailure):
        return [_told_of_failure(outcome.failure)]
    if outcome.failure is not None:
        raise outcome.failure
    assert outcome.done, "it is not over yet"
    return [_told_of_handed(handed) for handed in outcome.result or ()]


def _told_of_handed(handed: Handed) -> str:
    reply = handed.reply
    told = f"{reply.code} {reply.status} {reply.text.removeprefix(reply.status).lstrip()}".rstrip()
    return f"{handed.recipient.address} {'taken' if handed.taken else 'refused'}: {told}"


def _told_of_failure(failure: PeerFailure) -> str:
    words = [failure.stage, failure.status, "temporary" if failure.temporary else "permanent"]
    words += ["may-have-it"] * failure.may_have_it + ["may-be-plain"] * failure.may_be_plain
    words += [failure.failure] * bool(failure.failure)
    return f"{' '.join(words)}: {failure.public}" + (f" ({failure.cause})" if failure.cause else "")
