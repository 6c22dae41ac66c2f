"""Certificates as files: whether a pair can be used, for which names, and until when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from mailbox_d.config.faults import Refusal
from mailbox_d.config.files import read_regular_file

LARGEST_PEM = 1 << 20
"""Octets of a certificate's or a key's file."""

_REVOCATIONS = re.compile(rb"-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says: the DNS names that it is for, its time (UTC), and who made it."""

    names: tuple[str, ...]
    begins: datetime
    expires: datetime
    issuer: str = ""


class PairRefused(Exception):
    """A pair cannot be used; `refusals` says why for each part, `certificate` or `key`, that is at fault."""

    def __init__(self, refusals: Mapping[str, Refusal]) -> None:
        super().__init__("; ".join(f"{part}: {refusal}" for part, refusal in refusals.items()))
        self.refusals = refusals


def inspect_pair(certificate: Path, key: Path) -> Certificate:
    """Read a certificate and its key, and hold them against each other. Raises `PairRefused`."""
    refusals: dict[str, Refusal] = {}
    leaf = public = None
    try:
        leaf = _load_certificate(certificate)
    except Refusal as refusal:
        refusals["certificate"] = refusal
    try:
        public = _public_part(key)
    except Refusal as refusal:
        refusals["key"] = refusal
    if leaf is None or public is None:
        raise PairRefused(refusals)
    if public != leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise PairRefused({"key": Refusal("the key does not match the certificate", "the key that belongs to it")})
    return Certificate(tuple(_names(leaf)), leaf.not_valid_before_utc, leaf.not_valid_after_utc, _issuer(leaf))


def read_authorities(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a file of authorities, with a root among them: chains end there. Raises `Refusal`."""
    certificates = _load_certificates(path)
    if not any(certificate.issuer == certificate.subject for certificate in certificates):
        raise Refusal("no certificate in it is a root's", "the root too, where it is another authority's word")
    return certificates


def read_revocations(path: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """The lists in a file of certificates that are revoked. Raises `Refusal`."""
    data = _read(path)
    lists = _REVOCATIONS.findall(data)
    try:
        read = tuple(map(x509.load_pem_x509_crl, lists))
    except ValueError:
        read = ()
    if not read or len(read) != data.count(b"-----BEGIN X509 CRL-----"):
        raise Refusal("the file holds no list of revoked certificates", "such lists in PEM")
    return read


def certbot_pairs(directory: Path) -> Iterator[tuple[Path, Path]]:
    """The pairs of certbot's layout by name: `<name>/fullchain.pem` and `<name>/privkey.pem`. Raises `OSError`."""
    for folder in sorted(directory.iterdir()):
        if (folder / "fullchain.pem").exists() or (folder / "privkey.pem").exists():
            yield folder / "fullchain.pem", folder / "privkey.pem"


def _load_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a chain, all of which is read."""
    return _load_certificates(path)[0]


def _load_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    data = _read(path)
    try:
        chain = x509.load_pem_x509_certificates(data)
    except ValueError:
        raise Refusal("the file holds no certificate", "a certificate in PEM") from None
    if len(chain) != data.count(b"-----BEGIN CERTIFICATE-----"):  # OpenSSL passes over what was cut off
        raise Refusal("the chain is not whole", "a certificate in PEM, its chain behind it")
    return tuple(chain)


def _public_part(path: Path) -> bytes:
    data = _read(path)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise Refusal("the key is locked by a password", "a key without one") from None
    except Exception:  # cryptography documents several for odd keys and raises more
        raise Refusal("the file holds no private key", "a private key in PEM") from None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> bytes:
    data = read_regular_file(path, LARGEST_PEM)
    if len(data) > LARGEST_PEM:
        raise Refusal(f"the file is bigger than {LARGEST_PEM} octets", "a file in PEM")
    return data


def _issuer(certificate: x509.Certificate) -> str:
    """The issuer's common name, or else all that it goes by."""
    common_names = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common_names[0].value) if common_names else certificate.issuer.rfc4514_string()


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """The DNS names of the subject's alternative names; clients look nowhere else (RFC 9525 section 6.3)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return
    yield from extension.value.get_values_for_type(x509.DNSName)
