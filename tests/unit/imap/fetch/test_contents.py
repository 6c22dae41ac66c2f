"""What FETCH looks up in messages: streamed where it is large, remembered where it is asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.errors import MailboxBusy, MessageGone, StorageFault, UnknownEncoding
from mailbox_d.imap.fetch.contents import ContentLimits, Contents, Failed, Told, octets_in
from mailbox_d.imap.fetch.sections import Decoded, Extent
from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.mime.scanner import StructureScanner
from mailbox_d.mime.structure import MimeLimits
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
        self.read_in_all = 0

    def read(self, offset: int, length: int) -> bytes:
        assert not self.is_closed
        found = self.octets[offset : offset + length]
        self.read_in_all += len(found)
        return found

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
    return b" ".join(filter(None, map(octets_of, turns(contents, attributes))))


def turns(contents: Contents, attributes: str) -> Iterator[Told]:
    """What is told of message 1, turn by turn."""
    [told] = told_of(contents, attributes)
    assert isinstance(told, Told), told
    yield told
    while told.waiting:
        told = contents.more(told)
        yield told
    contents.give_back(told)


def octets_of(told: Told) -> bytes:
    return b"".join(
        piece if isinstance(piece, bytes) else b"".join(octets_in(piece, told.reader)) for piece in told.pieces
    )


def held_of(told: Told) -> int:
    return sum(len(piece) for piece in told.pieces if isinstance(piece, bytes))


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
    assert len(told_of(Contents(mailbox, ContentLimits(octets_a_turn=150)), "BODY[]", 1, 2, 3)) == 2


def test_what_is_told_counts_where_nothing_has_to_be_read() -> None:
    message = b"Subject: " + b"x" * 6000 + b"\r\n\r\n"
    contents = Contents(Messages(**{f"m{uid}": message for uid in range(1, 11)}), ContentLimits(octets_a_turn=10_000))
    for uid in range(1, 11):
        told_of(contents, "BODY", uid)
    assert len(told_of(contents, "ENVELOPE", *range(1, 11))) == 2


FIELDS = [f"BODY.PEEK[HEADER.FIELDS (X {number})]" for number in range(200)]


def test_many_fields_of_a_large_header_are_not_held_together() -> None:
    header = b"X: " + b"x" * 9990 + b"\r\n\r\n"
    contents = Contents(Messages(m1=header), ContentLimits(held=30_000))
    told = [(octets_of(each), held_of(each)) for each in turns(contents, f"({' '.join(FIELDS)})")]
    whole = b"".join(octets for octets, _ in told)
    assert (whole.count(header), whole.count(b"BODY[HEADER.FIELDS")) == (200, 200)
    assert max(held for _, held in told) < 50_000


def test_many_parts_headers_are_not_held_together() -> None:
    part = b"--b\r\nX: " + b"x" * 9990 + b"\r\n\r\n\r\n"
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 100
    contents = Contents(Messages(m1=message), ContentLimits(held=30_000))
    attributes = " ".join(f"BODY.PEEK[{number}.MIME]" for number in range(1, 101))
    told = [(octets_of(each), held_of(each)) for each in turns(contents, f"({attributes})")]
    assert b"".join(octets for octets, _ in told).count(b"X: xxx") == 100
    assert max(held for _, held in told) < 50_000


def test_what_is_looked_at_for_one_message_has_a_bound_for_each_turn() -> None:
    """Nothing is told of these headers; finding that out is work all the same."""
    mailbox = Messages(m1=b"Y: " + b"y" * 10_000 + b"\r\n\r\n")
    contents = Contents(mailbox, ContentLimits(octets_a_turn=25_000))
    [told] = told_of(contents, f"({' '.join(FIELDS)})")
    assert isinstance(told, Told)
    assert len(told.waiting) > 190
    assert mailbox.opened[0].read_in_all < 50_000


def test_a_large_message_is_scanned_in_several_turns() -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n0123456789\r\n" * 1000
    mailbox = Messages(m1=message)
    contents = Contents(mailbox, ContentLimits(octets_a_turn=2000))
    read, told = [0], b""
    for turn in turns(contents, "(BODY BODY[1000])"):
        told += octets_of(turn)
        read.append(mailbox.opened[0].read_in_all)
    assert told.startswith(b"BODY ((")
    assert told.endswith(b"BODY[1000] {12}\r\n0123456789\r\n")
    assert len(read) > len(message) // 2000
    assert max(after - before for before, after in pairwise(read)) <= 2200
    assert mailbox.opened[0].scans == 1


EVERYTHING = (
    "(BODY[1]<1.3> ENVELOPE BODY.PEEK[2.HEADER] BODYSTRUCTURE BINARY[3] BINARY.SIZE[3] BODY[9] BODY[HEADER.FIELDS (A)]"
    " BODY BODY[TEXT]<3.20> BODY[] BINARY[3]<2.2> BODY[3.MIME] BODY.PEEK[HEADER.FIELDS.NOT (A)])"
)
MIXED = b"\r\n".join(
    (
        b"A: b\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n",
        b"--b\r\n\r\nfirst part",
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext",
        b"--b\r\n" + BASE64 + b"AAEC\r\nAwQF",
        b"--b--\r\n",
    )
)


@given(st.integers(1, 2000), st.integers(0, 2000))
def test_the_same_is_told_in_however_many_turns(octets_a_turn: int, held: int) -> None:
    small = Contents(Messages(m1=MIXED), ContentLimits(octets_a_turn=octets_a_turn, held=held))
    assert said(small, EVERYTHING) == said(Contents(Messages(m1=MIXED), ContentLimits()), EVERYTHING)


def test_a_scan_that_failed_half_way_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n0123456789\r\n" * 100
    contents = Contents(Messages(m1=message), ContentLimits(octets_a_turn=1000))
    [told] = told_of(contents, "BODY[100]<0.5>")
    assert isinstance(told, Told)
    with monkeypatch.context() as broken:
        broken.setattr(Counted, "read", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            contents.more(told)
    contents.give_back(told)
    assert said(contents, "BODY[100]<0.5>") == b"BODY[100]<0> {5}\r\n01234"


def test_attack_98_parts_without_number_are_told_up_to_the_limit() -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000
    contents = Contents(Messages(m1=message), ContentLimits(mime=MimeLimits(parts=1000)))
    assert said(contents, "BODY").count(b'"us-ascii"') == 999
    assert said(contents, "BODY[1000]") == b"BODY[1000] NIL"
    assert said(contents, "BINARY.SIZE[999]").endswith(b" %d" % (99_002 * 10 - 7))


def test_python_is_at_work_for_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no disk is waited for meanwhile."""
    working: list[bool] = []
    feed, read = StructureScanner.feed, Counted.read

    def watched_feed(scanner: StructureScanner, data: bytes) -> None:
        working.append(PYTHON_WORK.locked())
        feed(scanner, data)

    def watched_read(reader: Counted, offset: int, length: int) -> bytes:
        assert not PYTHON_WORK.locked()
        return read(reader, offset, length)

    monkeypatch.setattr(StructureScanner, "feed", watched_feed)
    monkeypatch.setattr(Counted, "read", watched_read)
    contents = Contents(Messages(m1=BASE64 + b"QUJD"), ContentLimits())
    said(contents, "ENVELOPE")
    said(contents, "(BODYSTRUCTURE BINARY[1] BODY[HEADER])")
    assert working == [True, True]
    assert not PYTHON_WORK.locked()


