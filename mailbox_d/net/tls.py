"""TLS as servers speak it: contexts made from certificates, and connections that choose theirs by the name asked for.

Twisted's `CertificateOptions(contextForServerName=…)` is not used, for three reasons: a client that offers foreign
protocols by ALPN gets an empty name from it rather than an alert (ALPACA lives from that); its look-up of protocols
by factory sees nothing behind `startTLS`; and a fault in its choice by name ends the connection but not the
handshake. What stands here serves implicit TLS (`TLSMemoryBIOFactory`) and `transport.startTLS` alike.

There is no resumption: a ticket or session of one service or name, or from before a change of keys, could otherwise be
replayed at another (RFC 9325 section 3.4 asks for separate keys; none are simpler). Clients of mail stay for long. Nor
could a certificate that a client showed in one session count in another.

Where clients are asked for a certificate, one may show none. One that an authority of ours has made, and that cannot be
taken, mostly ends no handshake: it has expired, say, and its owner has a password too. Any other does: to go on with
what a stranger made up, OpenSSL would check its signatures and names, which can be made to take long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from mailbox_d.net.client_authorities import ClientAuthorities

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
"""OpenSSL's list for TLS 1.2: forward secrecy and authenticated encryption alone (RFC 9325 section 4.2)."""

ALPN_PROTOCOLS: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "smtp": (b"smtp",),
        "submission": (b"submission", b"smtp"),
        "imap": (b"imap",),
        "pop3": (b"pop3",),
    }
)
"""What a client may name by ALPN for each protocol. IANA knows imap and pop3; the others are what some clients send."""

LOGIN_PROTOCOLS = frozenset({"submission", "imap", "pop3"})
"""Those whose clients may be asked for a certificate: other servers on port 25 never are."""

_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET

_SESSIONS = b"mailboxd"

_ENDS_NOTHING = frozenset({3, 8, 9, 10, 11, 12, 23, 26, 35, 36, 44})
"""OpenSSL's verification errors of certificates that an authority of ours may have made: age (9, 10), purpose (26),
revocation (23), and lists of revocations that are missing (3) or of no use. All others end the handshake, also
those of a certificate that an authority of ours made wrong."""

ChooseContext: TypeAlias = Callable[[bytes | None], SSL.Context]
"""The context for the name that a client asks for by SNI, or for None where it asks for none; called in a handshake."""


class ForeignProtocol(SSL.Error):
    """The client wants to speak what we do not; OpenSSL answers with alert 120 (RFC 7301 section 3.2)."""


class ServerConnection(SSL.Connection):
    """A connection that knows which protocols a client may name; none: it may name what it likes."""

    acceptable: Sequence[bytes] = ()
    vouched: bool = False
    """An authority of ours vouches for the certificate that the client showed on this connection: one that was not held
    against them here, of a session that was resumed, say, would have no errors either."""
    errors: tuple[int, ...] = ()
    """And this keeps it from being taken: OpenSSL's verification errors."""


def server_context(
    chain: Sequence[x509.Certificate],
    key: PrivateKeyTypes,
    choose: ChooseContext,
    ciphers: str = CIPHERS,
    clients: ClientAuthorities | None = None,
) -> SSL.Context:
    """A context with a certificate, those that vouch for it, its key, and those who vouch for clients, where these are
    asked for theirs. Raises `SSL.Error`, `TypeError`.

    Whatever context a handshake begins with, `choose` gives the one that it ends with; should it fail, the handshake
    fails (CVE-2026-27448).
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSIONS)  # should one ever be resumed, OpenSSL wants it where clients show certificates
    context.set_verify(SSL.VERIFY_NONE)
    context.set_cipher_list(ciphers.encode("ascii"))
    context.use_certificate(chain[0])
    for certificate in chain[1:]:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(key)  # type: ignore[arg-type]  # of a kind that it does not know it raises TypeError
    context.check_privatekey()
    if clients is not None:
        clients.vouch_in(context)
    context.set_tlsext_servername_callback(lambda connection: _switch(connection, choose))
    context.set_alpn_select_callback(_select_protocol)
    return context


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """Makes the TLS connections of one protocol's listeners. `asks`: clients are asked for a certificate, whatever
    context SNI switches to."""

    def __init__(self, choose: ChooseContext, acceptable: Sequence[bytes] = (), *, asks: bool = False) -> None:
        self._choose = choose
        self._acceptable = tuple(acceptable)
        self._asks = asks

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802
        """A connection that begins with the default context; SNI switches it to another."""
        connection = ServerConnection(self._choose(None), None)
        connection.acceptable = self._acceptable
        if self._asks:
            connection.set_verify(SSL.VERIFY_PEER, _judge)
        return connection


def _switch(connection: SSL.Connection, choose: ChooseContext) -> None:
    context = choose(connection.get_servername())
    if context is not connection.get_context():
        connection.set_context(context)


def _judge(connection: SSL.Connection, _certificate: object, error: int, depth: int, good: int) -> bool:
    """Whether OpenSSL is to go on with a client's certificate: called for each of its chain, and for each fault."""
    assert isinstance(connection, ServerConnection)
    if good:
        connection.vouched = depth == 0
        return True
    connection.errors += (error,)
    return error in _ENDS_NOTHING


def _select_protocol(connection: SSL.Connection, offered: Sequence[bytes]) -> Any:
    acceptable = connection.acceptable if isinstance(connection, ServerConnection) else ()
    if not acceptable:
        return SSL.NO_OVERLAPPING_PROTOCOLS
    for protocol in acceptable:
        if protocol in offered:
            return protocol
    raise ForeignProtocol([("ALPN", "", "the client offers foreign protocols")])
