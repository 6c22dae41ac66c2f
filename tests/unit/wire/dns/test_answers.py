"""What a DNS server says is read with bounds, and nothing else than an answer is taken for one."""

from __future__ import annotations

import struct
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.wire
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbox_d.wire.dns.answers import (
    LONGEST_NEGATIVE_TTL,
    LONGEST_TTL,
    MOST_ALIASES,
    STEPS_PER_RECORD,
    NotTheAnswer,
    Reading,
    Truncated,
    read_answer,
)
from mailbox_d.wire.dns.questions import Question, RecordType, question_octets
from mailbox_d.wire.dns.records import MX, SRV, TLSA, LookupFailed

IDENTIFIER = 7
NAME = "example.com"
MX_OF_NAME = Question(NAME, RecordType.MX)
QUESTION_OCTETS = question_octets(MX_OF_NAME, IDENTIFIER)[12:29]
OF_THE_NAME = b"\xc0\x0c"
"""A pointer to the question's name."""

SOA = "example.com 300 IN SOA ns.example.com. root.example.com. 1 3600 600 86400 60"


def replied(*records: str, question: Question = MX_OF_NAME, authority: tuple[str, ...] = (), **changed: Any) -> bytes:
    """A server's reply; `changed` are attributes of the message."""
    message = dns.message.make_response(dns.message.from_wire(question_octets(question, IDENTIFIER)))
    message.answer = [_rrset(text) for text in records]
    message.authority = [_rrset(text) for text in authority]
    for name, value in changed.items():
        setattr(message, name, value)
    return message.to_wire(max_size=65535)


def read(octets: bytes, question: Question = MX_OF_NAME, *, most: int = 200) -> Reading[Any]:
    return read_answer(octets, question, IDENTIFIER, most)


def by_hand(count: int, records: bytes, *, authorities: int = 0, flags: int = 0x8180) -> bytes:
    """A reply whose records are octets."""
    return struct.pack("!6H", IDENTIFIER, flags, 1, count, authorities, 0) + QUESTION_OCTETS + records


def record(data: bytes, *, kind: int = RecordType.MX, name: bytes = OF_THE_NAME, ttl: int = 60) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def _rrset(text: str) -> dns.rrset.RRset:
    name, ttl, record_class, kind, data = text.split(maxsplit=4)
    return dns.rrset.from_text(dns.name.from_text(name), int(ttl), record_class, kind, data)


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        ("MX", "10 MX1.Example.COM.", MX(10, "mx1.example.com")),
        ("MX", "0 .", MX(0, "")),
        ("A", "192.0.2.1", ip_address("192.0.2.1")),
        ("AAAA", "2001:db8::1", ip_address("2001:db8::1")),
        ("TXT", '"v=spf1 " "-all"', b"v=spf1 -all"),
        ("TXT", '""', b""),
        ("TLSA", f"3 1 1 {'0a' * 32}", TLSA(3, 1, 1, b"\x0a" * 32)),
        ("SRV", "1 2 993 imap.example.com.", SRV(1, 2, 993, "imap.example.com")),
        ("SRV", "0 0 0 .", SRV(0, 0, 0, "")),
        ("CNAME", "other.example.", "other.example"),
        ("PTR", "Mail.example.com.", "mail.example.com"),
        ("PTR", "1.0/25.2.0.192.in-addr.arpa.", "1.0/25.2.0.192.in-addr.arpa"),
    ],
)
def test_records_are_values(kind: str, data: str, value: object) -> None:
    question = Question(NAME, RecordType[kind])
    reading = read(replied(f"{NAME} 300 IN {kind} {data}", question=question), question)
    assert reading.answer.records == (value,)
    assert (reading.answer.exists, reading.answer.secure, reading.answer.name) == (True, False, NAME)
    assert (reading.ttl, reading.alias) == (300, "")


def test_what_the_server_has_checked_is_said() -> None:
    checked = dns.flags.QR | dns.flags.RD | dns.flags.RA | dns.flags.AD
    assert read(replied(f"{NAME} 1 IN MX 1 a.", flags=checked)).answer.secure
    assert read(replied(authority=(SOA,), flags=checked)).answer.secure
    assert not read(replied(f"{NAME} 1 IN MX 1 a.", flags=checked & ~dns.flags.AD)).answer.secure


def test_no_record_of_the_type_is_not_no_such_name() -> None:
    nothing = read(replied(authority=(SOA,)))
    assert (nothing.answer.records, nothing.answer.exists, nothing.ttl) == ((), True, 60)
    nobody = read(replied(authority=(SOA,), flags=dns.flags.QR | dns.rcode.NXDOMAIN))
    assert (nobody.answer.records, nobody.answer.exists, nobody.ttl) == ((), False, 60)


