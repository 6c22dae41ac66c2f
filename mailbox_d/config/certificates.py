"""Certificates as files: whether a pair can be used, for which names, and until when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from mailbox_d.config.faults import Refusal
from mailbox_d.config.files import read_regular_file
from mailbox_d.printable import one_line

LARGEST_PEM = 1 << 20
"""Octets of a certificate's or a key's file."""

LARGEST_REVOCATIONS = 16 << 20
"""Octets of a file of revocations: about 50 for each certificate that is revoked."""

EXPIRY_WARNING = timedelta(days=14)
"""Before a certificate's end; certbot renews 30 days before it."""

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
    return Certificate(tuple(_names(leaf)), leaf.not_valid_before_utc, leaf.not_valid_after_utc, _called(leaf.issuer))


def read_authorities(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a file of authorities, with a root among them: chains end there. Raises `Refusal`."""
    certificates = _load_certificates(path)
    if not any(certificate.issuer == certificate.subject for certificate in certificates):
        raise Refusal("no certificate in it is a root's", "the root too, where it is another authority's word")
    return certificates


def read_revocations(path: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """The lists in a file of certificates that are revoked. Raises `Refusal`."""
    data = _read(path, LARGEST_REVOCATIONS)
    lists = _REVOCATIONS.findall(data)
    try:
        read = tuple(map(_load_revocations, lists))
    except ValueError:
        read = ()
    if not read or len(read) != data.count(b"-----BEGIN X509 CRL-----"):
        raise Refusal("the file holds no list of revoked certificates", "such lists in PEM")
    return read


def revocation_warnings(lists: Iterable[x509.CertificateRevocationList], now: datetime) -> Iterator[str]:
    """Which authorities have no list that is good at `now` (UTC), or soon none: many make one a week, or a day."""
    latest: dict[x509.Name, x509.CertificateRevocationList] = {}
    for revocations in sorted(lists, key=_expiry):
        latest[revocations.issuer] = revocations
    for issuer, revocations in latest.items():
        expires, name = _expiry(revocations), one_line(_called(issuer))
        if expires <= now:
            yield f"the list of {name} expired on {expires:%Y-%m-%d %H:%M} UTC: no certificate of its making is taken"
        elif expires - now < min(EXPIRY_WARNING, (expires - revocations.last_update_utc) / 4):
            yield f"the list of {name} expires on {expires:%Y-%m-%d %H:%M} UTC"


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


def _load_revocations(pem: bytes) -> x509.CertificateRevocationList:
    revocations = x509.load_pem_x509_crl(pem)
    _called(revocations.issuer)  # which is read this late, and raises ValueError too
    return revocations


def _public_part(path: Path) -> bytes:
    data = _read(path)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise Refusal("the key is locked by a password", "a key without one") from None
    except Exception:  # cryptography documents several for odd keys and raises more
        raise Refusal("the file holds no private key", "a private key in PEM") from None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path, most: int = LARGEST_PEM) -> bytes:
    data = read_regular_file(path, most)
    if len(data) > most:
        raise Refusal(f"the file is bigger than {most} octets", "a file in PEM")
    return data


def _expiry(revocations: x509.CertificateRevocationList) -> datetime:
    """When the next list is due (UTC); a list that does not say so is good for ever."""
    return revocations.next_update_utc or datetime.max.replace(tzinfo=UTC)


def _called(issuer: x509.Name) -> str:
    """An issuer's common name, or else all that it goes by."""
    common_names = issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common_names[0].value) if common_names else issuer.rfc4514_string()


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """The DNS names of the subject's alternative names; clients look nowhere else (RFC 9525 section 6.3)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return
    yield from extension.value.get_values_for_type(x509.DNSName)
