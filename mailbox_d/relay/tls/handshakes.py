"""TLS as we speak it to other servers: any certificate is let in, and what it is worth is judged afterwards.

A handshake that ended at a wrong certificate would leave nothing to tell, and where TLS is only better than nothing it
would lead to plaintext. What the demand asks for is compared with `TlsState.security` before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

from mailbox_d.relay.ports import Host, Security, TlsDemand, TlsState
from mailbox_d.relay.tls.dane import dane_fault
from mailbox_d.relay.tls.peer_certificates import (
    NOT_TRUSTED,
    OF_AGE,
    CertificateFault,
    chain_fault,
    key_fault,
    name_fault,
)

CIPHERS = "DEFAULT:!aNULL:!eNULL:!RC4:!3DES:!kDHE:@SECLEVEL={level}"
"""OpenSSL's list for TLS 1.2. At level 1 a key exchange worth 80 bits will do, which is better than the plaintext that
would follow (RFC 7435); level 2 asks for 112. Of DHE the server makes up the group: one of 10,000 bits is a second in
which nothing else goes on."""

CHAIN_DEPTH = 8
"""Authorities between a server's certificate and one that is trusted; three are many. Each costs a signature, of 6 ms
where somebody's key is made to be slow."""

_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION


class ClientConnection(SSL.Connection):
    """A connection that remembers what was wrong with the server's chain."""

    def __init__(self, context: SSL.Context) -> None:
        super().__init__(context, None)
        self.errors: list[int] = []
        """OpenSSL's verification errors: those of age, and one other at most."""


class OutgoingTls:
    """The daemon's TLS to other servers (`ports.TlsClient`).

    `ca`: a file of authorities in PEM, or None for the system's. Raises `SSL.Error` where that file is no such file.
    """

    def __init__(self, ca: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._context = client_context(ca, level=1)
        self._clock = clock

    def handshake(self, host: Host, demand: TlsDemand) -> PeerHandshake:
        """For one connection. All are made and judged alike, whatever is demanded: what a server once had, it has when
        that is demanded."""
        return PeerHandshake(self._context, demand.names[0] if demand.names else host.name, demand, self._clock)


class PeerHandshake:
    """One handshake, and what it came to (`ports.Handshake`)."""

    def __init__(self, context: SSL.Context, name: str, demand: TlsDemand, clock: Callable[[], datetime]) -> None:
        self._context = context
        self._name = name
        self._demand = demand
        self._clock = clock

    def creator(self) -> ConnectionCreator:
        """For `startTLS`, or for `TLSMemoryBIOFactory`."""
        return ConnectionCreator(self._context, self._name)

    def state(self, connection: Any) -> TlsState:
        """How the connection is: authenticated by the demand's TLSA records where there are any, else by authorities
        and name. `failure` is the certificate's result type also where the demand asks for none."""
        version = f"{connection.get_protocol_version_name()} {connection.get_cipher_name()}"
        fault = self._fault(connection)
        if fault is None:
            return TlsState(Security.AUTHENTICATED, version)
        return TlsState(Security.ENCRYPTED, version, fault.problem, fault.failure)

    def _fault(self, connection: Any) -> CertificateFault | None:
        chain = [_der(one) for one in connection.get_peer_cert_chain() or ()]
        if not chain:
            return CertificateFault("the server showed no certificate", NOT_TRUSTED)
        names = self._demand.names or (self._name,)
        if self._demand.tlsa:
            return dane_fault(self._demand.tlsa, chain, names, self._clock())
        if not isinstance(connection, ClientConnection):
            raise TypeError("a connection that was not made for this handshake")
        verified = connection.get_verified_chain() or ()
        return chain_fault(connection.errors) or key_fault(verified) or name_fault(chain[0], names)


@implementer(IOpenSSLClientConnectionCreator)
class ConnectionCreator:
    """Makes one client's connection, which asks for a certificate by the server's name (SNI)."""

    def __init__(self, context: SSL.Context, name: str) -> None:
        self._context = context
        self._name = name

    def clientConnectionForTLS(self, tlsProtocol: Any) -> ClientConnection:  # noqa: N802, N803
        connection = ClientConnection(self._context)
        if self._name.isascii() and not _is_address(self._name):
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        return connection


def client_context(ca: Path | None, *, level: int) -> SSL.Context:
    """A context for connections to servers: TLS 1.2 at least, any certificate, its faults remembered. Raises
    `SSL.Error`."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(CIPHERS.format(level=level).encode("ascii"))
    if ca is None:
        context.set_default_verify_paths()
    else:
        context.load_verify_locations(str(ca))
    context.set_verify(SSL.VERIFY_PEER, _remember)
    context.set_verify_depth(CHAIN_DEPTH)
    return context


def _remember(connection: SSL.Connection, _certificate: crypto.X509, error: int, _depth: int, good: int) -> bool:
    """Age alone lets OpenSSL look further. Another fault ends that, and not the handshake: what comes then, such as
    names held against constraints, could take as long as a server likes whose certificates nobody vouches for."""
    if good or not isinstance(connection, ClientConnection):
        return bool(good)
    connection.errors.append(error)
    if error in OF_AGE:
        return True
    connection.set_verify(SSL.VERIFY_NONE)
    return False


def _der(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