@pytest.mark.parametrize(
    ("records", "authority", "ttl"),
    [
        (("example.com 500 IN CNAME a.", "a. 400 IN MX 1 b."), (), 400),
        (("example.com 300 IN CNAME a.", "a. 400 IN MX 1 b."), (), 300),
        (("example.com 4000000 IN MX 1 b.",), (), LONGEST_TTL),
        (("example.com 0 IN MX 1 b.",), (), 0),
        ((), ("example.com 20 IN SOA a. b. 1 1 1 1 60",), 20),
        ((), ("example.com 100000 IN SOA a. b. 1 1 1 1 90000",), LONGEST_NEGATIVE_TTL),
        ((), (), 0),
    ],
)
def test_how_long_an_answer_holds(records: tuple[str, ...], authority: tuple[str, ...], ttl: int) -> None:
    assert read(replied(*records, authority=authority)).ttl == ttl


def test_a_ttl_with_its_highest_bit_set_is_none() -> None:
    assert read(by_hand(1, record(b"\0\1" + OF_THE_NAME, ttl=0xFFFFFFFF))).ttl == 0


def test_a_large_answer_is_not_remembered() -> None:
    lines = [f"{NAME} 60 IN MX {number} mx.example.com." for number in range(400)]
    assert [read(replied(*lines[:count]), most=1000).ttl for count in (250, 400)] == [60, 0]


def test_aliases_are_followed_within_the_answer_in_any_order() -> None:
    reading = read(replied("b. 9 IN CNAME c.", "c. 9 IN MX 1 d.", "Example.com 9 IN CNAME b.", "x. 9 IN MX 2 y."))
    assert (reading.answer.records, reading.answer.name, reading.alias) == ((MX(1, "d"),), "c", "")


def test_an_alias_whose_records_are_elsewhere_is_asked_for_next() -> None:
    assert read(replied("example.com 9 IN CNAME b.example.net.")).alias == "b.example.net"
    known = read(replied("example.com 9 IN CNAME b.example.net.", authority=("example.net 9 IN SOA a. b. 1 1 1 1 5",)))
    assert (known.alias, known.answer.records, known.answer.exists, known.ttl) == ("", (), True, 5)
    nobody = read(replied("example.com 9 IN CNAME b.", flags=dns.flags.QR | dns.rcode.NXDOMAIN))
    assert (nobody.alias, nobody.answer.exists) == ("", False)


def test_who_asks_for_an_alias_is_told_it() -> None:
    question = Question(NAME, RecordType.CNAME)
    reading = read(replied("example.com 9 IN CNAME b.", "b. 9 IN CNAME c.", question=question), question)
    assert reading.answer.records == ("b",)


@pytest.mark.parametrize("length", [1, 2, MOST_ALIASES + 1])
def test_a_loop_of_aliases_tells_nothing(length: int) -> None:
    names = [NAME, *(f"a{number}." for number in range(length - 1))]
    loop = [f"{name} 9 IN CNAME {names[(at + 1) % length]}" for at, name in enumerate(names)]
    with pytest.raises(LookupFailed, match="loop"):
        read(replied(*(text if text.endswith(".") else f"{text}." for text in loop)))


def test_a_chain_of_aliases_may_be_eight_long() -> None:
    names = [NAME, *(f"a{number}" for number in range(20))]
    chain = [f"{name} 9 IN CNAME {names[at + 1]}." for at, name in enumerate(names[:-1])]
    assert read(replied(*chain[:MOST_ALIASES], f"{names[MOST_ALIASES]} 9 IN MX 1 x.")).answer.records == (MX(1, "x"),)
    with pytest.raises(LookupFailed):
        read(replied(*chain[: MOST_ALIASES + 1], f"{names[MOST_ALIASES + 1]} 9 IN MX 1 x."))


@pytest.mark.parametrize("code", [code for code in dns.rcode.Rcode if code < 16 and code not in (0, 3)])
def test_refusals_are_never_told_as_no_such_name(code: dns.rcode.Rcode) -> None:
    with pytest.raises(LookupFailed, match=code.name) as failed:
        read(replied(flags=dns.flags.QR | code))
    assert failed.value.temporary
    with pytest.raises(LookupFailed):
        read(struct.pack("!6H", IDENTIFIER, 0x8000 | code, 0, 0, 0, 0))


