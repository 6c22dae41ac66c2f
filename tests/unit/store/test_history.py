"""What is known of a mailbox's changes survives restarts, and whatever is done to where it is kept costs time alone."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.store.files import FileSystem
from mailbox_d.store.history import Change, History, State
from mailbox_d.store.index import history_rows, index_file, void_notes
from mailbox_d.store.index.answers import Answers, MailboxKey
from mailbox_d.store.index.history_rows import HistoryRows
from mailbox_d.store.index.index_file import IndexFile
from mailbox_d.store.keywords import Keywords
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.mod_sequences import FILE_NAME, ModSequences
from mailbox_d.store.ports import FlagAction
from tests.contract.store.mailboxes import append

ANN = EmailAddress.parse("ann@example.org")
SEEN = frozenset({r"\Seen"})
KEY = MailboxKey(b"a" * 32, 17)
OTHER_KEY = MailboxKey(b"b" * 32, 17)
LETTERS = {1: b"S", 2: b"", 5: b"FS"}


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def numbers(tmp_path: Path, clock: Clock) -> ModSequences:
    return ModSequences(FileSystem(), bytes(tmp_path), clock)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[IndexFile]:
    file = IndexFile(tmp_path / "mailboxd.index")
    yield file
    file.close()


def begun(
    numbers: ModSequences, file: IndexFile, letters: dict[int, bytes], kept: int = 100, key: MailboxKey = KEY
) -> tuple[History, list[int]]:
    """A history that is taken up by another process."""
    history = History(numbers, HistoryRows(file, lambda: key), kept)
    each = list(history.begin(list(letters), list(letters.values()), Keywords()))
    settle(history, letters, each)
    return history, each


def settle(history: History, letters: dict[int, bytes], each: list[int]) -> None:
    history.settle(lambda: (list(letters), list(letters.values()), each, Keywords()))


@contextmanager
def read_by_another_program(path: Path) -> Iterator[None]:
    """As by a backup of the file: nothing can be written meanwhile."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM answer").fetchone()
        yield


def inbox(root: Path) -> MaildirMailbox:
    return MaildirStore(root).account(ANN).open("INBOX")


# the numbers


def test_numbers_are_the_clocks_and_always_above_the_last(numbers: ModSequences, clock: Clock) -> None:
    first = numbers.next(0)
    assert first == 1_800_000_000_000_001
    clock.now -= 10 * 365 * 86400
    assert numbers.next(first) == first + 1
    clock.now = -5.0
    assert numbers.next(first + 1) == first + 2
    assert numbers.next((1 << 63) - 1) == (1 << 63) - 1


def test_no_number_is_above_what_the_file_promises(tmp_path: Path, numbers: ModSequences, clock: Clock) -> None:
    told = 0
    for seconds in (0, 1, 599, 5, 86400, -86400):
        clock.now += seconds
        told = numbers.next(told)
        assert told <= int((tmp_path / FILE_NAME.decode()).read_bytes())
    assert ModSequences(FileSystem(), bytes(tmp_path), clock).promised() >= told


def test_the_promise_is_written_once_in_ten_minutes(tmp_path: Path, numbers: ModSequences, clock: Clock) -> None:
    numbers.next(0)
    before = (tmp_path / FILE_NAME.decode()).stat().st_ino
    for _ in range(59):
        clock.now += 10
        numbers.next(0)
    assert (tmp_path / FILE_NAME.decode()).stat().st_ino == before


@pytest.mark.parametrize("content", [b"", b"x\n", b"17", b"99999999999999999999\n", b"9" * 5000, b"-1\n"])
def test_a_damaged_promise_is_none(tmp_path: Path, numbers: ModSequences, content: bytes) -> None:
    (tmp_path / FILE_NAME.decode()).write_bytes(content)
    assert numbers.promised() == 0
    assert numbers.next(5) > 5


def test_a_promise_that_cannot_be_made_keeps_nobody_waiting(tmp_path: Path, clock: Clock) -> None:
    numbers = ModSequences(FileSystem(), bytes(tmp_path / "missing"), clock)
    assert numbers.next(0) < numbers.next(numbers.next(0))


# what is known


