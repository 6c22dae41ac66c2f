"""The index remembers what was said of messages, and whatever is done to its file costs nothing but that."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbox_d.store.index import answers as answers_module
from mailbox_d.store.index import index_file
from mailbox_d.store.index.answers import Answers, MailboxKey
from mailbox_d.store.index.index_file import IndexFile
from mailbox_d.store.index.open_indexes import FILE_NAME, OpenIndexes

KEY = MailboxKey(b"a" * 32, 1700000000)
ENVELOPE = b"ENVELOPE"
BASES = {uid: b"1700000000.M%dP1.h" % uid for uid in range(1, 41)}
SAID = {uid: b'("date %d" NIL)' % uid * 20 for uid in BASES}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
def file(path: Path, clock: Clock) -> Iterator[IndexFile]:
    file = IndexFile(path, clock)
    yield file
    file.close()


@pytest.fixture
def answers(file: IndexFile) -> Answers:
    return Answers(file, KEY)


def fill(answers: Answers, attribute: bytes = ENVELOPE) -> None:
    answers.remember(attribute, [(uid, BASES[uid], SAID[uid]) for uid in BASES])


def test_what_was_said_is_remembered(answers: Answers, file: IndexFile) -> None:
    assert answers.remembered(ENVELOPE, BASES) == {}
    fill(answers)
    assert answers.remembered(ENVELOPE, BASES) == SAID
    file.close()
    assert answers.remembered(ENVELOPE, BASES) == SAID


def test_uids_far_apart_are_found_too(answers: Answers) -> None:
    uids = [1, 7, 4_294_967_294, 900_000]
    answers.remember(ENVELOPE, [(uid, b"b%d" % uid, b"said of %d" % uid) for uid in uids])
    wanted = {uid: b"b%d" % uid for uid in [*uids, 2, 4_294_967_293]}
    assert answers.remembered(ENVELOPE, wanted) == {uid: b"said of %d" % uid for uid in uids}


def test_the_later_word_counts(answers: Answers) -> None:
    fill(answers)
    answers.remember(ENVELOPE, [(3, BASES[3], b"other")])
    assert answers.remembered(ENVELOPE, {3: BASES[3]}) == {3: b"other"}


def test_attributes_mailboxes_and_messages_are_kept_apart(answers: Answers, file: IndexFile) -> None:
    fill(answers)
    other = Answers(file, MailboxKey(b"b" * 32, KEY.uid_validity))
    assert answers.remembered(b"BODY", BASES) == {}
    assert other.remembered(ENVELOPE, BASES) == {}
    other.remember(ENVELOPE, [(1, BASES[1], b"of another mailbox")])
    assert other.remembered(ENVELOPE, BASES) == {1: b"of another mailbox"}
    assert answers.remembered(ENVELOPE, BASES) == SAID


def test_a_message_of_another_name_is_another_message(answers: Answers) -> None:
    fill(answers)
    assert answers.remembered(ENVELOPE, {5: b"restored from elsewhere", 6: BASES[6]}) == {6: SAID[6]}


def test_uids_that_began_anew_know_nothing_of_the_old_ones(answers: Answers, file: IndexFile) -> None:
    fill(answers)
    renewed = Answers(file, MailboxKey(KEY.guid, KEY.uid_validity + 1))
    assert renewed.remembered(ENVELOPE, BASES) == {}
    renewed.remember(ENVELOPE, [(1, BASES[1], b"new")])
    assert renewed.remembered(ENVELOPE, BASES) == {1: b"new"}
    assert answers.remembered(ENVELOPE, BASES) == {}


def test_messages_that_are_gone_are_swept_out(answers: Answers, file: IndexFile) -> None:
    fill(answers)
    answers.sweep([uid for uid in BASES if uid % 2])
    assert sorted(answers.remembered(ENVELOPE, BASES)) == [uid for uid in BASES if uid % 2]


def test_of_too_many_attributes_those_unused_longest_are_forgotten(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_module, "ATTRIBUTES_MAX", 3)
    for attribute in (b"A", b"B", b"C", b"A", b"D"):
        answers.remember(attribute, [(1, BASES[1], attribute)])
    assert list(answers.attributes()) == [b"D", b"A", b"C"]
    told = {attribute: answers.remembered(attribute, {1: BASES[1]}) for attribute in (b"A", b"B", b"C", b"D")}
    assert told == {b"A": {1: b"A"}, b"B": {}, b"C": {1: b"C"}, b"D": {1: b"D"}}


def test_an_attribute_is_forgotten_some_rows_at_a_time(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "ATTRIBUTES_MAX", 2)
    monkeypatch.setattr(answers_module, "_INSPECTED_AT_ONCE", 15)
    fill(answers, b"A")
    fill(answers, b"B")
    for tried in range(3):
        assert answers.remembered(b"C", BASES) == {}
        fill(answers, b"C")
        assert answers.remembered(b"A", BASES) == {}, "what is forgotten is so at once"
        assert list(answers.attributes()) == ([b"B"] if tried < 2 else [b"C", b"B"])
    assert answers.remembered(b"B", BASES) == answers.remembered(b"C", BASES) == SAID


def test_what_is_known_is_read_some_rows_at_a_time(
    answers: Answers, file: IndexFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others have their turn in between."""
    monkeypatch.setattr(answers_module, "_INSPECTED_AT_ONCE", 15)
    fill(answers)
    answers.remember(ENVELOPE, [(0xFFFFFFFF, b"the last one", b"said")])
    Answers(file, MailboxKey(b"b" * 32, 1)).remember(ENVELOPE, [(1, b"elsewhere", b"said")])
    runs: list[int] = []

    def run(work: object, **how: object) -> object:
        found = IndexFile.run(file, work, **how)  # type: ignore[arg-type]
        runs.append(len(found or ()))
        return found

    monkeypatch.setattr(file, "run", run)
    assert answers.known(ENVELOPE) == {*BASES, 0xFFFFFFFF}
    assert runs == [15, 15, 11, 0]


