"""Transfer encodings: what is encoded in pieces is decoded again, and what a body holds is found however it is cut."""

from __future__ import annotations

import binascii
import re
from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbox_d.mime import transfer_encoding
from mailbox_d.mime.transfer_encoding import Base64, BodyCensus, Encoder, QuotedPrintable

PIECES = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [b"\r", b"\n", b"\r\n", b"\0", b"\xe9", b"-" * 90, b"x" * 996, b"x" * 997, b"x" * 998, b"x" * 999]
        ),
    ),
    max_size=8,
)


def census(pieces: list[bytes]) -> BodyCensus:
    counted = BodyCensus()
    for piece in pieces:
        counted.feed(piece)
    counted.finish()
    return counted


@given(PIECES, PIECES)
@example([b"x\r"], [b"\ny"])
@example([b"\r"], [])
@example([b"x" * 997], [b"y\r\n"])
@example([b"x" * 998], [b"y\r\n"])
@example([b"x" * 500, b"\n", b"x" * 998], [b"\r\n"])
def test_a_body_is_looked_at_in_pieces(first: list[bytes], second: list[bytes]) -> None:
    pieces = first + second
    body = b"".join(pieces)
    counted = census(pieces)
    assert counted.octets == len(body)
    assert counted.eight_bit == sum(octet > 127 for octet in body)
    assert counted.has_nul == (b"\0" in body)
    assert counted.has_bare_newline == bool(re.search(rb"\r(?!\n)|(?<!\r)\n", body))
    if not counted.has_bare_newline:
        assert counted.has_long_line == any(len(line) > 998 for line in body.split(b"\r\n"))


def encoded(encoder: Encoder, pieces: list[bytes]) -> bytes:
    return b"".join([*map(encoder.feed, pieces), encoder.finish()])


@given(PIECES)
def test_base64_in_pieces(pieces: list[bytes]) -> None:
    said = encoded(Base64(), pieces)
    assert binascii.a2b_base64(said) == b"".join(pieces)
    lines = said.split(b"\r\n")
    assert all(len(line) == 76 for line in lines[:-1])
    assert len(lines[-1]) <= 76


LINES = st.lists(
    st.one_of(
        st.binary(max_size=100).map(lambda line: re.sub(rb"[\r\n\0]", b"", line)),
        st.sampled_from(
            [b"", b".", b"x" * 75, b"x" * 76, b"x" * 74 + b" ", b"x" * 75 + b" ", b"x" * 75 + b"-" * 200, b"\t"]
        ),
    )
)


@given(LINES, st.lists(st.integers(0, 3000)), st.booleans())
def test_quoted_printable_in_pieces(lines: list[bytes], cuts: list[int], ends: bool) -> None:
    content = b"\r\n".join(lines) + b"\r\n" * ends
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    said = encoded(QuotedPrintable(), [content[start:end] for start, end in pairwise(places)])
    assert binascii.a2b_qp(said) == content
    assert said.isascii()
    assert b"=\r\n--" not in said
    assert not re.search(rb"[ \t](?:\r\n|\Z)", said)
    assert all(len(line) <= 78 for line in said.split(b"\r\n"))


@pytest.mark.parametrize("filling", [b"x", b"-", b"\xe9", b" ", b"\r\n"])
def test_a_line_without_an_end_is_not_waited_for(filling: bytes) -> None:
    encoder = QuotedPrintable()
    content = (filling * 100_000)[:100_000]
    pieces = [encoder.feed(content) for _ in range(5)]
    said = b"".join([*pieces, encoder.finish()])
    assert all(pieces)
    assert binascii.a2b_qp(said) == content * 5
    assert max(map(len, said.split(b"\r\n"))) <= 78


@given(LINES, st.lists(st.integers(0, 3000)), st.integers(1, 200))
@example([b"x" * 60 + b"--b"], [60], 58)
@example([b"x" * 41 + b"-" * 90 + b"b"], [41, 42, 43], 39)
def test_no_delimiter_is_made_wherever_a_long_line_is_broken(lines: list[bytes], cuts: list[int], longest: int) -> None:
    """However little of a line is waited for, only lines that began with dashes do."""
    content = b"\r\n".join(lines)
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    with mock.patch.object(transfer_encoding, "_LONGEST_PIECE", longest):
        said = encoded(QuotedPrintable(), [content[start:end] for start, end in pairwise(places)])
    assert binascii.a2b_qp(said) == content
    assert sum(line.startswith(b"--") for line in said.split(b"\r\n")) <= sum(
        line.startswith(b"--") for line in content.split(b"\r\n")
    )
    assert b"=\r\n--" not in said
    assert all(len(line) <= 78 for line in said.split(b"\r\n"))


@pytest.mark.parametrize("before", range(65530, 65545))
def test_a_line_that_is_broken_for_its_length_never_goes_on_with_dashes(before: int) -> None:
    content = b"x" * before + b"--b\r\nContent-Type: text/html\r\n"
    for cut in range(before - 2, before + 3):
        said = encoded(QuotedPrintable(), [content[:cut], content[cut:]])
        assert binascii.a2b_qp(said) == content
        assert not re.search(rb"^--", said, re.MULTILINE)
