"""Which TLSA records count, and certificates held against them without a handshake."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import crypto

from mailbox_d.relay.tls import dane
from mailbox_d.relay.tls.dane import ANCHORS_MAX, CHAIN_MAX, RECORDS_MAX, dane_fault, public_key_info, usable
from mailbox_d.wire.dns.records import TLSA
from tests.integration.authority import WEEK, Authority, now, self_signed

ANCHOR = Authority("Anchor")
PAIR = ANCHOR.issue("mx.example.org", with_root=True)
CHAIN = [PAIR.der, ANCHOR.pair.der]
DIGEST = hashlib.sha256(PAIR.public_key).digest()
STRONGER = hashlib.sha512(PAIR.public_key).digest()


@pytest.mark.parametrize(
    "record",
    [
        TLSA(0, 1, 1, DIGEST),
        TLSA(1, 1, 1, DIGEST),
        TLSA(4, 1, 1, DIGEST),
        TLSA(3, 2, 1, DIGEST),
        TLSA(3, 1, 3, DIGEST),
        TLSA(3, 1, 1, DIGEST[:-1]),
        TLSA(3, 1, 1, STRONGER),
        TLSA(3, 1, 2, DIGEST),
        TLSA(3, 1, 1, b""),
        TLSA(3, 1, 0, b""),
        TLSA(2, 0, 0, PAIR.public_key),
        TLSA(2, 1, 0, PAIR.der),
        TLSA(255, 255, 255, b"private"),
        TLSA(255, 255, 255, b""),
    ],
)
def test_records_that_mail_cannot_go_by(record: TLSA) -> None:
    assert usable([record]) == ()


@pytest.mark.parametrize("usage", [2, 3])
@pytest.mark.parametrize(("selector", "matching"), [(s, m) for s in (0, 1) for m in (0, 1, 2)])
def test_records_that_mail_goes_by(usage: int, selector: int, matching: int) -> None:
    record = TLSA(*PAIR.tlsa(usage, selector, matching))
    assert usable([record]) == (record,)


def test_the_strongest_digest_alone_counts_for_each_usage_and_selector() -> None:
    """RFC 7671 section 9: otherwise the weakest digest would be as strong as they all are."""
    weak, strong, exact = (TLSA(*PAIR.tlsa(3, 1, matching)) for matching in (1, 2, 0))
    elsewhere = TLSA(*PAIR.tlsa(3, 0, 1))
    assert usable([weak, strong, exact, elsewhere]) == (strong, exact, elsewhere)


def test_a_server_without_certificates_fits_nothing() -> None:
    fault = dane_fault([TLSA(3, 1, 1, DIGEST)], [], ["mx.example.org"], now())
    assert fault is not None
    assert fault.failure == "certificate-not-trusted"


def test_one_record_that_fits_is_enough() -> None:
    """Keys are changed with the next one in DNS already (RFC 7671 section 8.1)."""
    following = TLSA(*self_signed().tlsa(3, 1, 1))
    assert dane_fault([following, TLSA(3, 1, 1, DIGEST)], CHAIN, [], now()) is None


def test_an_expired_anchor_is_none() -> None:
    records = [TLSA(*ANCHOR.pair.tlsa(2, 0, 1))]
    assert dane_fault(records, CHAIN, ["mx.example.org"], now()) is None
    fault = dane_fault(records, CHAIN, ["mx.example.org"], now() + timedelta(days=4000))
    assert fault is not None
    assert fault.failure == "certificate-expired"


def test_the_key_is_found_where_it_stands() -> None:
    assert public_key_info(PAIR.der) == PAIR.public_key
    assert public_key_info(PAIR.public_key) is None


@given(st.integers(0, len(PAIR.der)))
def test_a_certificate_that_is_cut_off_has_no_key(length: int) -> None:
    assert public_key_info(PAIR.der[:length]) in (None, PAIR.public_key)
    assert (public_key_info(PAIR.der[:length]) is None) == (length < len(PAIR.der))


@given(st.binary(max_size=200), st.sampled_from([0, 1]), st.sampled_from([0, 1, 2]), st.sampled_from([2, 3]))
def test_no_octets_are_too_strange(octets: bytes, selector: int, matching: int, usage: int) -> None:
    record = TLSA(usage, selector, matching, octets)
    usable([record])
    assert dane_fault([record], [octets + b"-", octets], ["mx.example.org"], now()) is not None


@given(st.integers(0, len(PAIR.der) - 1), st.integers(1, 255))
def test_a_certificate_that_differs_in_one_octet_fits_no_record_of_it(place: int, difference: int) -> None:
    changed = bytearray(PAIR.der)
    changed[place] ^= difference
    whole = [TLSA(*PAIR.tlsa(3, 0, matching)) for matching in (0, 1, 2)]
    assert dane_fault(whole, [bytes(changed)], [], now()) is not None


class Checks:
    """How often a signature, or a chain of them, was checked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys = self.chains = 0
        verify, context = dane._verify, crypto.X509StoreContext

        def counted(certificate: x509.Certificate, key: object) -> None:
            self.keys += 1
            verify(certificate, key)

        def counted_context(*parts: object) -> object:
            self.chains += 1
            return context(*parts)  # type: ignore[arg-type]

        monkeypatch.setattr(dane, "_verify", counted)
        monkeypatch.setattr(crypto, "X509StoreContext", counted_context)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    return Checks(monkeypatch)