def test_a_message_that_cannot_be_read_stands_for_itself() -> None:
    class Broken(Messages):
        def read(self, uid: int) -> Counted:
            if uid == 2:
                raise StorageFault("I/O error")
            return super().read(uid)

    told = told_of(Contents(Broken(m1=b"\r\n", m2=b"", m3=b"\r\n"), ContentLimits()), "BODY", 1, 2, 3)
    assert [type(each) for each in told] == [Told, Failed, Told]


def test_a_fault_of_ours_stands_for_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def scan_but_one(scanner: StructureScanner, data: bytes) -> None:
        if data.startswith(b"X"):
            raise RecursionError

    monkeypatch.setattr(StructureScanner, "feed", scan_but_one)
    mailbox = Messages(m1=b"\r\n", m2=b"X: y\r\n", m3=b"\r\n")
    told = told_of(Contents(mailbox, ContentLimits()), "BODY", 1, 2, 3)
    assert [type(each) for each in told] == [Told, Failed, Told]
    assert all(reader.is_closed for reader in mailbox.opened)


def test_a_lock_is_waited_for_and_no_failure() -> None:
    class Locked(Messages):
        def read(self, uid: int) -> Counted:
            if uid == 2:
                raise MailboxBusy("In use")
            return super().read(uid)

    contents = Contents(Locked(m1=b"\r\n", m2=b"\r\n"), ContentLimits())
    assert len(told_of(contents, "BODY", 1, 2)) == 1
    with pytest.raises(MailboxBusy):
        told_of(contents, "BODY", 2)


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


