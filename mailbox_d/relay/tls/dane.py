"""DANE: a server's certificate held against what DNS says of it (RFC 6698, RFC 7671, RFC 7672).

Only records that DNSSEC vouches for may come here. Of the usages, mail knows DANE-TA(2) and DANE-EE(3) (RFC 7672
section 3.1.3). All functions are pure: certificates are DER, time is handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15
from cryptography.hazmat.primitives.serialization import load_der_public_key
from OpenSSL import crypto

from mailbox_d.relay.tls.peer_certificates import (
    CERTIFICATE_MAX,
    NOT_TRUSTED,
    UNREADABLE,
    CertificateFault,
    chain_fault,
    constraint_fault,
    is_strong,
    key_fault,
    name_fault,
    usage_fault,
)
from mailbox_d.wire.dns.records import TLSA

TRUST_ANCHOR, END_ENTITY = 2, 3
WHOLE_CERTIFICATE, PUBLIC_KEY = 0, 1
EXACT, SHA256, SHA512 = 0, 1, 2

INVALID = "tlsa-invalid"
"""The result type for a certificate that fits no record (RFC 8460 section 4.3.2.1)."""

CHAIN_MAX = 10
"""Certificates of a server that are looked at."""

RECORDS_MAX = 12
"""Records of a server that are looked at, those first that came first."""

ANCHORS_MAX = 4
"""Certificates that a chain is built up to, and keys that are held against its signatures; one or two are usual."""

EXPONENT_MAX, MODULUS_MAX = 2**33, 8192
"""RSA keys with a greater exponent, or with more bits, are not checked with: a signature could take as long as hundreds
of others."""

_FITS_NONE = CertificateFault("the certificate fits no TLSA record", INVALID)
_DER = crypto.FILETYPE_ASN1
_LENGTHS = {SHA256: 32, SHA512: 64}


def usable(records: Sequence[TLSA]) -> tuple[TLSA, ...]:
    """The records that mail can go by. Where there are several digests for one usage and selector, the strongest alone
    counts (RFC 7671 section 9)."""
    of_known_kind = [record for record in dict.fromkeys(records) if _is_of_known_kind(record)]
    known = [r for r in of_known_kind[:RECORDS_MAX] if r.matching != EXACT or _is_readable(r)]
    strongest: dict[tuple[int, int], int] = {}
    for record in known:
        kind = record.usage, record.selector
        strongest[kind] = max(strongest.get(kind, EXACT), record.matching)
    return tuple(r for r in known if r.matching in (EXACT, strongest[r.usage, r.selector]))


def dane_fault(
    records: Sequence[TLSA], chain: Sequence[bytes], names: Sequence[str], at: datetime
) -> CertificateFault | None:
    """What is wrong with a server's certificates (its own first, as it sent them), going by usable records; None where
    one of the records fits. A DANE-EE record asks for neither names nor times (RFC 7672 section 3.1.1); below a
    DANE-TA record the certificate is for one of `names`, and valid at `at` (section 3.1.2)."""
    if not chain:
        return CertificateFault("the server showed no certificate", NOT_TRUSTED)
    if any(record.usage == END_ENTITY and _fits(record, chain[0]) for record in records):
        return None
    anchored = [record for record in records if record.usage == TRUST_ANCHOR]
    if not anchored:
        return _FITS_NONE
    if (wrong := usage_fault(chain[0]) or name_fault(chain[0], names)) is not None:
        return wrong
    sent = [chain[0], *(der for der in chain[1:CHAIN_MAX] if _is_checked_quickly(der))]
    return _anchored_fault(anchored, sent, at)


def _anchored_fault(records: Sequence[TLSA], sent: Sequence[bytes], at: datetime) -> CertificateFault | None:
    """What is wrong with a chain, going by DANE-TA records."""
    anchors = list(islice(_unique(_anchors(records, sent)), ANCHORS_MAX))
    if (wrong := constraint_fault(list(_unique([*sent, *anchors])))) is not None:
        return wrong
    fault: CertificateFault | None = _FITS_NONE
    for anchor in anchors:
        fault = _chain_fault(anchor, sent, at)
        if fault is None:
            return None
    return fault


def public_key_info(der: bytes) -> bytes | None:
    """A certificate's SubjectPublicKeyInfo just as it stands there (RFC 5280 section 4.1), of whatever kind the key is;
    None where this is no certificate."""
    try:
        start, end = _content(der, 0)
        start, end = _content(der, start)
        if der[start] == 0xA0:  # the version; what follows: serial, signature, issuer, validity, subject
            start = _content(der, start)[1]
        for _ in range(5):
            start = _content(der, start)[1]
        return der[start : _content(der, start)[1]] if start < end else None
    except (IndexError, ValueError):
        return None


def _is_of_known_kind(record: TLSA) -> bool:
    if record.usage not in (TRUST_ANCHOR, END_ENTITY) or record.selector not in (WHOLE_CERTIFICATE, PUBLIC_KEY):
        return False
    return record.matching == EXACT or len(record.data) == _LENGTHS.get(record.matching)


def _is_readable(record: TLSA) -> bool:
    """Whether a record that holds a certificate or key does so."""
    try:
        if record.selector == WHOLE_CERTIFICATE:
            return public_key_info(record.data) is not None and bool(crypto.load_certificate(_DER, record.data))
        return bool(load_der_public_key(record.data))
    except (crypto.Error, *UNREADABLE):
        return False


def _fits(record: TLSA, der: bytes) -> bool:
    data = der if record.selector == WHOLE_CERTIFICATE else public_key_info(der)
    if data is None:
        return False
    if record.matching == EXACT:
        return data == record.data
    digest = hashlib.sha256 if record.matching == SHA256 else hashlib.sha512
    return digest(data).digest() == record.data


def _anchors(records: Sequence[TLSA], chain: Sequence[bytes]) -> Iterator[bytes]:
    """The certificates that DANE-TA records trust: of those that the server sent along, the one in a record; one in a
    record that could have issued one of them; and those signed by a key in a record (RFC 7671 section 5.2)."""
    keys: list[bytes] = []
    issuers = _issuers(chain)
    for record in records:
        yield from (der for der in chain[1:] if _fits(record, der))
        if record.matching != EXACT:
            continue
        if record.selector == PUBLIC_KEY:
            keys += [record.data] if _is_strong(record.data) else []
        elif record.data != chain[0] and _is_checked_quickly(record.data) and _is_among(issuers, record.data):
            yield record.data
    for key in keys[:ANCHORS_MAX]:
        yield from (der for der in chain if _is_signed_by(der, key))


def _issuers(chain: Sequence[bytes]) -> frozenset[str] | None:
    """The names of those who issued a chain's certificates; None where one cannot be read."""
    try:
        return frozenset(_loose(x509.load_der_x509_certificate(der).issuer) for der in chain)
    except UNREADABLE:
        return None


