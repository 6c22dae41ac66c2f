"""What an exchange is bound to: both ends of a connection have the same, and no other connection has it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from mailbox_d.ctl.self_signed import CertificateFiles, make_certificate
from mailbox_d.net.channel_bindings import channel_bindings

LABEL = b"EXPORTER-Channel-Binding"


class SignedBy:
    """A certificate whose signature is made with this hash; libraries make none any more with the weak ones."""

    def __init__(self, algorithm: hashes.HashAlgorithm | None) -> None:
        self.signature_hash_algorithm = algorithm

    def to_cryptography(self) -> SignedBy:
        return self

    def fingerprint(self, algorithm: hashes.HashAlgorithm) -> bytes:
        return algorithm.name.encode()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"), ("mail.example.org",))


def server_end(files: CertificateFiles) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_file(str(files.certificate))
    context.use_privatekey_file(str(files.key))
    connection = SSL.Connection(context, None)
    connection.set_accept_state()
    return connection


def client_end(version: int) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    return connection


def connected(files: CertificateFiles, version: int) -> tuple[SSL.Connection, SSL.Connection]:
    """The server's end and the client's, behind the handshake."""
    server, client = server_end(files), client_end(version)
    for _ in range(4):
        for one, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                one.do_handshake()
            with suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(65536))
    return server, client


@pytest.mark.parametrize(
    ("algorithm", "taken"),
    [
        (hashes.MD5(), b"sha256"),
        (hashes.SHA1(), b"sha256"),
        (None, b"sha256"),
        (hashes.SHA256(), b"sha256"),
        (hashes.SHA384(), b"sha384"),
    ],
)
def test_a_certificate_stands_by_the_hash_of_its_signature(
    files: CertificateFiles, monkeypatch: pytest.MonkeyPatch, algorithm: hashes.HashAlgorithm | None, taken: bytes
) -> None:
    """RFC 5929 section 4.1: MD5 and SHA-1 are replaced, as is none."""
    server, _ = connected(files, SSL.TLS1_3_VERSION)
    monkeypatch.setattr(SSL.Connection, "get_certificate", lambda connection: SignedBy(algorithm))
    assert channel_bindings(server)["tls-server-end-point"] == taken


def test_with_tls_13_what_only_the_two_can_export(files: CertificateFiles) -> None:
    server, client = connected(files, SSL.TLS1_3_VERSION)
    bindings = channel_bindings(server)
    assert bindings.keys() == {"tls-exporter", "tls-server-end-point"}
    assert bindings["tls-exporter"] == client.export_keying_material(LABEL, 32, b"")
    other, _ = connected(files, SSL.TLS1_3_VERSION)
    assert channel_bindings(other)["tls-exporter"] != bindings["tls-exporter"]


def test_with_tls_12_the_client_s_finished_message(files: CertificateFiles) -> None:
    server, client = connected(files, SSL.TLS1_2_VERSION)
    bindings = channel_bindings(server)
    assert bindings.keys() == {"tls-unique", "tls-server-end-point"}
    assert bindings["tls-unique"] == client.get_finished()
    other, _ = connected(files, SSL.TLS1_2_VERSION)
    assert channel_bindings(other)["tls-unique"] != bindings["tls-unique"]


def test_the_certificate_s_digest(files: CertificateFiles) -> None:
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
        server, _ = connected(files, version)
        assert channel_bindings(server)["tls-server-end-point"] == certificate.fingerprint(hashes.SHA256())


def test_nothing_to_bind_to_without_tls_and_before_the_handshake(files: CertificateFiles) -> None:
    assert not channel_bindings(None)
    assert not channel_bindings(server_end(files))