def test_a_message_of_large_headers_is_not_remembered() -> None:
    mailbox = Messages(m1=b"Subject: " + b"x" * 1000 + b"\r\n\r\n")
    contents = Contents(mailbox, ContentLimits(headers_remembered=1000))
    said(contents, "BODY")
    said(contents, "BODY")
    assert [reader.scans for reader in mailbox.opened] == [1, 1]


def test_parts_of_a_message_of_many_parts_are_found_without_another_scan() -> None:
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n0123456789\r\n" * 50
    mailbox = Messages(m1=many)
    contents = Contents(mailbox, ContentLimits(parts_remembered=5))
    for first in range(10):
        assert said(contents, f"BODY[7]<{first}.1>").endswith(b"{1}\r\n%d" % first)
    assert [reader.scans for reader in mailbox.opened] == [1]


def test_the_end_of_the_header_is_looked_for_once_by_who_reads_in_part() -> None:
    mailbox = Messages(m1=b"X: " + b"x" * 10_000 + b"\r\n\r\n" + b"0123456789" * 100)
    contents = Contents(mailbox, ContentLimits())
    for first in range(0, 1000, 10):
        assert said(contents, f"BODY[TEXT]<{first}.10>").endswith(b"0123456789")
    assert mailbox.opened[0].read_in_all < 12_000


def test_a_part_that_is_read_in_part_is_decoded_about_once() -> None:
    mailbox = Messages(m1=BASE64 + (b"QUJD" * 19 + b"\r\n") * 20_000)
    contents = Contents(mailbox, ContentLimits())
    size = 3 * 19 * 20_000
    whole = b"".join(said(contents, f"BINARY[1]<{at}.20000>").partition(b"}\r\n")[2] for at in range(0, size, 20_000))
    assert whole == b"ABC" * (size // 3)
    assert said(contents, "BINARY.SIZE[1]") == b"BINARY.SIZE[1] %d" % size
    [reader] = mailbox.opened
    assert reader.scans == 1
    assert reader.read_in_all <= (2 + 65536 / 20_000 + 1) * reader.size


def test_parts_that_were_decoded_are_remembered_in_bounded_number() -> None:
    part = b"--b\r\n" + BASE64 + b"QUJD\r\n"
    mailbox = Messages(m1=b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 20)
    contents = Contents(mailbox, ContentLimits(decoded_parts=3))
    attributes = " ".join(f"BINARY.SIZE[{number}]" for number in range(1, 21))
    assert said(contents, f"({attributes})").count(b"] 3") == 20
    assert len(contents._decoded) == 3


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
    [failed] = told_of(Contents(mailbox, ContentLimits()), "BINARY[1]")
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, UnknownEncoding)
    assert mailbox.opened[0].is_closed


def test_attack_64_base64_that_is_none_is_told_as_far_as_it_is() -> None:
    contents = Contents(Messages(m1=BASE64 + b"=QUJ*\r\n\xff====D Q\0U\r\n"), ContentLimits())
    told = said(contents, "BINARY[1]").removeprefix(b"BINARY[1] ")
    size, _, octets = told.partition(b"\r\n")
    assert size == b"{%d}" % len(octets)
    assert said(contents, "BINARY.SIZE[1]") == b"BINARY.SIZE[1] %d" % len(octets)
    assert said(contents, "BINARY[1]<1.1>").endswith(b"{1}\r\n" + octets[1:2])
    assert said(contents, "BINARY[1]<4294967295.1>").endswith(b"{0}\r\n")
    assert said(contents, f"BINARY[{'.'.join(['1'] * 100)}]").endswith(b" NIL")


def test_attack_64_sections_that_are_not_there() -> None:
    contents = Contents(Messages(m1=b"A: b\r\n\r\ntext"), ContentLimits())
    deep = ".".join(["1"] * 100)
    assert said(contents, f"BODY[{deep}]") == b"BODY[%b] NIL" % deep.encode()
    assert said(contents, "BODY[]<4294967295.4294967295>") == b"BODY[]<4294967295> {0}\r\n"


def test_attack_102_two_boundaries_are_one_reading() -> None:
    twice = b"Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    contents = Contents(Messages(m1=twice + b"--a\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--a--\r\n"), ContentLimits())
    assert said(contents, "BODY[1]") == b"BODY[1] {15}\r\none\r\n--b\r\n\r\ntwo"
