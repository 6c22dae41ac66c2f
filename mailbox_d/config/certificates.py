"""Certificates with their private keys, as files give them: read, matched, and described.

Used twice with one meaning: the configuration is refused where a pair is broken, and a running server keeps the
pair that it has where a new one is broken.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtensionOID, NameOID

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
"""The kinds of key that TLS 1.2 and 1.3 sign with."""

MAX_PEM_OCTETS = 1024 * 1024
"""More than any chain needs: what is larger is not a certificate."""

MIN_RSA_BITS = 2048
"""OpenSSL's security level 2, Debian's default, takes no shorter one."""


class CertificateFault(Exception):
    """A pair that cannot be used: the file at fault, and what is wrong with it, to be read behind the file's name."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A certificate, the chain that goes with it, and its private key.

    `names` are the DNS names of the certificate in lower-case A-labels, some with `*` as first label; `not_after` is
    in UTC; `key_exposed` says that everyone on this machine may read the key's file.
    """

    certificate: Path
    key: Path
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey
    names: tuple[str, ...]
    issuer: str
    not_after: datetime
    key_exposed: bool


def read_pair(certificate: Path, key: Path) -> CertificatePair:
    """Read and match a certificate (PEM, its chain behind it) and its key (PEM). Raises `CertificateFault`. Blocks."""
    chain = _read_chain(certificate)
    private_key = _read_key(key)
    if not _belong_together(chain[0], private_key):
        raise CertificateFault(key, f"does not belong to the certificate {certificate}")
    return CertificatePair(
        certificate=certificate,
        key=key,
        chain=chain,
        private_key=private_key,
        names=_names(chain[0]),
        issuer=_issuer(chain[0]),
        not_after=chain[0].not_valid_after_utc,
        key_exposed=_readable_by_everyone(key),
    )


def directory_pairs(directory: Path) -> tuple[tuple[Path, Path], ...]:
    """The pairs below a folder as certbot keeps them: one folder a name, `fullchain.pem` and `privkey.pem` in each.

    Folders without these files are passed over. Raises `CertificateFault` where the folder cannot be read. Blocks.
    """
    try:
        folders = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise CertificateFault(directory, f"cannot be read: {error.strerror}") from error
    pairs = ((folder / "fullchain.pem", folder / "privkey.pem") for folder in folders)
    return tuple(pair for pair in pairs if all(map(os.path.lexists, pair)))


def _read_pem(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CertificateFault(path, "is not a regular file")
        with path.open("rb") as file:
            pem = file.read(MAX_PEM_OCTETS + 1)
    except FileNotFoundError as error:
        raise CertificateFault(path, "is not there") from error
    except OSError as error:
        raise CertificateFault(path, f"cannot be read: {error.strerror}") from error
    if len(pem) > MAX_PEM_OCTETS:
        raise CertificateFault(path, f"is larger than {MAX_PEM_OCTETS} octets")
    return pem


def _read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(_read_pem(path)))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateFault(path, "holds no certificate in PEM form that can be read") from error


def _read_key(path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(_read_pem(path), password=None)
    except TypeError as error:
        raise CertificateFault(path, "is protected by a password; the server needs it without") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateFault(path, "holds no private key in PEM form that can be read") from error
    if not isinstance(key, PrivateKey):
        raise CertificateFault(path, "is of a kind that TLS cannot use; RSA, EC or Ed25519 is expected")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise CertificateFault(path, f"has {key.key_size} bits; at least {MIN_RSA_BITS} are needed")
    return key


def _readable_by_everyone(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError as error:
        raise CertificateFault(path, f"cannot be read: {error.strerror}") from error


def _belong_together(certificate: x509.Certificate, key: PrivateKey) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The subject's DNS names; its common name only where it has no alternative names (RFC 6125 section 6.4.4)."""
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except (x509.ExtensionNotFound, ValueError):
        return tuple(name.lower() for name in _common_names(certificate.subject)[:1])
    assert isinstance(extension.value, x509.SubjectAlternativeName)
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def _issuer(certificate: x509.Certificate) -> str:
    return ", ".join(_common_names(certificate.issuer)) or certificate.issuer.rfc4514_string()


def _common_names(name: x509.Name) -> tuple[str, ...]:
    return tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME))
