"""Line ends: whatever came over the wire goes back over it, at every edge between blocks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.store import message_file
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.message_file import measure, open_message
from mailbox_d.store.newline import LineEndEncoder, count_wire, faithful, to_wire
from mailbox_d.store.ports import Block, Target

ALICE = EmailAddress.parse("alice@example.org")
TEXT = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc"]), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(1, 7), min_size=1, max_size=40)


def cut(text: bytes, sizes: list[int]) -> list[bytes]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(text[start : start + size])
        start += size
    return [*pieces, text[start:]]


def expected_wire(stored: bytes) -> bytes:
    """The rule, octet by octet: an LF without a CR before it becomes CRLF."""
    wire = bytearray()
    for index, octet in enumerate(stored):
        if octet == 0x0A and (index == 0 or stored[index - 1] != 0x0D):
            wire.append(0x0D)
        wire.append(octet)
    return bytes(wire)


@given(TEXT, CUTS)
def test_blocks_of_a_file_become_the_same_wire_octets_wherever_they_are_cut(stored: bytes, sizes: list[int]) -> None:
    wire, count, after_cr = b"", 0, False
    for block in cut(stored, sizes):
        wire += to_wire(block, after_cr)
        count += count_wire(block, after_cr)
        after_cr = block.endswith(b"\r") if block else after_cr
    assert wire == expected_wire(stored)
    assert count == len(wire)


@given(TEXT, CUTS)
def test_the_encoder_gives_back_every_octet_or_says_that_it_cannot(wire: bytes, sizes: list[int]) -> None:
    encoder, stored, fed = LineEndEncoder(), b"", b""
    for piece in cut(wire, sizes):
        content = encoder.feed(piece)
        if content is None:
            assert faithful(wire) is None
            break
        stored, fed = stored + content, fed + piece
    else:
        assert faithful(wire) == stored + encoder.held
    assert expected_wire(stored) + encoder.held == fed


@given(TEXT)
def test_a_faithful_text_is_one_that_lf_lines_give_back(wire: bytes) -> None:
    assert (faithful(wire) is not None) == (expected_wire(wire.replace(b"\r\n", b"\n")) == wire)


@pytest.mark.parametrize("block", [1, 2, 3, 5, 8])
@settings(max_examples=150, deadline=None)
@given(TEXT, st.integers(0, 70), st.integers(0, 70))
def test_the_wire_reader_by_offset_at_every_edge(block: int, stored: bytes, offset: int, length: int) -> None:
    wire = expected_wire(stored)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(message_file, "BLOCK", block)
        path = Path(folder, "message")
        path.write_bytes(stored)
        base = b"1.h,S=%d,W=%d" % (len(stored), len(wire))
        assert measure(FileSystem(), bytes(path)) == len(wire)
        reader = open_message(FileSystem(), bytes(path), base)
        assert reader.size == len(wire)
        assert reader.read(offset, length) == wire[offset : offset + length]
        assert b"".join(reader.chunks(offset)) == wire[offset:]
        assert reader.read(0, len(wire)) == wire
        reader.close()


@settings(max_examples=60, deadline=None)
@given(TEXT, CUTS, st.integers(0, 40), st.sampled_from(["lf", "crlf"]), st.sampled_from([b"", b"X: y\r\n", b"X: y\n"]))
def test_a_message_in_pieces_comes_back_from_memory_and_from_a_spool(
    wire: bytes, sizes: list[int], hold: int, newline: str, header: bytes
) -> None:
    bob = EmailAddress.parse("bob@example.org")
    with TemporaryDirectory() as root:
        store = MaildirStore(Path(root), newline=newline, hold=hold)
        delivery = store.deliver([Block(header, (Target(ALICE),)), Block(b"Z: z\r\n", (Target(bob),))])
        for piece in cut(wire, sizes):
            delivery.write(piece)
        delivery.commit(all_or_nothing=True)
        for address, top in ((ALICE, header), (bob, b"Z: z\r\n")):
            mailbox = store.account(address).open("INBOX")
            reader = mailbox.read(1)
            assert reader.read(0, 10_000) == top + wire
            assert reader.size == mailbox.messages()[0].size == len(top + wire)
        leftovers = list(Path(root).rglob("tmp/*"))
        assert leftovers == []