def _is_among(issuers: frozenset[str] | None, anchor: bytes) -> bool:
    """Whether an anchor may have issued a certificate, by the names; more may seem to than have."""
    try:
        return issuers is None or _loose(x509.load_der_x509_certificate(anchor).subject) in issuers
    except UNREADABLE:
        return True


def _loose(name: x509.Name) -> str:
    """A name without what makes no difference (RFC 5280 section 7.1)."""
    return " ".join(name.rfc4514_string().lower().split())


def _is_checked_quickly(der: bytes) -> bool:
    """Whether what a certificate's key signed is checked in a moment: a key that is none of those that are in use, or
    is made to be slow, holds up all other mail, and so does a certificate of thousands of names."""
    try:
        return len(der) <= CERTIFICATE_MAX and _is_quick(x509.load_der_x509_certificate(der).public_key())
    except UNREADABLE:
        return False


def _is_quick(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size <= MODULUS_MAX and key.public_numbers().e < EXPONENT_MAX
    return not isinstance(key, dsa.DSAPublicKey)


def _unique(certificates: Iterable[bytes]) -> Iterator[bytes]:
    seen: set[bytes] = set()
    for der in certificates:
        if der not in seen:
            seen.add(der)
            yield der


def _chain_fault(anchor: bytes, chain: Sequence[bytes], at: datetime) -> CertificateFault | None:
    """What is wrong with a chain from a server's certificate up to an anchor that is trusted."""
    try:
        store = crypto.X509Store()
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        store.set_time(at)
        store.add_cert(crypto.load_certificate(_DER, anchor))
        own, *others = [crypto.load_certificate(_DER, der) for der in chain]
        return key_fault(crypto.X509StoreContext(store, own, others).get_verified_chain())
    except crypto.X509StoreContextError as error:
        return chain_fault([error.errors[0]])
    except crypto.Error:
        return CertificateFault("a certificate of the chain cannot be read", NOT_TRUSTED)


def _is_strong(key: bytes) -> bool:
    """Whether a key (a SubjectPublicKeyInfo) may vouch for others."""
    try:
        return is_strong(crypto.load_publickey(_DER, key))
    except crypto.Error:
        return False


def _is_signed_by(der: bytes, key: bytes) -> bool:
    """Whether a certificate's signature is by this key (a SubjectPublicKeyInfo)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        _verify(certificate, load_der_public_key(key))
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _verify(certificate: x509.Certificate, key: object) -> None:
    """Raises `InvalidSignature`, `TypeError` for a key that cannot have signed this."""
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    how, digest = certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm
    if not _is_quick(key):
        raise TypeError("no key that is checked with")
    if isinstance(key, rsa.RSAPublicKey) and isinstance(how, PKCS1v15 | PSS) and digest is not None:
        key.verify(signature, signed, how, digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(how, ec.ECDSA):
        key.verify(signature, signed, how)
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) and how is None:
        key.verify(signature, signed)
    else:
        raise TypeError("no key that signs such a certificate")


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element of DER begins and ends. Raises `IndexError`, `ValueError` where none is whole."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 0 < octets <= 4:
            raise ValueError("a length that no certificate has")
        start += octets
        length = int.from_bytes(der[at + 2 : start], "big")
    if start + length > len(der):
        raise ValueError("cut off")
    return start, start + length
