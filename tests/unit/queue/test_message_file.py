from __future__ import annotations

import tracemalloc
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Envelope, Notify, Queued, Recipient, Return, Source
from mailbox_d.queue.message_file import (
    ENVELOPE_OCTETS_MAX,
    RECIPIENTS_MAX,
    TOP_OCTETS,
    Content,
    DamagedMessage,
    envelope_line,
    first_line,
    read_address,
    read_message,
    read_top,
)
from mailbox_d.wire.smtp.commands import Body

BODY = b"Subject: x\r\n\r\nhello\r\n"
CONTENT = Content(len(BODY), crc32(BODY), 14, False, True)

local_parts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
addresses = st.builds(
    EmailAddress, local_parts, st.sampled_from(["example.com", "[192.0.2.1]", "xn--bcher-kva.example"])
)
notifies = st.sampled_from([Notify.NEVER, *(Notify(value) for value in range(1, 8))])
recipients = st.builds(Recipient, addresses, notifies, st.booleans(), st.sampled_from(["", "rfc822;b+2Bc@example.com"]))
envelopes = st.builds(
    Envelope,
    st.none() | addresses,
    st.lists(recipients, min_size=1, max_size=5).map(tuple),
    st.sampled_from(["", "QQ314159"]),
    st.none() | st.sampled_from(Return),
    st.sampled_from(Body),
    st.booleans(),
    st.booleans(),
)
messages = st.builds(
    Queued,
    st.just("5F21C0A9B3D4"),
    envelopes,
    st.sampled_from(Source),
    st.floats(0, 4e9),
    st.just(CONTENT.octets),
    st.sampled_from(["", "alice@example.org"]),
)


def file_of(message: Queued) -> bytes:
    line = envelope_line(message)
    return first_line(line, CONTENT) + line + BODY


def said(message: Queued) -> list[object]:
    """All of a message, with the local parts that equal addresses may write in two ways."""
    envelope = message.envelope
    return [message, str(envelope.sender), *(str(one.address) for one in envelope.recipients)]


@given(messages)
def test_what_is_written_is_read(message: Queued) -> None:
    octets = file_of(message)
    found = read_top(octets, len(octets))
    assert found is not None and found.is_of(message.identifier) and not found.is_of("5F21C0A9B3D")
    assert said(read_message(found, message.identifier)) == said(message)
    assert found.content == CONTENT and octets[found.offset :] == BODY
    assert octets.count(b"\n", 0, found.offset) == 2 and octets[: found.offset].isascii()


EXAMPLE = file_of(
    Queued("A1", Envelope(None, (Recipient(EmailAddress.parse("bob@example.com")),)), Source.REPORT, 1.5e9, len(BODY))
)


@pytest.mark.parametrize("place", range(len(EXAMPLE) - len(BODY)))
def test_each_flipped_bit_is_found(place: int) -> None:
    for bit in range(8):
        octets = bytearray(EXAMPLE)
        octets[place] ^= 1 << bit
        with pytest.raises(DamagedMessage):
            read_top(bytes(octets), len(octets))


@pytest.mark.parametrize("length", range(len(EXAMPLE)))
def test_each_shorter_file_is_found(length: int) -> None:
    with pytest.raises(DamagedMessage):
        read_top(EXAMPLE[:length], length)


@pytest.mark.parametrize("envelope", [b"", b"[]", b"{}", b"1", b"[" * 100_000, b'{"recipients": [{"to": 1}]}', b"\xff"])
def test_envelopes_that_say_nothing(envelope: bytes) -> None:
    octets = first_line(envelope, CONTENT) + envelope + BODY
    found = read_top(octets, len(octets))
    assert found is not None
    with pytest.raises(DamagedMessage):
        read_message(found, "A1")


def test_the_first_line_is_as_long_whatever_it_says() -> None:
    largest = Content(999_999_999_999, 2**32 - 1, 2**40, True, True)
    for content in (CONTENT, largest, Content(0, 0, 0)):
        line = first_line(b"{}\n", content)
        assert len(line) == TOP_OCTETS and read_top(line, TOP_OCTETS + 3 + content.octets) is None


@pytest.mark.parametrize("text", ["", "@", "@example.com", "bob"])
def test_texts_that_are_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        read_address(text)


def said_by(recipients: bytes, front: bytes = b"") -> Queued:
    line = b'{"identifier": "A1", "arrived": 1.0, "source": "user", "body": "7BIT", %b"recipients": [%b]}\n'
    line %= (front, recipients)
    octets = first_line(line, CONTENT) + line + BODY
    found = read_top(octets, len(octets))
    assert found is not None
    return read_message(found, "A1")


BOB = b'{"to": "bob@example.com"}'


def test_recipients_are_read_one_by_one() -> None:
    assert len(said_by(b", ".join([BOB] * 3)).envelope.recipients) == 3
    odd = Recipient(EmailAddress('}, {"recipients": [', "example.com"), original="rfc822;]}")
    message = Queued("A1", Envelope(None, (odd, odd)), Source.USER, 1.0, len(BODY), '"recipients": [')
    octets = file_of(message)
    found = read_top(octets, len(octets))
    assert found is not None and read_message(found, "A1") == message


@pytest.mark.parametrize(
    "recipients",
    [
        b"",
        BOB + b"," + BOB,
        BOB + b", ",
        BOB + b"]}",
        BOB + b'], "x": [' + BOB,
        b'{"to": "bob@example.com", "x": "%b"}' % (b"x" * 8192),
        b", ".join([BOB] * (RECIPIENTS_MAX + 1)),
    ],
    ids=lambda recipients: str(len(recipients)),
)
def test_recipients_as_none_of_ours_are_written(recipients: bytes) -> None:
    with pytest.raises(DamagedMessage):
        said_by(recipients)


@pytest.mark.parametrize("where", ["front", "recipient", "recipients"])
def test_a_hostile_envelope_costs_no_memory(where: str) -> None:
    much = b"[]," * 3_000_000
    tracemalloc.start()
    try:
        with pytest.raises(DamagedMessage):
            if where == "front":
                said_by(BOB, b'"x": [%b[]], ' % much)
            else:
                said_by(much if where == "recipients" else b'{"x": [%b[]]}' % much)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 8 * len(much)


def test_an_envelope_is_no_longer_than_any_of_ours() -> None:
    line = first_line(b"", CONTENT).replace(b"envelope=%08d" % 0, b"envelope=%08d" % (ENVELOPE_OCTETS_MAX + 1))
    line = line[: -len(b":00000000\n")]
    with pytest.raises(DamagedMessage, match="the envelope has"):
        read_top(b"%b:%08x\n" % (line, crc32(line)), 10**8)
