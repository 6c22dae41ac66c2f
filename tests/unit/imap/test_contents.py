"""What FETCH looks up in messages: streamed where it is large, remembered where it is asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailbox_d.errors import MessageGone, UnknownEncoding
from mailbox_d.imap.contents import ContentLimits, Contents, Told, octets_in
from mailbox_d.imap.sections import Decoded, Extent
from mailbox_d.store.files import FileSystem
from mailbox_d.store.message_file import BLOCK, open_message
from mailbox_d.store.ports import WireReader
from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.fetch import parse_fetch_attributes

BASE64 = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"


class Counted:
    """A reader that counts what is asked of it."""

    def __init__(self, octets: bytes) -> None:
        self.size = len(octets)
        self.octets = octets
        self.is_closed = False
        self.scans = 0

    def read(self, offset: int, length: int) -> bytes:
        assert not self.is_closed
        return self.octets[offset : offset + length]

    def chunks(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.scans += length is None
        end = self.size if length is None else offset + length
        for start in range(offset, min(end, self.size), 100):
            yield self.read(start, min(100, end - start))

    def close(self) -> None:
        self.is_closed = True


class Messages:
    """A mailbox of which messages are read and nothing else."""

    def __init__(self, **messages: bytes) -> None:
        self.messages = {int(name[1:]): octets for name, octets in messages.items()}
        self.opened: list[Counted] = []

    def read(self, uid: int) -> Counted:
        if uid not in self.messages:
            raise MessageGone("The message is gone")
        self.opened.append(Counted(self.messages[uid]))
        return self.opened[-1]


def told_of(contents: Contents, attributes: str, *uids: int) -> list[Told | None]:
    return contents.told(list(uids) or [1], parse_fetch_attributes(Cursor(attributes.encode())))


def said(contents: Contents, attributes: str) -> bytes:
    [told] = told_of(contents, attributes)
    assert told is not None
    return b"".join(
        piece if isinstance(piece, bytes) else b"".join(octets_in(piece, told.reader)) for piece in told.pieces
    )


def test_what_is_small_is_told_at_once_and_its_file_closed() -> None:
    mailbox = Messages(m1=b"A: b\r\n\r\ntext")
    [told] = told_of(Contents(mailbox, ContentLimits()), "(BODY[] BODY[TEXT])")
    assert told == Told(1, (b"BODY[] {12}\r\nA: b\r\n\r\ntext BODY[TEXT] {4}\r\ntext",))
    assert mailbox.opened[0].is_closed


def test_what_is_large_is_left_to_be_streamed() -> None:
    mailbox = Messages(m1=b"A: b\r\n\r\n" + b"x" * 1000)
    contents = Contents(mailbox, ContentLimits(held=100))
    [told] = told_of(contents, "(BODY[] BODY[HEADER])")
    assert told.pieces == (b"BODY[] {1008}\r\n", Extent(0, 1008), b" BODY[HEADER] {8}\r\nA: b\r\n\r\n")
    assert not mailbox.opened[0].is_closed
    contents.give_back(told)
    assert mailbox.opened[0].is_closed


def test_a_turn_ends_behind_a_message_that_is_streamed() -> None:
    mailbox = Messages(m1=b"\r\n", m2=b"\r\n" + b"x" * 1000, m3=b"\r\n")
    assert len(told_of(Contents(mailbox, ContentLimits(held=100)), "BODY[]", 1, 2, 3)) == 2


def test_a_turn_has_a_bound_in_octets() -> None:
    mailbox = Messages(m1=b"\r\n" + b"x" * 90, m2=b"\r\n" + b"x" * 90, m3=b"\r\n")
    assert len(told_of(Contents(mailbox, ContentLimits(octets_a_turn=100)), "BODY[]", 1, 2, 3)) == 2


def test_a_message_that_is_gone_is_told_as_none() -> None:
    assert told_of(Contents(Messages(m1=b""), ContentLimits()), "BODY[]", 7, 1)[0] is None


def test_a_message_that_is_read_in_parts_stays_open() -> None:
    mailbox = Messages(m1=b"\r\n" + b"x" * 1000, m2=b"\r\n")
    contents = Contents(mailbox, ContentLimits(held=100))
    for first in range(0, 1000, 50):
        said(contents, f"BODY[]<{first}.50>")
    assert len(mailbox.opened) == 1
    told_of(contents, "BODY[]<0.50>", 2)
    assert mailbox.opened[0].is_closed
    contents.close()
    assert mailbox.opened[1].is_closed


def test_partial_fetches_read_each_block_of_a_file_once(tmp_path: Path) -> None:
    class Reading(FileSystem):
        octets = 0

        def read(self, descriptor: int, offset: int, length: int) -> bytes:
            self.octets += length
            return super().read(descriptor, offset, length)

    path = tmp_path / "1.m"
    path.write_bytes(b"\n" + b"line\n" * 200_000)
    files = Reading()
    size = 200_000 * 6 + 2

    class Maildir:
        def read(self, uid: int) -> WireReader:
            return open_message(files, bytes(path), b"1.m,S=%d,W=%d" % (path.stat().st_size, size))

    contents = Contents(Maildir(), ContentLimits())
    whole = b"".join(said(contents, f"BODY[]<{first}.65536>").partition(b"}\r\n")[2] for first in range(0, size, 65536))
    assert whole == b"\r\n" + b"line\r\n" * 200_000
    assert files.octets <= 2 * path.stat().st_size + 2 * BLOCK


def test_a_structure_is_remembered() -> None:
    mailbox = Messages(m1=b"A: b\r\n\r\ntext")
    contents = Contents(mailbox, ContentLimits())
    for attributes in ("BODY", "BODYSTRUCTURE", "BODY[1]", "ENVELOPE"):
        said(contents, attributes)
    assert sum(reader.scans for reader in mailbox.opened) == 1


def test_only_so_many_structures_are_remembered() -> None:
    mailbox = Messages(m1=b"\r\n", m2=b"\r\n")
    contents = Contents(mailbox, ContentLimits(structures=1))
    for uid in (1, 2, 2, 1):
        told_of(contents, "BODY", uid)
    assert [reader.scans for reader in mailbox.opened] == [1, 1, 0, 1]


def test_a_message_of_many_parts_is_not_remembered() -> None:
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 50
    mailbox = Messages(m1=many)
    contents = Contents(mailbox, ContentLimits(parts_remembered=50))
    said(contents, "BODY")
    said(contents, "BODY")
    assert [reader.scans for reader in mailbox.opened] == [1, 1]


def test_an_envelope_needs_the_header_alone() -> None:
    mailbox = Messages(m1=b"Subject: s\r\n\r\n" + b"x" * 10_000)
    contents = Contents(mailbox, ContentLimits())
    assert said(contents, "ENVELOPE").startswith(b'ENVELOPE (NIL "s" NIL')


def test_binary_takes_the_transfer_encoding_off() -> None:
    contents = Contents(Messages(m1=BASE64 + b"AAEC\r\nAwQF\r\n"), ContentLimits())
    assert said(contents, "BINARY[1]") == b"BINARY[1] ~{6}\r\n\x00\x01\x02\x03\x04\x05"
    assert said(contents, "BINARY.PEEK[1]<2.3>") == b"BINARY[1]<2> ~{3}\r\n\x02\x03\x04"
    assert said(contents, "BINARY.SIZE[1]") == b"BINARY.SIZE[1] 6"
    assert said(contents, "BINARY[7]") == b"BINARY[7] NIL"


def test_a_large_part_is_decoded_in_pieces() -> None:
    contents = Contents(Messages(m1=BASE64 + b"AAAA" * 1000), ContentLimits(held=100))
    [told] = told_of(contents, "BINARY[1]<10.2000>")
    assert isinstance(told.pieces[1], Decoded)
    assert b"".join(octets_in(told.pieces[1], told.reader)) == b"\0" * 2000


def test_an_unknown_transfer_encoding_is_refused() -> None:
    mailbox = Messages(m1=b"Content-Transfer-Encoding: x-uuencode\r\n\r\nx")
    with pytest.raises(UnknownEncoding):
        said(Contents(mailbox, ContentLimits()), "BINARY[1]")
    assert mailbox.opened[0].is_closed


def test_attack_64_sections_that_are_not_there() -> None:
    contents = Contents(Messages(m1=b"A: b\r\n\r\ntext"), ContentLimits())
    deep = ".".join(["1"] * 100)
    assert said(contents, f"BODY[{deep}]") == b"BODY[%b] NIL" % deep.encode()
    assert said(contents, "BODY[]<4294967295.4294967295>") == b"BODY[]<4294967295> {0}\r\n"


def test_attack_102_two_boundaries_are_one_reading() -> None:
    twice = b"Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    contents = Contents(Messages(m1=twice + b"--a\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--a--\r\n"), ContentLimits())
    assert said(contents, "BODY[1]") == b"BODY[1] {15}\r\none\r\n--b\r\n\r\ntwo"
