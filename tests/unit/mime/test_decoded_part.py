"""Parts without their transfer encoding, read in pieces."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.mime import decode, decoded_part
from mailbox_d.mime.decode import decoded
from mailbox_d.mime.decoded_part import DecodedPart
from mailbox_d.mime.structure import Part

ENCODINGS = [b"7bit", b"base64", b"quoted-printable"]
PIECES = st.sampled_from([b"QUJD", b"Q", b"=", b"==", b"\r\n", b"\n", b"\r", b" ", b"=3D", b"=\r\n", b"x" * 90, b"\0"])


class Counted:
    """Octets of a message, and how many of them were read."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.octets = 0

    def read(self, offset: int, length: int) -> bytes:
        found = self.body[offset : offset + length]
        self.octets += len(found)
        return found


def part_of(body: bytes, encoding: bytes) -> Part:
    return Part(0, 0, len(body), 0, encoding=encoding)


@pytest.fixture
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "OCTETS_A_READ", 7)
    monkeypatch.setattr(decoded_part, "OCTETS_A_READ", 7)


@pytest.mark.usefixtures("small_reads")
@given(
    st.lists(PIECES, max_size=60).map(b"".join),
    st.sampled_from(ENCODINGS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=8),
)
def test_any_piece_is_that_piece_of_the_whole(body: bytes, encoding: bytes, pieces: list[tuple[int, int]]) -> None:
    part, source = part_of(body, encoding), Counted(body)
    whole = b"".join(decoded(part, source.read))
    found = DecodedPart(part, source.read)
    assert (found.size, found.binary) == (len(whole), b"\0" in whole)
    for start, size in pieces:
        assert b"".join(found.octets(start, size, source.read)) == whole[start : start + size]


def encoded(octets: bytes, encoding: bytes) -> bytes:
    if encoding == b"base64":
        return b"".join(binascii.b2a_base64(octets[at : at + 57]) for at in range(0, len(octets), 57))
    return binascii.b2a_qp(octets) if encoding == b"quoted-printable" else octets


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_pieces_one_after_the_other_are_linear_work(encoding: bytes) -> None:
    octets = (b"caf\xe9 " * 12 + b"\r\n") * 60_000
    source = Counted(encoded(octets, encoding))
    part = part_of(source.body, encoding)
    found = DecodedPart(part, source.read)
    assert source.octets == part.size
    source.octets = 0
    pieces = [b"".join(found.octets(start, 65536, source.read)) for start in range(0, found.size, 65536)]
    assert b"".join(pieces) == octets
    assert source.octets <= 3 * part.size


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_last_piece_needs_little_of_what_is_before_it(encoding: bytes) -> None:
    octets = (b"caf\xe9 " * 12 + b"\r\n") * 60_000
    source = Counted(encoded(octets, encoding))
    found = DecodedPart(part_of(source.body, encoding), source.read)
    source.octets = 0
    for start in (found.size - 10, 10, found.size - 20):
        assert b"".join(found.octets(start, 10, source.read)) == octets[start : start + 10]
    assert source.octets <= 3 * 4 * 65536


def test_one_line_without_end_is_read_on_where_the_last_piece_ended() -> None:
    """A quoted-printable line that no mark can stand in, because too much of it waits to be decoded."""
    source = Counted(b"x" * 500 + b"\r\n" + (b"y" * 65534 + b"\r\n") * 40)
    found = DecodedPart(part_of(source.body, b"quoted-printable"), source.read)
    source.octets = 0
    for start in range(0, found.size, 65536):
        assert len(b"".join(found.octets(start, 65536, source.read))) == min(65536, found.size - start)
    assert source.octets <= 4 * found.size


def test_what_is_remembered_of_a_large_part_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "OCTETS_A_READ", 64)
    monkeypatch.setattr(decoded_part, "OCTETS_A_READ", 64)
    source = Counted(b"QUJD" * 100_000)
    assert len(DecodedPart(part_of(source.body, b"base64"), source.read)._marks) <= 257


def test_what_is_in_a_part_is_not_kept() -> None:
    source = Counted(b"x" * 10)
    inner = Part(0, 0, 10, 0)
    whole = Part(0, 0, 10, 0, b"multipart", b"mixed", encoding=b"base64", children=(inner,))
    found = DecodedPart(whole, source.read)
    assert b"".join(found.octets(3, 4, source.read)) == b"xxxx"
    assert inner not in found._part.children
