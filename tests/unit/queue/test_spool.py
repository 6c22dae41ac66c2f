from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from zlib import crc32

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, StorageFault
from mailbox_d.queue.mail_queue import offline
from mailbox_d.queue.message import Fate, Source
from mailbox_d.queue.spool import Spool
from tests.faults.store_files import RecordingFiles
from tests.unit.queue.mail import HOLD, RECEIVED, Site, envelope

BIG = b"0123456789abcdef\r\n" * 5000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "queue")
    site.keep_up()
    return site


def whole(identifier: str, body: bytes) -> bytes:
    return RECEIVED + b"Subject: " + identifier.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("body", [b"", b"x", b"x" * HOLD, BIG], ids=len)
def test_a_message_is_read_as_it_came(site: Site, body: bytes) -> None:
    site.send("A1", "bob@example.com", body=body)
    octets = whole("A1", body)
    assert site.octets("A1") == octets
    content = site.queue.content("A1")
    assert content is not None
    with content:
        assert content.octets == len(octets) and content.read(7, 30) == octets[7:37]
        assert content.read(len(octets) - 3, 100) == octets[-3:] and content.read(len(octets) + 5, 5) == b""
        assert content.header() == whole("A1", b"") and content.header(9) == RECEIVED[:9]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("hold", [0, 10**6])
def test_the_header_s_end_and_octets_above_127_are_found_in_whatever_pieces(site: Site, size: int, hold: int) -> None:
    site.queue._settings = type(site.queue._settings)(hold=hold)
    cases = {
        b"A: b\r\n\r\nbody": (8, False, False),
        "A: é\r\n\r\nbody".encode(): (9, True, False),
        "A: b\r\n\r\nbödy".encode(): (8, False, True),
        "A: é\r\n".encode(): (7, True, False),
        "A: b\r\n\r\n\r\n\r\nö".encode(): (8, False, True),
    }
    for number, (octets, expected) in enumerate(cases.items()):
        draft = site.draft(f"A{number}", "bob@example.com")
        draft.abort()
        draft = site.queue.begin(f"A{number}", envelope("bob@example.com"), Source.USER, "", octets[:size])
        for place in range(size, len(octets), size):
            draft.write(octets[place : place + size])
        draft.publish()
        content = site.queue.content(f"A{number}")
        assert content is not None
        with content:
            said = (len(content.header()), content.has_utf8_header, content.is_eight_bit)
        assert said == expected and site.octets(f"A{number}") == octets


def test_a_name_that_is_taken_is_not_taken_again(site: Site) -> None:
    site.send("A1", "bob@example.com", body=b"first")
    draft = site.draft("A1", "carol@example.com", body=b"second")
    with pytest.raises(StorageFault):
        draft.publish()
    assert site.octets("A1") == whole("A1", b"first")
    assert os.listdir(site.root / "tmp") == [] and site.due() == {"example.com": ["A1"]}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a.log", "é", "a\n", "x" * 101, "-a"])
def test_names_that_no_message_has(site: Site, name: str) -> None:
    with pytest.raises(MailError):
        site.draft(name or "\0", "bob@example.com")
    assert site.queue.show(name) is None and not site.queue.hold(name) and not site.queue.remove(name, 0.0)


def test_a_small_message_costs_two_syncs_in_and_none_out(tmp_path: Path) -> None:
    files = RecordingFiles()
    site = Site(tmp_path / "queue", files)
    site.keep_up()
    files.calls.clear()
    site.send("A1", "bob@example.com")
    expected = ["open", "write", "fsync", "close", "rename", "fsync_directory"]
    assert [call.operation for call in files.calls] == expected
    files.calls.clear()
    site.settle(site.take("example.com"), Fate.DELIVERED)
    assert [call.operation for call in files.calls] == ["unlink"]
    site.queue.sync_removals()
    site.queue.sync_removals()
    assert [call.operation for call in files.calls] == ["unlink", "fsync_directory"]


