"""Self-signed certificates: a TLS client that trusts the file accepts every name in it."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from mailbox_d.ctl.self_signed import CertificateFiles, make_certificate, write_private


def handshake(files: CertificateFiles, name: str) -> None:
    """A whole TLS handshake in memory, the client trusting the certificate's file alone."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(files.certificate, files.key)
    client_context = ssl.create_default_context(cafile=str(files.certificate))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("name", ["mail.example.org", "localhost", "127.0.0.1"])
def test_certificate_is_accepted_for_its_names(tmp_path: Path, name: str) -> None:
    handshake(make_certificate(tmp_path, ("mail.example.org", "localhost"), ("127.0.0.1",)), name)


def test_certificate_is_refused_for_other_names(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, ("mail.example.org",))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, "mail.example.net")


def test_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    files = make_certificate(tmp_path / "tls", ("mail.example.org",))
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


def test_files_that_are_there_are_kept(tmp_path: Path) -> None:
    before = make_certificate(tmp_path, ("mail.example.org",)).certificate.read_bytes()
    assert make_certificate(tmp_path, ("mail.example.org",)).certificate.read_bytes() == before


def test_private_file_replaces_a_readable_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