def test_a_full_index_keeps_no_further_answers_until_there_is_room(path: Path, clock: Clock) -> None:
    file = IndexFile(path, clock, octets_max=256 * 1024)
    answers = Answers(file, KEY)
    for uid in BASES:
        answers.remember(ENVELOPE, [(uid, BASES[uid], bytes([uid]) * 16_000)])
    kept = sorted(answers.known(ENVELOPE))
    assert answers.is_full() and kept == list(range(1, len(kept) + 1)) and 5 < len(kept) < 20
    assert path.stat().st_size < 300 * 1024
    assert answers.remembered(ENVELOPE, {1: BASES[1]}) == {1: b"\1" * 16_000}
    answers.forget(ENVELOPE, kept)
    assert not answers.is_full()
    fill(answers)
    assert answers.remembered(ENVELOPE, BASES) == SAID
    assert path.stat().st_size < 300 * 1024
    file.close()


def test_the_file_is_the_owner_s_alone(answers: Answers, path: Path) -> None:
    fill(answers)
    assert path.stat().st_mode & 0o777 == 0o600


def damaged(answers: Answers) -> None:
    """Whatever the file holds: nothing that was never said is told, and what is said anew is remembered."""
    for uid, octets in answers.remembered(ENVELOPE, BASES).items():
        assert octets == SAID[uid]
    fill(answers)
    fill(answers)
    assert answers.remembered(ENVELOPE, BASES) == SAID


def test_fault_17_a_bit_flipped_in_every_64th_octet(answers: Answers, file: IndexFile, path: Path) -> None:
    fill(answers)
    file.close()
    whole = path.read_bytes()
    for at in range(0, len(whole), 64):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at // 64 % 8]) + whole[at + 1 :])
        damaged(answers)
        file.close()


def test_fault_17_a_file_cut_off_anywhere(answers: Answers, file: IndexFile, path: Path) -> None:
    fill(answers)
    file.close()
    whole = path.read_bytes()
    for length in [*range(0, 200, 7), *range(200, len(whole), 997)]:
        path.write_bytes(whole[:length])
        damaged(answers)
        file.close()


def test_fault_17_a_file_cut_off_while_it_is_open(answers: Answers, path: Path) -> None:
    for length in (0, 100, 4096, 9000):
        fill(answers)
        os.truncate(path, length)
        damaged(answers)


@given(st.binary(max_size=600))
@settings(max_examples=60, deadline=None)
def test_fault_17_a_file_of_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("index") / FILE_NAME
    path.write_bytes(content)
    file = IndexFile(path)
    damaged(Answers(file, KEY))
    file.close()


@pytest.mark.parametrize("version", [0, index_file.SCHEMA_VERSION + 1])
def test_fault_17_a_file_of_another_version(answers: Answers, file: IndexFile, path: Path, version: int) -> None:
    fill(answers)
    file.close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={version}")
    assert answers.remembered(ENVELOPE, BASES) == {}
    damaged(answers)


@pytest.mark.parametrize("table", ["mailbox", "attribute", "answer"])
def test_fault_17_a_table_that_is_missing(answers: Answers, file: IndexFile, path: Path, table: str) -> None:
    fill(answers)
    file.close()
    with sqlite3.connect(path) as db:
        db.execute(f"DROP TABLE {table}")
    damaged(answers)