def test_lines_go_when_the_message_s_removal_is_durable(tmp_path: Path) -> None:
    files = RecordingFiles()
    site = Site(tmp_path / "queue", files)
    site.send("A1", "bob@example.com", "carol@example.net")
    site.settle(site.take("example.com"), Fate.DELIVERED)
    site.settle(site.take("example.net"), Fate.DELIVERED)
    assert os.listdir(site.root / "outcomes") == ["A1.log"] and os.listdir(site.root / "messages") == []
    files.calls.clear()
    site.queue.sync_removals()
    assert [(call.operation, Path(call.path).name) for call in files.calls] == [
        ("fsync_directory", "messages"),
        ("unlink", "A1.log"),
    ]


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


STRANGE = {
    "a link": make_link,
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "an empty file": Path.touch,
    "zeros": lambda path: path.write_bytes(bytes(1000)),
    "text": lambda path: path.write_bytes(b"Subject: x\r\n\r\nhello\r\n"),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", [b"B1", b"\xff\n", b".x", b"B1.tmp"])
@pytest.mark.parametrize("where", ["messages", "outcomes"])
def test_fault_2_what_is_no_message_is_set_aside_and_its_neighbours_are_sent(
    tmp_path: Path, kind: str, name: bytes, where: str
) -> None:
    site = Site(tmp_path / "queue")
    site.send("A1", "bob@example.com")
    STRANGE[kind](site.root / where / os.fsdecode(name))
    site.restart(is_clean=False)
    site.keep_up()
    assert site.due() == {"example.com": ["A1"]}
    assert os.listdir(os.fsencode(site.root / "damaged")) == [name]
    assert site.queue.stats(site.clock()).set_aside == 1 and site.queue.messages == 1


def test_fault_2_each_damage_of_a_message_is_found_before_it_is_sent(tmp_path: Path) -> None:
    site = Site(tmp_path / "queue")
    site.send("A1", "bob@example.com")
    path = site.root / "messages/A1"
    octets = path.read_bytes()
    for place in range(0, len(octets), 3):
        path.write_bytes(octets[:place] + bytes([octets[place] ^ 0x10]) + octets[place + 1 :])
        spool = Spool(site.queue.folders, changes=False)
        content = spool.content("A1")
        if content is not None:
            with content, pytest.raises(StorageFault):
                content.read(0, content.octets)
        assert spool.set_aside_count == 1, place


def test_a_body_that_was_damaged_is_set_aside_when_it_is_read_piece_by_piece(site: Site) -> None:
    site.send("A1", "bob@example.com", body=BIG)
    path = site.root / "messages/A1"
    octets = bytearray(path.read_bytes())
    octets[50_000] ^= 1
    path.write_bytes(octets)
    content = site.queue.content("A1")
    assert content is not None
    with content:
        content.header()
        pieces = range(0, content.octets, 1000)
        for offset in pieces[:-1]:
            assert len(content.read(offset, 1000)) == 1000
        with pytest.raises(StorageFault):
            content.read(pieces[-1], 1000)
    assert os.listdir(site.root / "damaged") == ["A1"] and site.queue.content("A1") is None


def test_outcomes_that_grow_are_written_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.queue.spool._REWRITE_OCTETS", 2000)
    site.send("A1", "bob@example.com", "carol@example.net")
    site.settle(site.take("example.net"), Fate.DELIVERED)
    sizes = []
    for _ in range(60):
        site.clock.now += 1000.0
        site.settle(site.take("example.com"), Fate.DEFERRED)
        sizes.append((site.root / "outcomes/A1.log").stat().st_size)
    assert max(sizes) < 3000
    site.restart(is_clean=False)
    site.keep_up()
    state = site.queue.show("A1")
    assert state is not None and state.of(EmailAddress.parse("bob@example.com")).tries == 60
    assert [one.address.domain for one in state.waiting()] == ["example.com"]


def test_what_is_left_of_drafts_and_of_finished_messages_is_swept(tmp_path: Path) -> None:
    site = Site(tmp_path / "queue")
    site.send("A1", "bob@example.com")
    site.settle(site.take("example.com"), Fate.DEFERRED)
    for name in ("old", "new"):
        (site.root / "tmp" / name).write_bytes(b"x")
        os.utime(site.root / "tmp" / name, (0, site.clock() - (37 if name == "old" else 35) * 3600))
    (site.root / "outcomes/GONE.log").write_bytes(b"x")
    site.restart(is_clean=False)
    site.keep_up()
    assert os.listdir(site.root / "tmp") == ["new"] and os.listdir(site.root / "outcomes") == ["A1.log"]


def test_lines_of_a_message_whose_removal_is_not_durable_are_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "queue")
    site.send("A1", "bob@example.com", "carol@example.net")
    site.settle(site.take("example.com"), Fate.DELIVERED)
    site.queue.spool.sweep_log(b"A1.log")
    unlink, sync = site.files.unlink, site.queue.folders.directories.sync
    seen = []

    def look() -> None:
        site.queue.spool.sweep_log(b"A1.log")
        seen.append(os.listdir(site.root / "outcomes"))

    def unlink_and_look(path: bytes) -> None:
        unlink(path)
        if path == site.queue.folders.message("A1"):
            look()

    def look_and_sync(path: bytes) -> None:
        look()
        sync(path)

    monkeypatch.setattr(site.files, "unlink", unlink_and_look)
    site.settle(site.take("example.net"), Fate.DELIVERED)
    monkeypatch.setattr(site.queue.folders.directories, "sync", look_and_sync)
    site.queue.sync_removals()
    assert seen == [["A1.log"], ["A1.log"]] and os.listdir(site.root / "outcomes") == []
    (site.root / "outcomes/A1.log").write_bytes(b"x")
    site.queue.spool.sweep_log(b"A1.log")
    assert os.listdir(site.root / "outcomes") == []