def rsa_key(exponent: int) -> bytes:
    """A public key that nobody needs to have the private one of."""
    public = rsa.RSAPublicNumbers(exponent, (1 << 3071) + 1234567).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_of_very_many_records_the_first_dozen_counts() -> None:
    records = [TLSA(3, 1, 1, bytes([number]) * 32) for number in range(100)]
    assert usable([*records[:5], *records]) == tuple(records[:RECORDS_MAX])


def test_a_server_has_us_check_no_more_than_some_signatures(checks: Checks) -> None:
    """Keys in records are held against every certificate, and chains built up to every anchor."""
    keys = [TLSA(*Authority(str(number)).pair.tlsa(2, 1, 0)) for number in range(40)]
    chain = [PAIR.der, *(Authority(str(number)).pair.der for number in range(20))]
    assert dane_fault(usable(keys), chain, ["mx.example.org"], now()) is not None
    assert 0 < checks.keys <= ANCHORS_MAX * CHAIN_MAX
    sent = [TLSA(2, 0, 1, hashlib.sha256(der).digest()) for der in chain[1:]]
    whole = [TLSA(2, 0, 0, der) for der in chain[1:]]
    assert dane_fault([*usable(sent), *usable(whole)], chain, ["mx.example.org"], now()) is not None
    assert 0 < checks.chains <= ANCHORS_MAX


def test_an_anchor_that_many_records_name_is_one(checks: Checks) -> None:
    records = [TLSA(*ANCHOR.pair.tlsa(2, selector, matching)) for selector in (0, 1) for matching in (0, 1, 2)]
    changed = bytearray(PAIR.der)
    changed[-1] ^= 1
    assert dane_fault(records, [bytes(changed), ANCHOR.pair.der], ["mx.example.org"], now()) is not None
    assert checks.chains == 1


def test_a_key_that_is_made_to_be_slow_is_not_checked_with() -> None:
    """With an exponent of 3071 bits each signature takes 6 ms."""
    slow, usual = rsa_key((1 << 3070) + 1), rsa_key(65537)
    assert not dane._is_quick(load_der_public_key(slow))
    assert dane._is_quick(load_der_public_key(usual))
    assert dane_fault([TLSA(2, 1, 0, slow)], CHAIN, ["mx.example.org"], now()) is not None


def test_names_come_before_signatures(checks: Checks) -> None:
    fault = dane_fault([TLSA(*ANCHOR.pair.tlsa(2, 1, 0))], CHAIN, ["mx.example.net"], now())
    assert fault is not None
    assert fault.failure == "certificate-host-mismatch"
    assert (checks.keys, checks.chains) == (0, 0)


def constrained(names: int, constraints: int, *, excluded: str = "") -> tuple[Authority, list[bytes]]:
    """An anchor, which excludes so many domains and `excluded`, and a chain below it for a certificate of so many
    names."""
    anchor = Authority("Anchor of a few")
    domains = [x509.DNSName(name) for name in (*(f"{n}.example" for n in range(constraints)), excluded) if name]
    builder = x509.CertificateBuilder(
        anchor.name, anchor.name, anchor.pair.key.public_key(), 1, now() - WEEK, now() + WEEK
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if domains:
        builder = builder.add_extension(x509.NameConstraints(None, domains), critical=True)
    anchor.certificate = builder.sign(anchor.pair.key, hashes.SHA256())
    pair = anchor.issue("mx.example.org", *(f"{n}.example.net" for n in range(names)), with_root=True)
    return anchor, [pair.der, anchor.pair.der]


@pytest.mark.parametrize(
    ("names", "constraints", "excluded", "failure"),
    [
        (10, 10, "", ""),
        (10, 10, "example.org", "certificate-not-trusted"),
        (1, 600, "", ""),
        (600, 0, "", ""),
        (600, 600, "", "certificate-not-trusted"),
        (2000, 1, "", "certificate-not-trusted"),
    ],
)
@pytest.mark.parametrize(("selector", "matching"), [(0, 0), (0, 1)])
def test_only_so_many_names_are_held_against_constraints(
    names: int, constraints: int, excluded: str, failure: str, selector: int, matching: int
) -> None:
    """A million of each pair of certificates otherwise, while all other mail stands still."""
    anchor, chain = constrained(names, constraints, excluded=excluded)
    fault = dane_fault([TLSA(*anchor.pair.tlsa(2, selector, matching))], chain, ["mx.example.org"], now())
    assert (fault.failure if fault else "") == failure


@pytest.mark.parametrize("size", [1024, 2048])
@pytest.mark.parametrize("matching", [0, 1])
def test_below_an_anchor_keys_are_as_strong_as_below_an_authority(size: int, matching: int) -> None:
    pair = ANCHOR.issue("mx.example.org", key=rsa.generate_private_key(65537, size), with_root=True)
    chain = [pair.der, ANCHOR.pair.der]
    for selector in (0, 1):
        fault = dane_fault([TLSA(*ANCHOR.pair.tlsa(2, selector, matching))], chain, ["mx.example.org"], now())
        assert (fault.failure if fault else "") == ("" if size == 2048 else "certificate-not-trusted")
    assert dane_fault([TLSA(*pair.tlsa(3, 1, matching))], chain, [], now()) is None


def test_a_weak_key_vouches_for_nobody() -> None:
    """Though it stands in the record, and has signed the certificate."""
    for size, failure in ((1024, "tlsa-invalid"), (2048, "")):
        authority = Authority()
        authority._key = rsa.generate_private_key(65537, size)
        key = authority._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        chain = [authority.issue("mx.example.org").der]
        fault = dane_fault(usable([TLSA(2, 1, 0, key)]), chain, ["mx.example.org"], now())
        assert (fault.failure if fault else "") == failure
