"""What an exchange inside TLS can be bound to, so that it is of use in that connection alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from mailbox_d.wire.sasl.scram import NO_BINDINGS

_LABEL = b"EXPORTER-Channel-Binding"
_OCTETS = 32


def channel_bindings(connection: Any) -> Mapping[str, bytes]:
    """The bindings of a TLS connection of ours, as the server, by their names; none where there is no such connection,
    or no handshake yet.

    `tls-exporter` (RFC 9266) where keys can be exported that no two connections share: with TLS 1.3 alone, as nothing
    says of an older one whether it has the extended master secret. `tls-unique` (RFC 5929 section 3) with TLS 1.2: no
    two connections share it either, as no session is ever resumed here and no handshake renegotiated (`net/tls`).
    `tls-server-end-point` (RFC 5929 section 4) where there is a certificate of ours.
    """
    if not isinstance(connection, SSL.Connection) or connection.get_cipher_name() is None:
        return NO_BINDINGS
    bindings: dict[str, bytes] = {}
    if connection.get_protocol_version_name() == "TLSv1.3":
        bindings["tls-exporter"] = connection.export_keying_material(_LABEL, _OCTETS, b"")
    elif connection.get_protocol_version_name() == "TLSv1.2" and (finished := connection.get_peer_finished()):
        bindings["tls-unique"] = finished
    if (certificate := connection.get_certificate()) is not None:
        bindings["tls-server-end-point"] = _end_point(certificate)
    return bindings


def _end_point(certificate: Any) -> bytes:
    """The certificate's digest by the hash of its signature, or by SHA-256 where that is weak or there is none."""
    known = certificate.to_cryptography()
    algorithm = known.signature_hash_algorithm
    if algorithm is None or isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    return bytes(known.fingerprint(algorithm))
