"""Which TLSA records count, and certificates held against them without a handshake."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.relay.tls.dane import dane_fault, public_key_info, usable
from mailbox_d.wire.dns.records import TLSA
from tests.integration.authority import Authority, now, self_signed

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