def test_a_lock_that_a_power_cut_left_puts_no_promise_off(tmp_path: Path, numbers: ModSequences, clock: Clock) -> None:
    lock = tmp_path / f"{FILE_NAME.decode()}.lock"
    lock.touch()
    os.utime(lock, (clock.now - 31, clock.now - 31))
    told = numbers.next(0)
    assert ModSequences(FileSystem(), bytes(tmp_path), clock).promised() >= told
    assert not lock.exists()


def test_a_promise_that_could_not_be_made_is_made_as_soon_as_it_can_be(tmp_path: Path, clock: Clock) -> None:
    maildir = tmp_path / "missing"
    numbers = ModSequences(FileSystem(), bytes(maildir), clock)
    told = numbers.next(clock_ahead := 2 * 10**15)
    assert told > clock_ahead and numbers.promised() >= told
    maildir.mkdir()
    numbers.next(0)  # of another mailbox
    assert ModSequences(FileSystem(), bytes(maildir), clock).promised() >= told


def test_another_process_goes_on(numbers: ModSequences, file: IndexFile) -> None:
    history, each = begun(numbers, file, LETTERS)
    changed = history.note({2: b"S"})
    gone = history.note({}, [5])
    came = history.note({6: b""})
    again, now = begun(numbers, file, {1: b"S", 2: b"S", 6: b""})
    assert now == [each[0], changed, came]
    assert again.highest == came
    assert again.vanished(changed) == [5]
    assert again.vanished(gone) == []


def test_what_differs_from_the_disk_has_changed_now(numbers: ModSequences, file: IndexFile) -> None:
    history, each = begun(numbers, file, LETTERS)
    again, now = begun(numbers, file, {1: b"S", 2: b"F", 7: b""})
    assert now[0] == each[0] and now[1] == now[2] == again.highest > history.highest
    assert again.vanished(history.highest) == [5]
    _, same = begun(numbers, file, {1: b"S", 2: b"F", 7: b""})
    assert same == now


def test_letters_that_mean_something_else_have_changed(numbers: ModSequences, file: IndexFile) -> None:
    before, each = begun(numbers, file, {1: b"a", 2: b"S"})
    history = History(numbers, HistoryRows(file, lambda: KEY), 100)
    now = history.begin([1, 2], [b"a", b"S"], Keywords({0: "work"}))
    assert now[0] > before.highest and now[1] == each[1]


def test_who_is_not_alone_has_lost_track(numbers: ModSequences, file: IndexFile) -> None:
    one, _ = begun(numbers, file, LETTERS)
    other, _ = begun(numbers, file, LETTERS)
    assert other.check()
    told = other.note({1: b""})
    assert not one.check()
    assert one.has_lost_track and one.highest > told
    assert one.vanished(told) is None
    settle(one, LETTERS, [one.highest] * 3)
    assert other.note({1: b"S"}) > one.highest and other.has_lost_track


def test_an_index_that_is_lost_is_noticed_with_the_next_change(numbers: ModSequences, file: IndexFile) -> None:
    history, _ = begun(numbers, file, LETTERS)
    before = history.highest
    file.remove()
    assert history.note({1: b""}) > before
    assert history.has_lost_track
    again, _ = begun(numbers, file, LETTERS)
    assert again.highest > history.highest


