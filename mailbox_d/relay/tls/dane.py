"""DANE: a server's certificate held against what DNS says of it (RFC 6698, RFC 7671, RFC 7672).

Only records that DNSSEC vouches for may come here. Of the usages, mail knows DANE-TA(2) and DANE-EE(3) (RFC 7672
section 3.1.3). All functions are pure: certificates are DER, time is handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15
from cryptography.hazmat.primitives.serialization import load_der_public_key
from OpenSSL import crypto

from mailbox_d.relay.tls.peer_certificates import (
    NOT_TRUSTED,
    UNREADABLE,
    CertificateFault,
    chain_fault,
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

_DER = crypto.FILETYPE_ASN1
_LENGTHS = {SHA256: 32, SHA512: 64}


def usable(records: Sequence[TLSA]) -> tuple[TLSA, ...]:
    """The records that mail can go by. Where there are several digests for one usage and selector, the strongest alone
    counts (RFC 7671 section 9)."""
    known = [record for record in records if _is_usable(record)]
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
    sent = chain[:CHAIN_MAX]
    if any(record.usage == END_ENTITY and _fits(record, sent[0]) for record in records):
        return None
    fault = CertificateFault("the certificate fits no TLSA record", INVALID)
    for anchor in _anchors(records, sent):
        found = _chain_fault(anchor, sent, at) or usage_fault(sent[0]) or name_fault(sent[0], names)
        if found is None:
            return None
        fault = found
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


def _is_usable(record: TLSA) -> bool:
    if record.usage not in (TRUST_ANCHOR, END_ENTITY) or record.selector not in (WHOLE_CERTIFICATE, PUBLIC_KEY):
        return False
    if record.matching == EXACT:
        return _is_readable(record)
    return len(record.data) == _LENGTHS.get(record.matching)


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
    """The certificates that DANE-TA records trust: of those that the server sent along, the one in a record, and those
    signed by a key in a record (RFC 7671 section 5.2)."""
    for record in records:
        if record.usage != TRUST_ANCHOR:
            continue
        yield from (der for der in chain[1:] if _fits(record, der))
        if record.matching == EXACT and record.selector == WHOLE_CERTIFICATE:
            yield from () if record.data == chain[0] else (record.data,)
        elif record.matching == EXACT:
            yield from (der for der in chain if _is_signed_by(der, record.data))


def _chain_fault(anchor: bytes, chain: Sequence[bytes], at: datetime) -> CertificateFault | None:
    """What is wrong with a chain from a server's certificate up to an anchor that is trusted."""
    try:
        store = crypto.X509Store()
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        store.set_time(at)
        store.add_cert(crypto.load_certificate(_DER, anchor))
        own, *others = [crypto.load_certificate(_DER, der) for der in chain]
        crypto.X509StoreContext(store, own, others).verify_certificate()
    except crypto.X509StoreContextError as error:
        return chain_fault([error.errors[0]])
    except crypto.Error:
        return CertificateFault("a certificate of the chain cannot be read", NOT_TRUSTED)
    return None


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
