"""Self-signed certificates, good for samples, tests and a first start."""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS_VALID = 825


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Paths of a certificate and of its private key, both PEM."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, names: tuple[str, ...], addresses: tuple[str, ...] = ()) -> CertificateFiles:
    """Make `<first name>.pem` and `.key` (0600) in `folder` for these DNS names and IP addresses.

    Files that are there already are kept as they are. Raises `OSError`.
    """
    files = CertificateFiles(folder / f"{names[0]}.pem", folder / f"{names[0]}.key")
    if files.certificate.exists() and files.key.exists():
        return files
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(key, names, addresses)
    pem, pkcs8, no_encryption = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(files.key, key.private_bytes(pem, pkcs8, no_encryption))
    files.certificate.write_bytes(certificate.public_bytes(pem))
    return files


def write_private(path: Path, data: bytes) -> None:
    """Replace a file by one that only its owner can read, never readable by others even for a moment."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)


def _sign(key: ec.EllipticCurvePrivateKey, names: tuple[str, ...], addresses: tuple[str, ...]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS_VALID))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
