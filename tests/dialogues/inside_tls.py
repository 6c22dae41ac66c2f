"""What an exchange can see of TLS, where that is a mark and nothing more.

Options: `bound=yes` (there is something to bind an exchange to, always the same 32 octets, as with TLS 1.3);
`certificate=ann@example.org` (the client showed a good one for that address), `certificate=expired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography import x509
from OpenSSL import SSL

from mailbox_d.net.tls import ServerConnection
from tests.integration.authority import Authority

OPTIONS = frozenset({"bound", "certificate"})


class AfterHandshake(ServerConnection):
    """A connection that says that it is behind its handshake."""

    def __init__(self, *, bound: bool, certificate: str) -> None:
        super().__init__(SSL.Context(SSL.TLS_METHOD), None)
        self._bound = bound
        self._certificate = certificate
        self.vouched = bool(certificate)
        self.errors = (10,) if certificate == "expired" else ()

    def get_cipher_name(self) -> str | None:
        return "TLS_AES_256_GCM_SHA384" if self._bound else None

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"

    def export_keying_material(self, label: bytes, olen: int, context: bytes | None = None) -> bytes:
        return b"e" * olen

    def get_peer_certificate(self, *, as_cryptography: bool = False) -> Any:
        return certificate_for(self._certificate)


@cache
def certificate_for(address: str) -> x509.Certificate:
    return Authority().issue(address).certificate


def handle_of(options: Mapping[str, str]) -> ServerConnection | None:
    """What a transport hands out; None where a dialogue is about nothing of it."""
    if not OPTIONS & options.keys():
        return None
    return AfterHandshake(bound=options.get("bound") == "yes", certificate=options.get("certificate", ""))
