"""Certificates of every kind of damage are faults, and nothing that is raised."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from service_identity.hazmat import DNSPattern

from mailbox_d.relay.tls.dane import dane_fault, public_key_info
from mailbox_d.relay.tls.peer_certificates import name_fault, usage_fault
from mailbox_d.wire.dns.records import TLSA
from tests.integration.authority import Authority, now

NAME = "mx.example.org"
ANCHOR = Authority("Anchor")
PAIR = ANCHOR.issue(NAME, "192.0.2.1", uses=[x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
_BEGINS = PAIR.der.index(PAIR.certificate.tbs_certificate_bytes)
SIGNED = range(_BEGINS, _BEGINS + len(PAIR.certificate.tbs_certificate_bytes))
"""Where what is signed stands. Of the signature some octets may differ, such as how many bits do not count."""
RECORDS = [TLSA(*ANCHOR.pair.tlsa(2, selector, 0)) for selector in (0, 1)]


@pytest.fixture(autouse=True)
def strange_certificates_are_meant() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def judge(der: bytes) -> None:
    name_fault(der, [NAME])
    usage_fault(der)
    public_key_info(der)


def test_every_octet_changed() -> None:
    """Below an anchor none of those that are signed may be another one."""
    for place in range(len(PAIR.der)):
        for difference in (1, 2, 0x10, 0x20, 0x80, 0xFF):
            changed = bytearray(PAIR.der)
            changed[place] ^= difference
            judge(bytes(changed))
            fault = dane_fault(RECORDS, [bytes(changed)], [NAME], now())
            assert fault is not None or place not in SIGNED


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(PAIR.der) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_several_octets_changed(changes: list[tuple[int, int]]) -> None:
    changed = bytearray(PAIR.der)
    for place, octet in changes:
        changed[place] = octet
    judge(bytes(changed))
    fault = dane_fault(RECORDS, [bytes(changed)], [NAME], now())
    same = changed[SIGNED.start : SIGNED.stop] == PAIR.der[SIGNED.start : SIGNED.stop]
    assert fault is not None or same


@pytest.mark.parametrize(
    ("name", "fits"), [(NAME, True), ("192.0.2.1", False), ("", False), ("münchen.example", False)]
)
def test_names(name: str, fits: bool) -> None:
    assert (name_fault(PAIR.der, [name]) is None) == fits
    assert name_fault(PAIR.der, [name, NAME]) is None


def test_a_certificate_for_a_name_in_a_label_of_its_own_language() -> None:
    pair = ANCHOR.issue("xn--mnchen-3ya.example", "*.example.net")
    assert name_fault(pair.der, ["xn--mnchen-3ya.example"]) is None
    assert name_fault(pair.der, ["münchen.example"]) is None
    assert name_fault(pair.der, ["xn--mnchen-3ya.example.net"]) is not None


def test_of_very_many_names_only_those_are_read_that_may_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = ANCHOR.issue(*(f"h{number}.example.org" for number in range(500)), "*.example.org")
    read: list[bytes] = []

    def counted(name: bytes) -> DNSPattern:
        read.append(name)
        return from_bytes(name)

    from_bytes = DNSPattern.from_bytes
    monkeypatch.setattr(DNSPattern, "from_bytes", counted)
    assert name_fault(pair.der, [NAME]) is None
    assert read == [b"*.example.org"]