def test_a_server_that_only_knows_whom_else_to_ask_has_not_said_that_there_is_nothing() -> None:
    with pytest.raises(LookupFailed):
        read(replied(authority=("com. 300 IN NS a.gtld-servers.net.",)))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0\7\x81\x80\0\1\0\0\0\0\0",
        by_hand(0, b"", flags=0x0180),
        b"\0\6" + by_hand(0, b"")[2:],
        by_hand(0, b"").replace(b"example", b"exomple"),
        by_hand(0, b"").replace(b"\3com\0\0\x0f", b"\3com\0\0\x01"),
        by_hand(0, b"").replace(b"\3com\0\0\x0f\0\1", b"\3com\0\0\x0f\0\3"),
        by_hand(0, b"")[:20],
        struct.pack("!6H", IDENTIFIER, 0x8180, 0, 0, 0, 0),
        struct.pack("!6H", IDENTIFIER, 0x8180, 2, 0, 0, 0) + QUESTION_OCTETS * 2,
    ],
)
def test_what_answers_another_question_is_no_answer(octets: bytes) -> None:
    with pytest.raises(NotTheAnswer):
        read(octets)


def test_the_case_of_the_question_may_differ() -> None:
    assert read(by_hand(0, b"").replace(b"example", b"eXaMpLe")).answer.exists


def test_a_reply_that_is_cut_is_to_be_asked_for_again() -> None:
    with pytest.raises(Truncated):
        read(replied(f"{NAME} 1 IN MX 1 a.", flags=dns.flags.QR | dns.flags.TC))


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"\3\1\1", TLSA(3, 1, 1, b"")),
        (b"\3\1", TLSA(3, 1, 255, b"")),
        (b"\3", TLSA(3, 255, 255, b"")),
        (b"", TLSA(255, 255, 255, b"")),
    ],
)
def test_a_tlsa_record_that_is_cut_is_one_that_nobody_can_go_by(data: bytes, fields: TLSA) -> None:
    """Its host has TLS all the same (RFC 7672 section 2.2)."""
    question = Question(NAME, RecordType.TLSA)
    short, right = (record(octets, kind=RecordType.TLSA) for octets in (data, b"\3\1\1\xab"))
    asked = QUESTION_OCTETS[:-4] + struct.pack("!HH", RecordType.TLSA, 1)
    for count, records, found in ((1, short, (fields,)), (2, short + right, (fields, TLSA(3, 1, 1, b"\xab")))):
        octets = by_hand(count, records).replace(QUESTION_OCTETS, asked)
        assert read(octets, question).answer.records == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\1\3abc",
        b"\0\1" + OF_THE_NAME + b"x",
        b"\0\1\3a.b" + OF_THE_NAME,
        b"\0\1\3a b" + OF_THE_NAME,
        b"\0\1\3a\0b" + OF_THE_NAME,
        b"\0\1\4a\r\nb" + OF_THE_NAME,
        b"\0\1\2\xc3\xa4" + OF_THE_NAME,
        b"\0\1\x80",
        b"\0\1\xff\xff",
    ],
)
def test_a_malformed_record_is_its_own_loss(data: bytes) -> None:
    right = record(b"\0\2" + OF_THE_NAME)
    assert read(by_hand(3, right + record(data) + right)).answer.records == (MX(2, NAME), MX(2, NAME))
    with pytest.raises(LookupFailed):
        read(by_hand(1, record(data)))


def test_records_of_another_class_are_none() -> None:
    assert read(by_hand(1, record(b"\0\1" + OF_THE_NAME).replace(b"\0\x0f\0\1", b"\0\x0f\0\3"))).answer.records == ()


def test_no_more_records_are_looked_at_than_the_limit() -> None:
    many = by_hand(4000, b"".join(record(struct.pack("!H", n) + OF_THE_NAME) for n in range(4000)))
    assert len(many) > 64_000
    assert read(many, most=200).answer.records == tuple(MX(n, NAME) for n in range(200))


def pointers() -> bytes:
    """Names that are pointers to pointers to pointers, as many as a message has room for."""
    start = 12 + len(QUESTION_OCTETS) + 12
    chain = b"".join(struct.pack("!H", 0xC000 | at) for at in (12, *range(start, 16_000, 2)))
    last = struct.pack("!H", 0xC000 | (start + len(chain) - 2))
    return by_hand(300, record(chain, kind=99) + record(b"\0\1" + last, name=last) * 299)


def long_names() -> bytes:
    """As many labels as names have, in as many names as there are records."""
    name = b"\1a" * 126 + b"\0"
    return by_hand(250, record(b"\0\1" + name, name=name) * 250)