def test_what_cannot_be_written_is_not_believed_later(
    numbers: ModSequences, file: IndexFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, _ = begun(numbers, file, LETTERS)
    with monkeypatch.context() as patch:
        patch.setattr(file, "run", lambda work, **_: None)
        told = history.note({1: b""})
        history.note({1: b"S"})
    again, now = begun(numbers, file, LETTERS)
    assert min(now) > told and again.vanished(told) is None


def test_only_the_last_removals_are_remembered(numbers: ModSequences, file: IndexFile) -> None:
    letters = dict.fromkeys(range(1, 9), b"")
    history, _ = begun(numbers, file, letters, kept=3)
    at = [history.note({}, [uid]) for uid in range(1, 6)]
    assert history.vanished(at[0]) is None
    assert history.vanished(at[1]) == [3, 4, 5]
    again, _ = begun(numbers, file, {6: b"", 7: b"", 8: b""}, kept=3)
    assert again.vanished(at[0]) is None and again.vanished(at[1]) == [3, 4, 5]
    both = again.note({}, [6, 7, 8])
    assert again.vanished(at[4]) == [6, 7, 8] and again.vanished(both) == []


def test_many_changes_become_one_state(numbers: ModSequences, file: IndexFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_rows, "CHANGES_MAX", 5)
    history, each = begun(numbers, file, LETTERS)
    letters = dict(LETTERS)
    for step in range(23):
        letters[1] = b"F" * (step % 2)
        each[0] = history.note({1: letters[1]})
        settle(history, letters, each)
        assert begun(numbers, IndexFile(file._path), letters)[1] == each
        history, _ = begun(numbers, file, letters)
    rows = file.run(lambda db: db.execute("SELECT count(*) FROM history_change").fetchone())
    assert rows is not None and rows[0] < 10


def test_names_with_line_ends_are_kept_apart() -> None:
    state = State(9, 3, [1, 2], [b"S\n", b"\nF"], [4, 4], [(5, 6)], Keywords({2: "x y"}))
    known = history_rows._unpack_state(bytes(16) + history_rows._pack_state(state))
    assert known.letters == [b"S?", b"?F"]
    assert (known.highest, known.uids, known.mod_sequences, known.gone) == (9, [1, 2], [4, 4], [(5, 6)])
    change = Change(7, {3: b"", 4: b"a"}, [1, 2])
    assert history_rows._unpack_change(history_rows._pack_change(change)) == change


def test_attack_123_whatever_bit_is_turned_no_change_is_missed(tmp_path: Path) -> None:
    """The state, or the mailbox, is as it was; or everything has changed."""
    letters = {1: b"S", 2: b"F", 3: b""}
    path = tmp_path / "mailboxd.index"
    numbers = ModSequences(FileSystem(), bytes(tmp_path))
    file = IndexFile(path)
    history, each = begun(numbers, file, {1: b"", 2: b"F", 3: b"", 4: b"T"})
    changed, gone = history.note({1: b"S"}), history.note({}, [4])
    file.close()
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        with path.open("r+b") as opened:  # in place: the inode is the same
            opened.write(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            opened.truncate(len(whole))
        file = IndexFile(path)
        again, now = begun(numbers, file, letters)
        file.close()
        if now == [changed, each[1], each[2]]:
            assert again.vanished(changed) == [4] and again.highest == gone
        else:
            assert min(now) > gone and again.vanished(gone) is None
        if not path.exists():
            path.write_bytes(whole)


def test_a_mailbox_in_a_maildir_goes_on_after_a_restart(tmp_path: Path) -> None:
    mailbox = inbox(tmp_path)
    for _ in range(3):
        append(mailbox)
    mailbox.change_flags([2], FlagAction.ADD, SEEN)
    before = mailbox.status().highest_mod_sequence
    mailbox.expunge([1])
    again = inbox(tmp_path)
    assert again.messages() == mailbox.messages()
    assert again.status().highest_mod_sequence == mailbox.status().highest_mod_sequence > before
    assert again.vanished(before) == [1]


# an index that is busy


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    monkeypatch.setattr(index_file, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(index_file, "_BUSY_SECONDS", 0.0)


@pytest.mark.usefixtures("hasty")
def test_a_busy_index_costs_one_mailbox_its_history_and_nobody_else_anything(
    tmp_path: Path, numbers: ModSequences, file: IndexFile
) -> None:
    answers = Answers(file, KEY)
    answers.remember(b"ENVELOPE", [(1, b"base", b"said")])
    history, _ = begun(numbers, file, LETTERS)
    _, of_other = begun(numbers, file, LETTERS, key=OTHER_KEY)
    with read_by_another_program(tmp_path / "mailboxd.index"):
        told = history.note({1: b""})
        back = history.note({1: b"S"})
    again = IndexFile(tmp_path / "mailboxd.index")  # of another process, after this one was killed
    assert Answers(again, KEY).remembered(b"ENVELOPE", {1: b"base"}) == {1: b"said"}
    assert begun(numbers, again, LETTERS, key=OTHER_KEY)[1] == of_other
    now, each = begun(numbers, again, LETTERS)
    assert min(each) > back > told and now.vanished(told) is None
    again.close()


def test_a_history_that_was_not_written_is_written_with_the_next_change(
    tmp_path: Path, numbers: ModSequences, file: IndexFile, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "_BUSY_REST_SECONDS", 0.0)
    history, each = begun(numbers, file, LETTERS)
    letters = dict(LETTERS)
    for number, letter in enumerate((b"D", b"DS", b"S")):
        with read_by_another_program(tmp_path / "mailboxd.index"):
            each[1] = history.note({2: letter})
            settle(history, letters | {2: letter}, each)
        assert history.check(), "nobody else has written"
        letters |= {2: letter, 1: b"T" * (number % 2)}
        each[0] = history.note({1: letters[1]})
        settle(history, letters, each)
        assert not history.has_lost_track
        another = IndexFile(tmp_path / "mailboxd.index")
        assert begun(numbers, another, letters)[1] == each
        another.close()
        history, each = begun(numbers, file, letters)


@pytest.mark.usefixtures("hasty")
def test_a_busy_index_is_written_in_its_rest(tmp_path: Path, numbers: ModSequences) -> None:
    """What was asked of it just then, and refused, does not make a history void."""
    file = IndexFile(tmp_path / "mailboxd.index", monotonic=lambda: 0.0)
    history, each = begun(numbers, file, LETTERS)
    with read_by_another_program(tmp_path / "mailboxd.index"):
        Answers(file, KEY).remember(b"ENVELOPE", [(1, b"base", b"said")])
    each[0] = history.note({1: b"D"})
    assert begun(numbers, file, LETTERS | {1: b"D"})[1] == each
    file.close()


def test_a_history_waits_for_another_thread(
    numbers: ModSequences, file: IndexFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "_PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(index_file, "_BUSY_SECONDS", 0.0)
    history, each = begun(numbers, file, LETTERS)
    at_work, may_end = threading.Event(), threading.Event()

    def work(_: sqlite3.Connection) -> None:
        at_work.set()
        may_end.wait(60)

    threads = [threading.Thread(target=file.run, args=[work]), threading.Thread(target=history.note, args=[{1: b"D"}])]
    threads[0].start()
    at_work.wait(60)
    threads[1].start()
    while not file._next.locked() and threads[1].is_alive():
        time.sleep(0.001)
    may_end.set()
    for thread in threads:
        thread.join()
    each[0] = history.highest
    assert begun(numbers, file, LETTERS | {1: b"D"})[1] == each


@pytest.mark.usefixtures("hasty")
def test_another_server_sees_that_more_was_told_than_was_written(
    tmp_path: Path, numbers: ModSequences, file: IndexFile
) -> None:
    begun(numbers, file, LETTERS)
    one, _ = begun(numbers, file, LETTERS)
    shared = IndexFile(tmp_path / "mailboxd.index")
    other = History(numbers, HistoryRows(shared, lambda: KEY), 100)
    other._rows._chain = one._rows._chain  # type: ignore[attr-defined]
    other.is_begun = True
    assert other.check()
    with read_by_another_program(tmp_path / "mailboxd.index"):
        told = one.note({1: b""})
    assert not other.check() and other.highest > told
    shared.close()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("octets_max", [0, 60])
def test_where_no_note_can_be_made_all_is_removed(
    tmp_path: Path, numbers: ModSequences, file: IndexFile, monkeypatch: pytest.MonkeyPatch, octets_max: int
) -> None:
    monkeypatch.setattr(void_notes, "OCTETS_MAX", octets_max)
    path = tmp_path / "mailboxd.index"
    history, _ = begun(numbers, file, LETTERS)
    with read_by_another_program(path):
        told = history.note({1: b""})
        assert not path.exists()
    again = IndexFile(path)
    assert min(begun(numbers, again, LETTERS)[1]) > told
    again.close()


def test_notes_are_of_one_mailbox_and_go_with_the_index(tmp_path: Path, numbers: ModSequences, file: IndexFile) -> None:
    notes = file.void_notes
    assert notes.mark(KEY.guid) == 0
    notes.add(KEY.guid)
    first = notes.mark(KEY.guid)
    (tmp_path / "mailboxd.index-void").open("ab").write(b"\nab")  # by one who was killed
    notes.add(KEY.guid)
    assert 0 < first < notes.mark(KEY.guid) and notes.mark(OTHER_KEY.guid) == 0
    begun(numbers, file, LETTERS)
    assert notes.mark(KEY.guid) == 0
