"""TLS in memory: a server as the daemon makes it, and clients that have no socket either."""

from __future__ import annotations

import ssl
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

ALERT = 21
"""The content type of an alert in a TLS record (RFC 8446 section 5.1)."""


class Echo(Protocol):
    """Says back what it hears."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[union-attr]


class Server:
    """One connection to a listener with implicit TLS."""

    def __init__(self, tls: Any) -> None:
        self.clock = Clock()
        factory = TLSMemoryBIOFactory(tls, False, Factory.forProtocol(Echo), self.clock)
        self.transport = StringTransport()
        self.sent = b""
        self.protocol = factory.buildProtocol(None)
        assert self.protocol is not None
        self.protocol.makeConnection(self.transport)

    def exchange(self, data: bytes) -> bytes:
        """What the server sends for what it receives."""
        if data and not self.transport.disconnecting:
            self.protocol.dataReceived(data)  # type: ignore[union-attr]
        self.clock.advance(1)
        answer = self.transport.value()
        self.transport.clear()
        self.sent += answer
        return answer

    @property
    def closed(self) -> bool:
        return self.transport.disconnecting

    @property
    def alert(self) -> int | None:
        """The description of a plaintext alert that was sent in the handshake."""
        records, rest = [], self.sent
        while len(rest) >= 5:
            length = int.from_bytes(rest[3:5], "big")
            records.append((rest[0], rest[5 : 5 + length]))
            rest = rest[5 + length :]
        return next((body[1] for kind, body in records if kind == ALERT and len(body) == 2), None)


def client_context(**settings: Any) -> ssl.SSLContext:
    """A context of the standard library's that trusts everyone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        if callable(getattr(context, name)):
            getattr(context, name)(value)
        else:
            setattr(context, name, value)
    return context


class Client:
    """A client of the standard library's, on the other end of a server."""

    def __init__(self, server: Server, name: str | None = None, context: ssl.SSLContext | None = None, **more: Any):
        self.server = server
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(self._incoming, self._outgoing, server_hostname=name, **more)

    def shake_hands(self) -> Client:
        """Raises `ssl.SSLError` where the server does not want to."""
        self._until_done(self.tls.do_handshake)
        return self

    def say(self, data: bytes) -> bytes:
        """What comes back for some octets."""
        self.tls.write(data)
        return bytes(self._until_done(lambda: self.tls.read(1 << 14)))

    @property
    def names(self) -> list[str]:
        """The DNS names of the server's certificate."""
        return certificate_names(self.tls.getpeercert(binary_form=True))

    def _until_done(self, work: Any) -> Any:
        for _ in range(20):
            try:
                return work()
            except ssl.SSLWantReadError:
                self._incoming.write(self.server.exchange(self._outgoing.read()))
                if self.server.closed and not self._incoming.pending:
                    raise ssl.SSLError("the server is gone") from None
        raise AssertionError("the exchange comes to no end")


def certificate_names(der: bytes | None) -> list[str]:
    assert der is not None
    extensions = x509.load_der_x509_certificate(der).extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


class RawClient:
    """A client of pyOpenSSL's, which says what the standard library refuses to."""

    def __init__(self, server: Server, name: bytes | None = None, *, version: int | None = None) -> None:
        self.server = server
        context = SSL.Context(SSL.TLS_METHOD)
        if version is not None:
            context.set_max_proto_version(version)
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        if name is not None:
            self.tls.set_tlsext_host_name(name)

    def hello(self) -> bytes:
        """The ClientHello, as it would go out."""
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            return self.tls.bio_read(1 << 16)
        raise AssertionError("a handshake without a server")

    def shake_hands(self) -> RawClient:
        self.until_done(self.tls.do_handshake)
        return self

    @property
    def names(self) -> list[str]:
        certificate = self.tls.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )

    def until_done(self, work: Any) -> Any:
        for _ in range(20):
            try:
                return work()
            except SSL.WantReadError:
                answer = self.server.exchange(self._outgoing())
                if answer:
                    self.tls.bio_write(answer)
                elif self.server.closed:
                    raise SSL.Error("the server is gone") from None
        raise AssertionError("the exchange comes to no end")

    def _outgoing(self) -> bytes:
        try:
            return self.tls.bio_read(1 << 16)
        except SSL.WantReadError:
            return b""
