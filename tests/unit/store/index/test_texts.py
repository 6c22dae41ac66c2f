"""What messages say is found as it was kept, and whatever is done to the file it hides and invents nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import pytest

from mailbox_d.store.index import mailbox_texts, octets, text_block, text_file
from mailbox_d.store.index.answers import MailboxKey
from mailbox_d.store.index.mailbox_texts import MailboxTexts
from mailbox_d.store.index.open_indexes import TEXT_FILE_NAME
from mailbox_d.store.index.text_file import TextFile
from mailbox_d.store.ports import COLUMNS, FINAL, PIECE, Holding, Numbered, Row

NAME = b"1 limits"
ROOT = Path(__file__).resolve().parents[4]
UIDS = range(1, 41)
WHOLE = FINAL | (1 << COLUMNS) - 1


class Listing:
    """Messages by UID, with the names of their files."""

    def __init__(self, uids: Sequence[int]) -> None:
        self.messages = {uid: b"1700000000.M%dP1.h" % uid for uid in uids}
        self.highest = max(uids)

    def base(self, uid: int) -> bytes | None:
        return self.messages.get(uid)


class View:
    def __init__(self, uids: Sequence[int] = UIDS, guid: bytes = b"a" * 32) -> None:
        self.listing = Listing(uids)
        self._key = MailboxKey(guid, 1700000000)

    def key(self) -> MailboxKey:
        return self._key


def texts_of(path: Path, view: View | None = None, mailboxes: object = lambda: None) -> MailboxTexts:
    return MailboxTexts(TextFile(path), view or View(), mailboxes)  # type: ignore[arg-type]


def row(uid: int) -> Row:
    columns = [b"\xfesaid %d in %d" % (uid, column) + b"\xfea common word" * (column % 3) for column in range(COLUMNS)]
    return Row(tuple(columns), 700_000 + uid)


ROWS = {uid: row(uid) for uid in UIDS}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / TEXT_FILE_NAME


@pytest.fixture
def texts(path: Path) -> MailboxTexts:
    return texts_of(path)


def fill(texts: MailboxTexts, rows: Mapping[int, Row] = ROWS) -> None:
    """In several blocks."""
    uids = sorted(rows)
    for start in range(0, len(uids), 15):
        texts.remember(NAME, {uid: rows[uid] for uid in uids[start : start + 15]})


def aged(path: Path) -> None:
    """As if nobody had changed the file for an hour."""
    os.utime(path, ns=(1, path.stat().st_mtime_ns - 3_600_000_000_000))


def looked(texts: MailboxTexts, wanted: Holding | Numbered, uids: Sequence[int] = UIDS) -> tuple[list[int], list[int]]:
    """The UIDs of which it is known, and those for which it is so."""
    *_, (outcome,) = texts.look(NAME, uids, [wanted])
    known = [uid for uid, digit in zip(uids, outcome.known, strict=True) if digit == ord("1")]
    return known, [uid for uid, digit in zip(uids, outcome.found, strict=True) if digit == ord("1")]


def holds(uid: int, wanted: Holding) -> bool:
    pieces = [piece for column in wanted.columns for piece in (ROWS[uid].columns[column] or b"").split(PIECE)[1:]]
    return any(piece.startswith(wanted.start) and wanted.octets in piece[len(wanted.start) :] for piece in pieces)


WANTED = (
    Holding((0,), b"said 7 "),
    Holding((1,), b"common"),
    Holding((2,), b"a"),
    Holding((3, 6), b"said 1"),
    Holding((5, 6), b"nowhere to be found"),
    Holding((5,), b"3 in", b"said "),
    Holding((5,), b"", b"a common"),
    Holding((5,), b"", b"common"),
    Holding((4,), b"7 in 4" + b"x" * 5000),
    Holding((4,), b"said 8 in 4"),
)


def sane(texts: MailboxTexts) -> int:
    """Nothing is said of a message but what it says; of how many something is known."""
    count = 0
    for wanted in WANTED:
        known, found = looked(texts, wanted)
        assert found == [uid for uid in known if holds(uid, wanted)]
        count += len(known)
    return count


def mended(texts: MailboxTexts) -> None:
    """Whatever there is: nothing wrong is said, and what is kept anew is found."""
    sane(texts)
    fill(texts)
    assert sane(texts) == len(WANTED) * len(UIDS)


def test_what_was_kept_is_found(texts: MailboxTexts, path: Path) -> None:
    assert sane(texts) == 0
    fill(texts)
    assert sane(texts) == len(WANTED) * len(UIDS)
    assert sane(texts_of(path)) == len(WANTED) * len(UIDS)
    assert texts.known(NAME, [0, 1, 40, 41]) == bytes([0, WHOLE, WHOLE, 0])


@pytest.mark.parametrize("near", [0, 1, 7, 4096])
def test_what_c_finds_is_what_python_finds(texts: MailboxTexts, near: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(octets, "_LOOKED_AT_HERE", near)
    mended(texts)
    monkeypatch.setattr(octets, "_MEMMEM", None)
    assert sane(texts) == len(WANTED) * len(UIDS)


def test_numbers_are_compared(texts: MailboxTexts) -> None:
    fill(texts)
    assert looked(texts, Numbered(range(700_005, 700_008), 5)) == (list(UIDS), [5, 6, 7])


def test_columns_that_are_not_there_are_not_known(texts: MailboxTexts) -> None:
    texts.remember(NAME, {1: row(1), 2: Row((*row(2).columns[:6], None), final=False), 3: Row((None,) * COLUMNS)})
    assert looked(texts, Holding((0,), b"said")) == ([1, 2], [1, 2])
    assert looked(texts, Holding((0, 6), b"said")) == ([1], [1])
    assert list(texts.known(NAME, [1, 2, 3])) == [WHOLE, WHOLE & ~FINAL & ~(1 << 6), FINAL]


def test_the_last_word_counts(texts: MailboxTexts) -> None:
    fill(texts)
    texts.remember(NAME, {3: Row((b"\xfeother",) * COLUMNS)})
    assert looked(texts, Holding((0,), b"said 3 ")) == (list(UIDS), [])
    assert looked(texts, Holding((0,), b"other")) == (list(UIDS), [3])


def test_names_mailboxes_and_files_are_kept_apart(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    assert not any(texts.known(b"1 other limits", UIDS))
    assert not any(texts_of(path, View(guid=b"b" * 32)).known(NAME, UIDS))
    view = View()
    view.listing.messages[5] = b"restored from elsewhere"
    assert sane(texts_of(path, view)) == len(WANTED) * (len(UIDS) - 1)


def test_messages_that_this_process_has_not_seen_yet_are_known_when_it_has(texts: MailboxTexts, path: Path) -> None:
    view = View(range(1, 31))
    early = texts_of(path, view)
    fill(texts)
    assert looked(early, Holding((0,), b"said"), range(1, 31))[0] == list(range(1, 31))
    view.listing = View().listing
    assert sane(early) == len(WANTED) * len(UIDS)


def test_the_file_is_the_owner_s_alone(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    assert path.stat().st_mode & 0o777 == 0o600


def test_own_changes_are_no_reason_to_read_all_again(texts: MailboxTexts, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(texts)
    sane(texts)
    monkeypatch.setattr(text_file, "_read", None)
    texts.remember(NAME, {3: row(3)})
    assert sane(texts) == len(WANTED) * len(UIDS)


def test_fault_17_a_bit_flipped_in_every_64th_octet(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    whole = path.read_bytes()
    for at in range(0, len(whole), 64):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at // 64 % 8]) + whole[at + 1 :])
        sane(texts)
        mended(texts_of(path))


def test_fault_17_a_bit_flipped_while_it_is_open_is_noticed_by_the_time_of_the_file(
    texts: MailboxTexts, path: Path
) -> None:
    fill(texts)
    aged(path)
    for at in range(7, len(path.read_bytes()), 101):
        assert sane(texts) == len(WANTED) * len(UIDS)
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(at)
            file.write(bytes([whole[at] ^ 0x10]))
        assert sane(texts) < len(WANTED) * len(UIDS) or at < 16
        with path.open("r+b") as file:
            file.write(whole)
        aged(path)


def test_fault_17_a_file_cut_off_anywhere(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    whole = path.read_bytes()
    for length in [*range(0, 200, 7), *range(200, len(whole), 397)]:
        path.write_bytes(whole[:length])
        mended(texts if length % 2 else texts_of(path))


def test_fault_17_a_file_of_anything(path: Path) -> None:
    for content in (b"", b"x", b"mbdtext1", b"mbdtext1" + bytes(8), bytes(5000), os.urandom(5000)):
        path.write_bytes(content)
        mended(texts_of(path))


def test_fault_17_columns_and_blocks_that_were_exchanged_are_not_believed(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    blocks = texts._file.contents().blocks  # type: ignore[union-attr]
    whole = path.read_bytes()
    for here, there in ((blocks[0].column(1), blocks[0].column(4)), (blocks[0].column(0), blocks[1].column(0))):
        octets_of_each = [whole[offset : offset + length] for offset, length in (here, there)]
        if len(octets_of_each[0]) == len(octets_of_each[1]):
            changed = whole.replace(octets_of_each[0], b"\1").replace(octets_of_each[1], octets_of_each[0])
            path.write_bytes(changed.replace(b"\1", octets_of_each[1]))
            sane(texts_of(path))
    first, second = (whole[block.offset : block.offset + block.size] for block in blocks[:2])
    path.write_bytes(whole[: blocks[0].offset] + second + first)
    mended(texts_of(path))


def test_fault_18_a_file_deleted_while_it_is_open(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    sane(texts)
    path.unlink()
    assert sane(texts) == 0
    mended(texts)


def test_fault_18_a_file_that_changes_while_it_is_looked_through(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    for change in (path.unlink, lambda: os.truncate(path, 100), lambda: os.utime(path, (5, 5))):
        fill(texts)
        aged(path)
        looking = texts.look(NAME, UIDS, WANTED)
        assert next(looking) == ()
        change()
        *_, last = looking
        for outcome, wanted in zip(last, WANTED, strict=True):
            known = [uid for uid, digit in zip(UIDS, outcome.known, strict=True) if digit == ord("1")]
            assert [uid for uid in known if outcome.found[uid - 1] == ord("1")] == [
                uid for uid in known if holds(uid, wanted)
            ]


def test_fault_17_what_is_damaged_while_it_is_looked_through_hides_nothing(texts: MailboxTexts, path: Path) -> None:
    """Though it was whole when it was looked through before."""
    fill(texts)
    assert sane(texts) == len(WANTED) * len(UIDS)
    looking = texts.look(NAME, UIDS, [WANTED[1]])
    assert next(looking) == ()
    damaged = path.read_bytes().replace(b"common", b"others")
    with path.open("r+b") as file:
        file.write(damaged)
    os.utime(path, (5, 5))
    *_, (outcome,) = looking
    assert b"1" not in outcome.known
    assert sane(texts) < len(WANTED) * len(UIDS)


def test_what_is_added_while_it_is_looked_through_does_not_matter(texts: MailboxTexts) -> None:
    fill(texts)
    looking = texts.look(NAME, UIDS, WANTED)
    assert next(looking) == ()
    texts.remember(NAME, {3: row(3)})
    *_, last = looking
    assert all(outcome.known == b"1" * len(UIDS) for outcome in last)


def test_fault_18_an_older_copy(texts: MailboxTexts, path: Path, tmp_path: Path) -> None:
    texts.remember(NAME, {uid: row(uid) for uid in range(1, 11)})
    shutil.copy(path, tmp_path / "older")
    fill(texts)
    (tmp_path / "older").rename(path)
    assert sane(texts) == len(WANTED) * 10
    mended(texts)


def test_fault_18_another_account_s_file(texts: MailboxTexts, path: Path, tmp_path: Path) -> None:
    other = texts_of(tmp_path / "other", View(guid=b"b" * 32))
    other.remember(NAME, {uid: Row((b"\xfenothing of the sort",) * COLUMNS) for uid in UIDS})
    fill(texts)
    (tmp_path / "other").rename(path)
    assert sane(texts) == 0
    mended(texts)


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_what_is_no_file_is_not_followed(texts: MailboxTexts, path: Path, tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    match kind:
        case "link":
            path.symlink_to(elsewhere)
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    assert sane(texts) == 0
    fill(texts)
    assert not elsewhere.exists()
    assert sane(texts) == (0 if kind == "directory" else len(WANTED) * len(UIDS))


def test_fault_6_a_disk_without_room_makes_it_silent(
    texts: MailboxTexts, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(texts)
    size = path.stat().st_size
    pwrite = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if offset > size:
            raise OSError(28, "No space left on device")
        return pwrite(descriptor, data[:100], offset)

    monkeypatch.setattr(os, "pwrite", full)
    texts.remember(NAME, {3: row(3)})
    monkeypatch.undo()
    assert path.stat().st_size == size
    assert sane(texts) == len(WANTED) * len(UIDS)
    texts.remember(NAME, {3: Row((b"\xfeother",) * COLUMNS)})
    assert path.stat().st_size == size, "it rests"
    assert sane(texts_of(path)) == len(WANTED) * len(UIDS)


def test_another_process_that_writes_is_not_waited_for(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        texts.remember(NAME, {3: Row((b"\xfeother",) * COLUMNS)})
    assert looked(texts, Holding((0,), b"other")) == (list(UIDS), [])
    mended(texts)


def test_two_processes_add_to_one_file(texts: MailboxTexts, path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.unit.store.index.test_texts import *\n"
        "texts = texts_of(Path(sys.argv[1]))\n"
        "for _ in range(20): fill(texts); sane(texts)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT)
    for _ in range(20):
        fill(texts)
        sane(texts)
    assert other.wait() == 0
    mended(texts)


def test_many_threads_share_a_file(path: Path) -> None:
    file = TextFile(path)
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            texts = MailboxTexts(file, View(guid=b"%032d" % number), lambda: None)  # type: ignore[arg-type]
            for _ in range(5):
                mended(texts)
                texts.tidy()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def gone(view: View, uids: Sequence[int]) -> None:
    for uid in uids:
        del view.listing.messages[uid]


def test_when_more_than_half_is_of_messages_that_are_gone_the_file_is_written_anew(path: Path) -> None:
    view = View()
    texts = texts_of(path, view)
    other = texts_of(path, View(guid=b"b" * 32))
    fill(texts)
    fill(other)
    size = path.stat().st_size
    gone(view, range(1, 15))
    texts.tidy()
    assert path.stat().st_size == size
    gone(view, range(15, 26))
    assert sane(texts) == len(WANTED) * 15
    texts.tidy()
    assert b"said 17 in" in path.read_bytes(), "the other mailbox has it still"
    assert path.read_bytes().count(b"said 17 in 0") == 1
    assert sane(texts) == len(WANTED) * 15
    assert sane(other) == len(WANTED) * 40
    assert not path.with_name(TEXT_FILE_NAME + ".new").exists()


def test_after_a_week_nothing_is_left_of_what_is_gone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view, stranger = View(), View(guid=b"c" * 32)
    texts = texts_of(path, view, lambda: [view.key()])
    fill(texts)
    fill(texts_of(path, stranger))
    gone(view, [17])
    sane(texts)
    texts.tidy()
    assert path.read_bytes().count(b"said 17 in 0") == 2
    monkeypatch.setattr(mailbox_texts, "KEPT_SECONDS", -1)
    sane(texts)
    texts.tidy()
    assert b"said 17 in 0" not in path.read_bytes()
    assert path.read_bytes().count(b"said 18 in 0") == 1
    assert sane(texts) == len(WANTED) * 39


def test_what_is_beyond_the_limit_is_not_kept(path: Path) -> None:
    fill(texts_of(path))
    limit = 2 * path.stat().st_size // 3
    path.unlink()
    texts = MailboxTexts(TextFile(path, octets_max=limit), View(), lambda: None)  # type: ignore[arg-type]
    for uid in UIDS:
        texts.remember(NAME, {uid: row(uid)})
    assert limit // 2 < path.stat().st_size <= limit
    known = texts.known(NAME, UIDS)
    assert 0 < known.count(WHOLE) < len(UIDS) and known == known.rstrip(b"\0").ljust(len(UIDS), b"\0")
    assert sane(texts) == len(WANTED) * known.count(WHOLE)


def test_a_full_file_is_written_anew_as_soon_as_that_makes_room(path: Path) -> None:
    fill(texts_of(path))
    view, file = View(), TextFile(path, octets_max=path.stat().st_size)
    texts = MailboxTexts(file, view, lambda: None)  # type: ignore[arg-type]
    gone(view, range(1, 5))
    assert sane(texts) == len(WANTED) * 36
    texts.tidy()
    assert file.is_full() and b"said 3 in 0" in path.read_bytes()
    gone(view, range(5, 11))
    view.listing.messages[41] = b"1700000000.M41P1.h"
    texts.remember(NAME, {41: row(7)})
    assert texts.known(NAME, [41]) == b"\0"
    texts.tidy()
    assert not file.is_full() and b"said 3 in 0" not in path.read_bytes()
    texts.remember(NAME, {41: row(7)})
    assert texts.known(NAME, [41]) == bytes([WHOLE])


def test_small_blocks_are_joined(texts: MailboxTexts, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.store.index.text_rewriting._BLOCKS_MIN", 20)
    for uid in UIDS:
        texts.remember(NAME, {uid: row(uid)})
    contents = texts._file.contents()
    assert contents is not None
    assert len(contents.blocks) < 22
    assert sane(texts) == len(WANTED) * len(UIDS)


def test_many_mailboxes_are_no_reason_to_write_the_file_anew_each_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailbox_d.store.index.text_rewriting._BLOCKS_MIN", 5)
    file, rewrites = TextFile(path), list[object]()
    monkeypatch.setattr(file, "rewrite", rewrites.append)
    for number in range(50):
        texts = MailboxTexts(file, View(guid=b"%032d" % number), lambda: None)  # type: ignore[arg-type]
        texts.remember(NAME, {1: row(1)})
    assert not rewrites


@pytest.mark.parametrize("ends", [(0, 0), (12, 5), (5, 4000), (1 << 31, 1 << 31)])
def test_fault_17_rows_that_end_anywhere_are_not_believed(path: Path, ends: tuple[int, int]) -> None:
    """However the checksums came to be right."""
    texts = texts_of(path)
    texts.remember(NAME, {1: row(1), 2: row(2)})
    contents = texts._file.contents()
    assert contents is not None
    (block,) = contents.blocks
    whole = bytearray(path.read_bytes())
    offset, length = block.column(0)
    whole[offset : offset + 8] = array("I", ends).tobytes()
    checksums = (crc32(whole[offset : offset + length]), *block.checksums[1:])
    fixed = text_block._HEADER.pack(
        text_block._MAGIC, block.key, block.rows, block.directory_checksum, *block.lengths, *checksums
    )
    whole[block.offset : block.offset + len(fixed) + 4] = fixed + crc32(fixed).to_bytes(4, sys.byteorder)
    path.write_bytes(whole)
    damaged = texts_of(path)
    assert looked(damaged, Holding((0,), b"a"), [1, 2]) == ([], [])
    assert looked(damaged, Holding((1,), b"a"), [1, 2]) == ([1, 2], [1, 2])


def test_fault_17_damage_is_not_sealed_anew(texts: MailboxTexts, path: Path) -> None:
    fill(texts)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"said 17 in 3", b"said 99 in 3"))
    damaged = texts_of(path)
    damaged._rewrite(NAME)
    assert sane(damaged) < len(WANTED) * len(UIDS)
    assert b"said 99 in 3" not in path.read_bytes()


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before