def test_a_removal_that_the_disk_refuses_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path / "queue")
    site.send("A1", "bob@example.com")
    site.settle(site.take("example.com"), Fate.DEFERRED)
    state = site.queue.show("A1")
    assert state is not None

    def refuse(path: bytes) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(site.files, "unlink", refuse)
        with pytest.raises(OSError, match="Input/output"):
            site.queue.spool.remove(state)
    site.queue.sync_removals()
    assert os.listdir(site.root / "outcomes") == ["A1.log"]
    (site.root / "messages/A1").unlink()
    site.queue.spool.sweep_log(b"A1.log")
    assert os.listdir(site.root / "outcomes") == []


def test_hostile_outcomes_cost_no_memory(tmp_path: Path) -> None:
    site = Site(tmp_path / "queue")
    site.send("A1", *(f"r{number}@example.com" for number in range(50)))
    body = b'{"x": [' + b"[]," * 3_000_000 + b"[]]}"
    log = site.root / "outcomes/A1.log"
    log.write_bytes(b"%08x %b\n" % (crc32(body), body) + b"\n" * 3_000_000)
    del body
    site.restart(is_clean=False)
    tracemalloc.start()
    try:
        site.keep_up()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 8_000_000 and site.due() == {"example.com": ["A1"]}


def test_outcomes_that_are_more_than_a_message_can_have_are_set_aside(site: Site) -> None:
    site.send("A1", "bob@example.com")
    with (site.root / "outcomes/A1.log").open("wb") as log:
        log.truncate(2 * 1024 * 1024)
    site.restart(is_clean=False)
    site.keep_up()
    assert os.listdir(site.root / "damaged") == ["A1.log"] and site.due() == {"example.com": ["A1"]}


def test_offline_nothing_is_changed(site: Site) -> None:

    site.send("A1", "bob@example.com")
    (site.root / "messages/B1").write_bytes(b"junk")
    assert [state.message.identifier for state in offline(site.root)] == ["A1"]
    assert sorted(os.listdir(site.root / "messages")) == ["A1", "B1"]
    assert list(offline(site.root / "nowhere")) == []
