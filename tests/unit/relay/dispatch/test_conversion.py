"""Messages in 7 bits: made once for all who send them, on disk, and gone when nobody does."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from mailbox_d.errors import StorageFault
from mailbox_d.mime.seven_bit import NotConvertible
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.lanes import InlineLane
from mailbox_d.relay.dispatch.contents import FileContent, PackedContent, WholeContent
from mailbox_d.relay.dispatch.conversion import Conversion
from mailbox_d.relay.dispatch.packing import Packing
from mailbox_d.relay.dispatch.scratch import Scratch
from mailbox_d.relay.ports import Undeliverable
from mailbox_d.relay.signing.signatures import Signing, header_of
from mailbox_d.wire.smtp.extensions import Extensions
from tests.unit.relay.at_once import done
from tests.unit.relay.dkim_domain import make_domain
from tests.unit.relay.queued import Queued

TOP = b"From: alice@example.org\r\nMIME-Version: 1.0\r\n"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
LARGE = TOP + TEXT + "Grüße an alle, die das hier lesen\r\n".encode() * 5000
SMALL = TOP + TEXT + "Grüße\r\n".encode()


class WaitingLane(InlineLane):
    """Does nothing until `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Deferred[None]] = []

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        turn: Deferred[None] = Deferred()
        self.waiting.append(turn)
        await turn
        return work(*args, **kwargs)

    def go(self) -> None:
        waiting, self.waiting = self.waiting, []
        for turn in waiting:
            turn.callback(None)


class Place:
    """A queue with messages, and conversions of them. `opened`: which were read for that; `scratch`: their files."""

    def __init__(self, folder: Path) -> None:
        self.queue = Queued(folder)
        self.opened: list[str] = []
        self.scratch: list[Scratch] = []
        self.work = WaitingLane()
        make_domain(folder / "dkim")
        self.signing = self.queue.loading._signing
        self.conversion = Conversion(
            MimeLimits(), self.signing, self._open, self._new_scratch, work=self.work, disk=InlineLane()
        )
        self.packing = Packing(self.conversion.seven_bit)
        self.contents: list[PackedContent] = []

    def add(self, identifier: str, octets: bytes, recipients: int = 1) -> None:
        self.queue.add(identifier, *(f"bob@d{number}.example" for number in range(recipients)), octets=octets)

    def pack(self, number: int = 0) -> Deferred[Any]:
        """Have the next job for a domain packed for a server that knows nothing."""
        loaded = self.queue.load(f"d{number}.example")
        self.contents.append(loaded.content)
        parcel = loaded.parcel
        shipping = self.packing.shipment(parcel.message, parcel.waiting, loaded.content, Extensions())
        return Deferred.fromCoroutine(shipping)

    def _open(self, identifier: str) -> Any:
        self.opened.append(identifier)
        return self.queue.queue.content(identifier)

    def _new_scratch(self) -> Scratch:
        folders = self.queue.queue.folders
        self.scratch.append(Scratch(folders.files, folders.new_in_tmp()))
        return self.scratch[-1]

    @property
    def open_files(self) -> int:
        """Of the process, in this queue."""
        links = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
        return sum(os.fspath(self.queue.folder) in os.readlink(link) for link in links if link.is_symlink())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    for content in place.contents:
        done(content.close())
    assert b"".join(place.queue.queue.folders.files.names(place.queue.queue.folders.tmp)) == b""
    place.queue.queue.close()


def shipped(packing: Deferred[Any]) -> Any:
    return packing.result


def octets_of(shipment: Any) -> bytes:
    return bytes(done(shipment.content.read(0, 1 << 30)))


def test_a_large_message_is_converted_once_for_all_who_send_it(place: Place) -> None:
    """20 servers that hang at MAIL would otherwise hold 20 copies, in memory."""
    place.add("A1", LARGE, recipients=20)
    packing = [place.pack(number) for number in range(20)]
    place.work.go()
    shipments = [shipped(each) for each in packing]
    assert place.opened == ["A1"]
    assert len({octets_of(shipment) for shipment in shipments}) == 1
    assert octets_of(shipments[0]).isascii()
    assert shipments[0].content.octets == len(octets_of(shipments[0]))
    assert not any(isinstance(shipment.content, WholeContent) for shipment in shipments)


def test_a_copy_lasts_as_long_as_somebody_sends_it(place: Place) -> None:
    place.add("A1", LARGE, recipients=3)
    before = place.open_files
    first, second = place.pack(0), place.pack(1)
    place.work.go()
    done(place.contents[0].close())
    assert octets_of(shipped(second)).isascii()
    done(place.contents[1].close())
    assert place.open_files == before
    with pytest.raises(StorageFault):
        octets_of(shipped(first))
    place.pack(2)
    place.work.go()
    assert place.opened == ["A1", "A1"]


def test_whoever_sends_in_several_turns_has_it_converted_once(place: Place) -> None:
    place.add("A1", LARGE)
    packing = place.pack()
    place.work.go()
    shipment, content = shipped(packing), place.contents[0]
    again = place.packing.shipment(shipment.message, (), content, Extensions())
    assert done(again).content is shipment.content is content.seven_bit
    assert place.opened == ["A1"]


def test_whoever_gives_up_waiting_takes_nothing_from_others(place: Place) -> None:
    place.add("A1", LARGE, recipients=2)
    first, second = place.pack(0), place.pack(1)
    first.addErrback(lambda failure: failure.trap(CancelledError))
    first.cancel()
    place.work.go()
    assert octets_of(shipped(second)).isascii()


def test_what_nobody_waits_for_any_more_is_not_made(place: Place) -> None:
    place.add("A1", LARGE)
    before = place.open_files
    only = place.pack()
    only.addErrback(lambda failure: failure.trap(CancelledError))
    only.cancel()
    place.work.go()
    assert place.scratch[0].octets == 0
    assert place.open_files == before + 1  # the message's own
    assert place.conversion._copies == {}


def test_a_message_that_cannot_be_converted_is_given_back_to_all(place: Place) -> None:
    place.add("A1", b"Subject: gr\xc3\xbc\xc3\x9fe\r\n" + LARGE, recipients=2)
    failures: list[Any] = []
    for number in (0, 1):
        loaded = place.queue.load(f"d{number}.example")
        place.contents.append(loaded.content)
        making = Deferred.fromCoroutine(place.conversion.seven_bit(loaded.parcel.message, loaded.content))
        making.addErrback(failures.append)
    place.work.go()
    assert [failure.type for failure in failures] == [NotConvertible, NotConvertible]
    assert place.conversion._copies == {}


def test_a_message_that_is_gone_or_a_disk_that_is_full_is_a_fault_for_now(place: Place) -> None:
    place.add("A1", LARGE)
    packing = place.pack()
    (place.queue.folder / "queue/messages/A1").unlink()
    place.work.go()
    packing.addErrback(lambda failure: failure.trap(StorageFault))
    assert packing.result is StorageFault


def test_a_small_message_needs_no_file(place: Place) -> None:
    place.add("A1", SMALL)
    packing = place.pack()
    place.work.go()
    assert octets_of(shipped(packing)).isascii()
    assert (place.opened, place.scratch) == ([], [])


@pytest.mark.parametrize("octets", [SMALL, LARGE])
def test_the_copy_is_signed_as_it_is(place: Place, octets: bytes) -> None:
    place.add("A1", octets)
    packing = place.pack()
    place.work.go()
    shipment = shipped(packing)
    text = octets_of(shipment)
    assert shipment.header.count(b"DKIM-Signature:") == 2
    expected = Signing(place.signing._signer, "mail.example.org", lambda: 0).fields(
        shipment.message, len(text), header_of(text), lambda offset, length: text[offset : offset + length]
    )
    assert _body_hashes(shipment.header) == _body_hashes(expected)


def test_a_copy_as_long_as_the_message_has_a_signature_of_its_own(place: Place) -> None:
    """What is in front of the first part becomes `?`, octet by octet."""
    preamble = TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + "Für alte Programme\r\n".encode()
    octets = preamble + b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"
    place.add("A1", octets)
    packing = place.pack()
    place.work.go()
    text = octets_of(shipped(packing))
    assert len(text) == len(octets)
    assert _body_hashes(shipped(packing).header) != _body_hashes(place.contents[0].top.signatures)


@pytest.mark.parametrize("octets", [b"X: \xc3\xbc\r\n" + TEXT + LARGE, b"X: \xc3\xbc\r\n" + TEXT + b"\xc3\xbc\r\n"])
def test_a_message_that_cannot_be_sent_at_all_says_why(place: Place, octets: bytes) -> None:
    place.add("A1", octets)
    packing = place.pack()
    place.work.go()
    packing.addErrback(lambda failure: failure.trap(Undeliverable))
    assert packing.result is Undeliverable


def test_a_large_message_is_read_and_written_in_pieces(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.add("A1", LARGE)
    written: list[int] = []
    write = Scratch.write

    def counted(file: Scratch, data: bytes) -> None:
        written.append(len(data))
        write(file, data)

    monkeypatch.setattr(Scratch, "write", counted)
    place.pack()
    place.work.go()
    assert len(written) > 1
    assert max(written) < 3 * 65536
    assert isinstance(place.contents[0], FileContent)


def _body_hashes(fields: bytes) -> list[bytes]:
    return re.findall(rb"bh=([^;]*);", b"".join(fields.split()))
