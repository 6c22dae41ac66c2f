"""What is remembered in a small file, over restarts, damage and disks that fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.net.kept_state import PIECE, SAVE_INTERVAL, KeptState
from mailbox_d.store.files import FileSystem
from tests.faults.store_files import FailingFiles
from tests.unit.relay.at_once import at_once, done


class Numbers:
    """Remembers numbers."""

    def __init__(self) -> None:
        self.is_new = False
        self.numbers: list[int] = []
        self.pieces: list[int] = []

    def note(self, number: int) -> None:
        self.numbers.append(number)
        self.is_new = True

    def rows(self) -> Sequence[int]:
        return tuple(self.numbers)

    def recall(self, rows: Sequence[int]) -> None:
        self.numbers = [*rows, *self.numbers]
        self.pieces.append(len(rows))

    def line(self, row: int, /) -> str:
        return str(row)

    def row(self, line: str, /) -> int | None:
        return int(line) if line.isdecimal() else None


class Place:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "numbers"
        self.restart()

    def restart(self, files: FileSystem | None = None, run: Any = at_once) -> None:
        self.reactor = Clock()
        self.numbers = Numbers()
        self.kept = KeptState(self.reactor, os.fsencode(self.path), self.numbers, run, files)
        self.kept.startService()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_is_written_each_minute_where_something_is_new_and_at_the_end(place: Place) -> None:
    place.reactor.advance(SAVE_INTERVAL)
    assert not place.path.exists()
    place.numbers.note(1)
    place.reactor.advance(SAVE_INTERVAL - 1)
    assert not place.path.exists()
    place.reactor.advance(1)
    assert place.path.read_text() == "1\n"
    place.numbers.note(2)
    place.kept.stopService()
    assert place.path.read_text() == "1\n2\n" and not place.reactor.getDelayedCalls()
    place.restart()
    assert place.numbers.numbers == [1, 2] and not place.numbers.is_new


DAMAGED: dict[str, Callable[[Path], object]] = {
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "no text": lambda path: path.write_bytes(b"\xff\0\n" * 1000),
    "a long line": lambda path: path.write_bytes(b"x" * 1_000_000),
    "no numbers": lambda path: path.write_text("-\n\n one\n1 2\n"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_costs_what_was_remembered_and_no_more(place: Place, kind: str) -> None:
    place.path.parent.mkdir()
    DAMAGED[kind](place.path)
    place.restart()
    assert place.numbers.numbers == []
    place.numbers.note(7)
    place.kept.stopService()
    place.restart()
    assert place.numbers.numbers == ([] if kind == "a directory" else [7])


def test_what_cannot_be_written_is_written_the_next_time(place: Place) -> None:
    files = FailingFiles(1, 28, lambda call: call.operation == "rename")
    files.armed = True
    place.restart(files)
    place.numbers.note(1)
    place.reactor.advance(SAVE_INTERVAL)
    assert not place.path.exists() and place.numbers.is_new
    place.reactor.advance(SAVE_INTERVAL)
    assert place.path.read_text() == "1\n" and not place.numbers.is_new


def test_what_was_not_yet_read_is_not_written_over(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.write_text("1\n")
    slow: Deferred[None] = Deferred()

    async def run(work: Callable[..., Any], /, *args: object) -> Any:
        await slow
        return work(*args)

    place.restart(run=run)
    place.numbers.note(2)
    place.reactor.advance(SAVE_INTERVAL)
    assert place.path.read_text() == "1\n"
    slow.callback(None)
    place.reactor.advance(SAVE_INTERVAL)
    assert place.path.read_text() == "1\n2\n"


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EIO, errno.EACCES, errno.ENOMEM])
def test_what_cannot_be_read_is_not_written_over_and_read_the_next_time(place: Place, error: int) -> None:
    place.path.parent.mkdir()
    place.path.write_text("1\n")
    files = FailingFiles(1, error, lambda call: call.operation == "open")
    files.armed = True
    place.restart(files)
    place.numbers.note(2)
    assert place.numbers.numbers == [2]
    assert place.path.read_text() == "1\n"
    place.reactor.advance(SAVE_INTERVAL)
    assert place.numbers.numbers == [1, 2]
    assert place.path.read_text() == "1\n2\n"


def test_what_is_new_before_it_could_be_read_waits_too(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.write_text("1\n")
    files = FailingFiles(1, errno.EMFILE, lambda call: call.operation == "open")
    numbers, files.armed = Numbers(), True
    numbers.note(2)
    kept = KeptState(place.reactor, os.fsencode(place.path), numbers, at_once, files)
    done(kept.load())
    assert place.path.read_text() == "1\n"
    done(kept.save())
    assert place.path.read_text() == "1\n2\n"


def test_what_is_new_by_the_time_it_was_read_is_written_at_once(place: Place) -> None:
    place.restart()
    place.numbers.is_new = True
    done(KeptState(place.reactor, os.fsencode(place.path), place.numbers, at_once).load())
    assert place.path.exists()


def test_who_must_know_of_it_waits_once(place: Place) -> None:
    files = FailingFiles(1, errno.EMFILE, lambda call: call.operation == "open")
    files.armed = True
    place.path.parent.mkdir()
    place.path.write_text("1\n")
    place.restart(files)
    done(place.kept.load())
    assert place.numbers.numbers == []


def test_much_is_taken_in_many_turns(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.write_text("".join(f"{number}\n" for number in range(5 * PIECE + 1)))
    place.restart()
    assert len(place.numbers.numbers) == PIECE
    place.reactor.advance(0)
    assert place.numbers.pieces == [*[PIECE] * 5, 1]
    assert place.numbers.numbers == list(range(5 * PIECE + 1))
