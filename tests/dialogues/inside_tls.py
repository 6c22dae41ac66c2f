"""What an exchange can see of TLS, where that is a mark and nothing more.

Option: `bound=yes` (there is something to bind an exchange to, always the same 32 octets, as with TLS 1.3).
"""

from __future__ import annotations

from collections.abc import Mapping

from OpenSSL import SSL

from mailbox_d.net.tls import ServerConnection

OPTIONS = frozenset({"bound"})


class Bound(ServerConnection):
    """A connection that says that it is behind its handshake."""

    def __init__(self) -> None:
        super().__init__(SSL.Context(SSL.TLS_METHOD), None)

    def get_cipher_name(self) -> str:
        return "TLS_AES_256_GCM_SHA384"

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"

    def export_keying_material(self, label: bytes, olen: int, context: bytes | None = None) -> bytes:
        return b"e" * olen


def handle_of(options: Mapping[str, str]) -> ServerConnection | None:
    """What a transport hands out; None where a dialogue is about nothing of it."""
    return Bound() if options.get("bound") == "yes" else None
