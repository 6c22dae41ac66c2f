"""What is asked of a DNS server."""

from __future__ import annotations

from ipaddress import ip_address

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.dns.questions import (
    LARGEST_DATAGRAM,
    ImpossibleName,
    Question,
    RecordType,
    question_octets,
    reverse_name,
)


@pytest.mark.parametrize("kind", RecordType)
def test_a_question_asks_one_thing_and_for_checked_signatures(kind: RecordType) -> None:
    asked = dns.message.from_wire(question_octets(Question("_25._tcp.mx.example.com", kind), 4711))
    assert asked.id == 4711
    assert asked.flags == dns.flags.RD | dns.flags.AD
    assert (asked.edns, asked.payload, asked.ednsflags) == (0, LARGEST_DATAGRAM, 0)
    assert [rrset.to_text() for rrset in asked.question] == [f"_25._tcp.mx.example.com. IN {kind.name}"]


def test_nothing_in_a_name_is_an_escape() -> None:
    asked = dns.message.from_wire(question_octets(Question("a\\046b.example", RecordType.MX), 0))
    assert asked.question[0].name.labels == (b"a\\046b", b"example", b"")


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "a.", ".a", "a" * 64, ".".join(["a" * 63] * 4), "bücher.example", "\udcff.example"]
)
def test_what_can_be_no_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(ImpossibleName):
        question_octets(Question(name, RecordType.A), 0)


@given(st.text(max_size=300))
def test_any_text_is_a_question_or_an_impossible_name(name: str) -> None:
    try:
        asked = dns.message.from_wire(question_octets(Question(name, RecordType.A), 0))
    except ImpossibleName:
        return
    assert b".".join(asked.question[0].name.labels[:-1]) == name.encode()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_an_address_has_a_name_to_ask_for(address: str, name: str) -> None:
    assert reverse_name(ip_address(address)) == name