def self_pointer() -> bytes:
    at = 12 + len(QUESTION_OCTETS)
    return by_hand(1, record(b"\0\1" + OF_THE_NAME, name=struct.pack("!H", 0xC000 | at)))


def aliases() -> bytes:
    """Each name stands for the next."""
    labels = [b"\3%03d" % number for number in range(1000)]
    pairs = zip([b"", *labels], labels, strict=False)
    return by_hand(
        1000, b"".join(record(b + OF_THE_NAME, kind=RecordType.CNAME, name=a + OF_THE_NAME) for a, b in pairs)
    )


def empty_strings() -> bytes:
    return by_hand(200, record(b"\0" * 300, kind=RecordType.TXT) * 200)


def long_authority() -> bytes:
    """Behind no answer, as many names of as many labels as there is room for."""
    name = b"\1a" * 126 + b"\0"
    again = struct.pack("!H", 0xC000 | (12 + len(QUESTION_OCTETS)))
    return by_hand(0, record(b"", name=name, kind=2) + record(b"", name=again, kind=2) * 4000, authorities=4001)


HOSTILE = [long_authority, pointers, long_names, self_pointer, aliases, empty_strings]


@pytest.mark.parametrize("made", HOSTILE)
def test_a_hostile_message_costs_a_bounded_number_of_steps(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is each octet and label that is looked at, so that no machine is too slow for it."""
    steps = 0
    get_bytes = dns.wire.Parser.get_bytes

    def counted(parser: dns.wire.Parser, size: int) -> bytes:
        nonlocal steps
        steps += 1
        return get_bytes(parser, size)

    monkeypatch.setattr(dns.wire.Parser, "get_bytes", counted)
    for kind in (RecordType.MX, RecordType.TXT, RecordType.TLSA):
        steps = 0
        question = Question(NAME, kind)
        octets = made().replace(QUESTION_OCTETS, QUESTION_OCTETS[:-4] + struct.pack("!HH", kind, 1))
        with suppress(LookupFailed):
            assert len(read(octets, question).answer.records) <= 200
        assert 0 < steps <= 200 * STEPS_PER_RECORD


def test_ordinary_answers_are_far_from_that_bound() -> None:
    lines = [f"{NAME} 60 IN MX {number} mx{number}.mail.some.long.name.example." for number in range(200)]
    assert len(read(replied(*lines)).answer.records) == 200
    chain = [f"a{n}.example.com 60 IN CNAME a{n + 1}.example.com." for n in range(8)]
    chain = [chain[0].replace("a0.example.com ", "example.com "), *chain[1:], "a8.example.com 60 IN MX 1 mx."]
    assert read(replied(*chain), most=10).answer.records == (MX(1, "mx"),)


@given(st.binary(max_size=600), st.sampled_from(RecordType))
@example(b"", RecordType.A)
def test_any_octets_are_an_answer_or_a_defined_fault(octets: bytes, kind: RecordType) -> None:
    _read_or_refuse(octets, Question(NAME, kind))


@given(st.integers(0, 5), st.binary(max_size=300), st.sampled_from(RecordType), st.integers(0, 15))
def test_any_octets_behind_the_question_are_too(count: int, octets: bytes, kind: RecordType, code: int) -> None:
    asked = QUESTION_OCTETS[:-4] + struct.pack("!HH", kind, 1)
    whole = by_hand(count, octets, authorities=count, flags=0x8180 | code).replace(QUESTION_OCTETS, asked)
    _read_or_refuse(whole, Question(NAME, kind))


@given(st.lists(st.binary(max_size=20), max_size=5), st.sampled_from(RecordType))
def test_any_data_of_records_are_too(data: list[bytes], kind: RecordType) -> None:
    asked = QUESTION_OCTETS[:-4] + struct.pack("!HH", kind, 1)
    records = b"".join(record(octets, kind=kind) for octets in data)
    _read_or_refuse(by_hand(len(data), records).replace(QUESTION_OCTETS, asked), Question(NAME, kind))


def _read_or_refuse(octets: bytes, question: Question) -> None:
    try:
        reading = read(octets, question)
    except (NotTheAnswer, Truncated, LookupFailed):
        return
    assert 0 <= reading.ttl <= LONGEST_TTL
    for text in [
        reading.alias,
        reading.answer.name,
        *(value.host for value in reading.answer.records if hasattr(value, "host")),
    ]:
        assert text.isascii() and (not text or text.isprintable()) and " " not in text and len(text) <= 253
