"""Certificates for tests: small, self-made, quickly made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
WEEK = timedelta(weeks=1)


def new_pair(names: Sequence[str], expires: datetime = NOW + WEEK) -> tuple[bytes, bytes]:
    """A self-signed certificate for DNS names, and its key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"for {names[0]}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(expires - 4 * WEEK)
        .not_valid_after(expires)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def write_pair(folder: Path, stem: str, names: Sequence[str], expires: datetime = NOW + WEEK) -> tuple[Path, Path]:
    """The same in files `<stem>.pem` and `<stem>.key`."""
    certificate, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    replace_pair((certificate, key), new_pair(names, expires))
    return certificate, key


def replace_pair(files: tuple[Path, Path], pair: tuple[bytes, bytes]) -> None:
    for path, content in zip(files, pair, strict=True):
        replace(path, content)


def replace(path: Path, content: bytes) -> None:
    """A new file in the place of the old one, readable by its owner alone."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.chmod(0o600)
    beside.replace(path)
