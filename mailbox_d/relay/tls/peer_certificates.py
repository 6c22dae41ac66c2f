"""What is wrong with a server's certificate: its names, its time, who vouches for it.

Certificates come from strangers: what cannot be read is a fault of the certificate, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto
from service_identity.exceptions import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern

from mailbox_d.printable import one_line

EXPIRED = "certificate-expired"
HOST_MISMATCH = "certificate-host-mismatch"
NOT_TRUSTED = "certificate-not-trusted"
"""Result types of RFC 8460 section 4.3.2."""

UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What is raised where a certificate, or what stands in it, cannot be read."""

NAMES_READ = 1000
"""Names of one certificate that are looked at."""

CERTIFICATE_MAX = 32 * 1024
"""Octets of a certificate that is read."""

CONSTRAINED_MAX, COMPARISONS_MAX = 32 * 1024, 100_000
"""Octets of a chain that constrains names, and how often one of its names is held against a constraint: 1 ms."""

_CONSTRAINTS = b"\x55\x1d\x1e"
"""The identifier of the extension `nameConstraints`, whatever way its length is written."""

_LONG_KEYS = (crypto.TYPE_RSA, crypto.TYPE_DSA, 912)
"""912: RSA-PSS, by OpenSSL's number."""

_NOT_YET_VALID, _HAS_EXPIRED = 9, 10
OF_AGE = (_NOT_YET_VALID, _HAS_EXPIRED)
"""OpenSSL's verification errors beside which there may be graver ones."""

_PROBLEMS = {
    2: "the certificate of its authority is missing",
    7: "the certificate's signature is wrong",
    _NOT_YET_VALID: "the certificate is not valid yet",
    _HAS_EXPIRED: "the certificate has expired",
    18: "the certificate is vouched for by itself alone",
    19: "the certificate's chain ends in an authority that is not trusted",
    20: "the certificate is from an authority that is not trusted",
    21: "the certificate is from an authority that is not trusted",
    22: "the certificate's chain is too long",
    23: "the certificate was revoked",
    24: "the certificate is vouched for by one that is no authority's",
    26: "the certificate is not for servers",
    47: "the certificate has a name that its authority may not vouch for",
    66: "the certificate's key is too short",
    67: "the certificate is from an authority whose key is too short",
    68: "the certificate's signature is by a weak algorithm",
}
"""OpenSSL's verification errors that servers' certificates show."""


@dataclass(frozen=True, slots=True)
class CertificateFault:
    """Why a certificate is not right: in words for the record, and as a result type (RFC 8460 section 4.3)."""

    problem: str
    failure: str


def chain_fault(errors: Sequence[int]) -> CertificateFault | None:
    """What OpenSSL's verification errors, in the order they came, say of a chain: its age is told where nothing else is
    wrong."""
    grave = [error for error in errors if error not in OF_AGE]
    if grave:
        return CertificateFault(_problem(grave[0]), NOT_TRUSTED)
    if _HAS_EXPIRED in errors:
        return CertificateFault(_problem(_HAS_EXPIRED), EXPIRED)
    return CertificateFault(_problem(errors[0]), NOT_TRUSTED) if errors else None


def key_fault(chain: Sequence[crypto.X509]) -> CertificateFault | None:
    """What is wrong if a key of a chain is worth less than 112 bits (NIST SP 800-57): RSA and DSA of less than 2048,
    others of less than 224."""
    try:
        keys = [certificate.get_pubkey() for certificate in chain]
    except crypto.Error:
        return CertificateFault("a key of the certificate's chain cannot be read", NOT_TRUSTED)
    return None if all(map(is_strong, keys)) else CertificateFault(_problem(66), NOT_TRUSTED)


def is_strong(key: crypto.PKey) -> bool:
    """Whether a key is worth 112 bits."""
    return key.bits() >= (2048 if key.type() in _LONG_KEYS else 224)


def constraint_fault(chain: Sequence[bytes]) -> CertificateFault | None:
    """What is wrong if the authorities of a chain constrain names (RFC 5280 section 4.2.1.10), and more than are
    compared."""
    if not any(_CONSTRAINTS in der for der in chain):
        return None
    try:
        if sum(map(len, chain)) <= CONSTRAINED_MAX and _comparisons(chain) <= COMPARISONS_MAX:
            return None
    except UNREADABLE as fault:
        return _unreadable(fault)
    return CertificateFault("the certificate's authorities constrain more names than are compared", NOT_TRUSTED)


def name_fault(der: bytes, names: Sequence[str]) -> CertificateFault | None:
    """What is wrong if a certificate is for none of these host names (A-labels). Only DNS names in subjectAltName
    count; `*` stands for the whole leftmost label (RFC 6125 section 6.4.3, RFC 8461 section 4.1)."""
    try:
        alternatives = _extensions(der).get_extension_for_class(x509.SubjectAlternativeName).value
        certified = alternatives.get_values_for_type(x509.DNSName)[:NAMES_READ]
    except x509.ExtensionNotFound:
        certified = []
    except UNREADABLE as fault:
        return _unreadable(fault)
    identities = _identities(names)
    if any(identity.verify(pattern) for pattern in _patterns(certified, identities) for identity in identities):
        return None
    what = f"for {one_line(', '.join(certified[:5]), 100)}" if certified else "for no name"
    return CertificateFault(f"the certificate is {what}, not for {' or '.join(names)}", HOST_MISMATCH)


def usage_fault(der: bytes) -> CertificateFault | None:
    """What is wrong if a certificate says what it may be used for, and that is not a TLS server (RFC 5280 section
    4.2.1.12)."""
    try:
        uses = set(_extensions(der).get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE as fault:
        return _unreadable(fault)
    if uses & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        return None
    return CertificateFault(_problem(26), NOT_TRUSTED)


def _extensions(der: bytes) -> x509.Extensions:
    """Raises `UNREADABLE`."""
    if len(der) > CERTIFICATE_MAX:
        raise ValueError("it is too long")
    return x509.load_der_x509_certificate(der).extensions


def _comparisons(chain: Sequence[bytes]) -> int:
    """How often a name may be held against a constraint: more often than it is, for all are with all. Raises
    `UNREADABLE`."""
    names = constraints = 0
    for der in chain:
        certificate = x509.load_der_x509_certificate(der)
        names += len(certificate.subject.rdns)
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                names += len(list(extension.value))
            elif isinstance(extension.value, x509.NameConstraints):
                value = extension.value
                constraints += len(value.permitted_subtrees or ()) + len(value.excluded_subtrees or ())
    return names * constraints


def _unreadable(fault: Exception) -> CertificateFault:
    return CertificateFault(f"the certificate cannot be read: {one_line(fault)}", NOT_TRUSTED)


def _problem(error: int) -> str:
    return _PROBLEMS.get(error, f"the certificate cannot be verified (error {error})")


def _identities(names: Sequence[str]) -> list[DNS_ID]:
    identities = []
    for name in names:
        with suppress(ValueError):
            identities.append(DNS_ID(name))
    return identities


def _patterns(certified: Iterable[str], identities: Sequence[DNS_ID]) -> list[DNSPattern]:
    """Those of the names that may fit, which are few of many. Names that are none, such as an IP address among DNS
    names, take nothing from the others."""
    hosts = [identity.hostname.decode("ascii") for identity in identities]
    wanted = {*hosts, *("*." + host.partition(".")[2] for host in hosts)}
    patterns = []
    for name in dict.fromkeys(certified):
        if name.strip().lower() in wanted:
            with suppress(CertificateError):
                patterns.append(DNSPattern.from_bytes(name.encode("utf-8", "replace")))
    return patterns