@pytest.mark.parametrize("table", ["mailbox", "attribute"])
def test_fault_17_rows_that_name_something_else_now_are_not_believed(
    answers: Answers, file: IndexFile, path: Path, table: str
) -> None:
    fill(answers)
    answers.remember(b"BODY", [(uid, BASES[uid], b"body") for uid in BASES])
    Answers(file, MailboxKey(b"b" * 32, KEY.uid_validity)).remember(ENVELOPE, [(1, b"elsewhere", b"other")])
    file.close()
    with sqlite3.connect(path) as db:
        column = "guid" if table == "mailbox" else "name"
        (one, name), (other, other_name) = db.execute(f"SELECT id, {column} FROM {table} ORDER BY id").fetchall()
        db.execute(f"UPDATE {table} SET {column} = x'00' WHERE id = ?", (one,))
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (name, other))
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (other_name, one))
    assert answers.remembered(ENVELOPE, BASES) == {}
    damaged(answers)


def test_fault_18_a_file_deleted_while_it_is_open(answers: Answers, path: Path) -> None:
    fill(answers)
    path.unlink()
    assert answers.remembered(ENVELOPE, BASES) == {}
    damaged(answers)


def test_fault_18_a_file_replaced_while_it_is_open(answers: Answers, path: Path, tmp_path: Path) -> None:
    fill(answers)
    shutil.copy(path, tmp_path / "kept")
    answers.remember(ENVELOPE, [(1, BASES[1], b"other")])
    (tmp_path / "kept").rename(path)
    assert answers.remembered(ENVELOPE, BASES) == SAID


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_what_is_no_file_is_not_followed(answers: Answers, path: Path, tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    match kind:
        case "link":
            path.symlink_to(elsewhere)
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    fill(answers)
    assert not elsewhere.exists()
    assert answers.remembered(ENVELOPE, BASES) == ({} if kind == "directory" else SAID)


def test_a_folder_that_is_missing_makes_the_index_silent_for_a_while(tmp_path: Path, clock: Clock) -> None:
    answers = Answers(IndexFile(tmp_path / "missing" / FILE_NAME, clock), KEY)
    fill(answers)
    assert answers.remembered(ENVELOPE, BASES) == {}
    (tmp_path / "missing").mkdir()
    fill(answers)
    assert not list((tmp_path / "missing").iterdir()), "it rests"
    clock.now += 61
    fill(answers)
    assert answers.remembered(ENVELOPE, BASES) == SAID


def test_fault_6_a_disk_without_room_makes_the_index_silent(answers: Answers, file: IndexFile) -> None:
    fill(answers)
    file.run(lambda db: db.execute("PRAGMA max_page_count=1").fetchone())
    answers.remember(b"BODY", [(uid, BASES[uid], bytes(60000)) for uid in BASES])
    assert answers.remembered(b"BODY", BASES) == {}


def test_another_process_that_writes_is_not_waited_for(answers: Answers, path: Path, clock: Clock) -> None:
    fill(answers)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert answers.remembered(ENVELOPE, BASES) == {}
        answers.remember(ENVELOPE, [(1, BASES[1], b"other")])
        other.execute("ROLLBACK")
    assert answers.remembered(ENVELOPE, BASES) == {}, "it is taken to be busy for a while"
    clock.now += 3
    assert answers.remembered(ENVELOPE, BASES) == SAID


def test_many_threads_share_a_file(path: Path) -> None:
    indexes = OpenIndexes(kept=1)
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            answers = Answers(indexes.of(os.fsencode(path.parent)), MailboxKey(b"%d" % number, 1))
            for _ in range(10):
                fill(answers)
                assert answers.remembered(ENVELOPE, BASES) in (SAID, {}), "nobody waits long for another"
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    for number in range(8):
        answers = Answers(indexes.of(os.fsencode(path.parent)), MailboxKey(b"%d" % number, 1))
        assert answers.remembered(ENVELOPE, BASES) == SAID
    indexes.close()


def test_of_many_accounts_the_last_ones_are_open(tmp_path: Path) -> None:
    indexes = OpenIndexes(kept=2)
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        fill(Answers(indexes.of(os.fsencode(tmp_path / name)), KEY))
    assert indexes.of(os.fsencode(tmp_path / "c")) is indexes.of(os.fsencode(tmp_path / "c"))
    opened = [os.readlink(f"/proc/self/fd/{entry}") for entry in os.listdir("/proc/self/fd") if _is_link(entry)]
    assert not any(str(tmp_path / "a") in each for each in opened)
    indexes.close()


def test_files_of_mailboxes_that_stay_open_are_bounded_too(tmp_path: Path) -> None:
    indexes = OpenIndexes(kept=2)
    held = []
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        held.append(Answers(indexes.of(os.fsencode(tmp_path / str(number))), KEY))
    for _ in range(2):
        for answers in held:
            fill(answers)
            assert answers.remembered(ENVELOPE, BASES) == SAID
    opened = [os.readlink(f"/proc/self/fd/{entry}") for entry in os.listdir("/proc/self/fd") if _is_link(entry)]
    assert len({each for each in opened if each.startswith(str(tmp_path)) and each.endswith(FILE_NAME)}) == 2
    indexes.close()


def _is_link(entry: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{entry}")
