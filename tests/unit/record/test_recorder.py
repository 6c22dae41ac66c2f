"""Telling costs nothing that mail would notice; what could not be written is counted and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.record import recorder as module
from mailbox_d.record.events import Event, Lost, Received, Refused
from mailbox_d.record.lines import parse_event
from mailbox_d.record.recorder import BATCH, MEMORY, Recorder
from tests.faults.store_files import FailingFiles, RecordingFiles
from tests.unit.record.happenings import NOON, Time, flush, kept, received, recorder


def written(state: Path, *below: str) -> list[Event | None]:
    folder = state.joinpath("record", *below)
    files = sorted(folder.glob("*.jsonl"))
    return [parse_event(line) for file in files for line in file.read_bytes().splitlines() if line]


def test_what_was_told_is_written_in_its_order_by_one_sync(tmp_path: Path) -> None:
    files = RecordingFiles()
    record = recorder(tmp_path, files=files)
    events = [received("A"), kept("A"), received("B"), kept("B")]
    for event in events:
        record.tell(event)
    assert record.waits and written(tmp_path) == []
    flush(record)
    assert written(tmp_path) == events and not record.waits
    assert [call.operation for call in files.calls].count("fsync") == 1
    flush(record)
    assert [call.operation for call in files.calls].count("fsync") == 1


def test_what_was_refused_lies_apart_and_drives_nothing_else_away(tmp_path: Path) -> None:
    record = recorder(tmp_path, size=40_000)
    record.tell(received("A"))
    for number in range(2000):
        record.tell(Refused(f"R{number}", NOON, "smtp", "192.0.2.1", stage="rcpt", reply="There is no such user here"))
    flush(record)
    assert written(tmp_path) == [received("A")]
    refused = written(tmp_path, "refused")
    assert 50 < len(refused) < 200 and getattr(refused[-1], "identifier", "") == "R1999"
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.jsonl")) <= 40_000


def test_much_is_not_waited_for(tmp_path: Path) -> None:
    record = recorder(tmp_path)
    calls: list[None] = []
    record.full = lambda: calls.append(None)
    while not calls:
        record.tell(received("A"))
        assert len(calls) == 0 or record._shelves[0].octets >= BATCH
    assert BATCH <= record._shelves[0].octets < BATCH + 300


def test_memory_is_bounded_and_what_is_lost_is_counted_and_told(tmp_path: Path) -> None:
    record = recorder(tmp_path, size=64 << 20)
    for _ in range(40):
        record.tell(Received("A", NOON, name="x" * 200_000))
    assert record._shelves[0].octets <= MEMORY
    flush(record)
    assert len(written(tmp_path)) == 21  # twenty are all the memory
    assert written(tmp_path)[-1] == Lost("", NOON, 20)


def test_a_line_that_is_too_long_is_lost(tmp_path: Path) -> None:
    record = recorder(tmp_path, size=64 << 20)
    record.tell(Received("A", NOON, name="x" * 300_000))
    record.tell(received("B"))
    flush(record)
    assert written(tmp_path) == [received("B"), Lost("", NOON, 1)]


def test_an_event_that_has_no_line_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: Event) -> bytes:
        raise ZeroDivisionError

    record = recorder(tmp_path)
    monkeypatch.setattr(module, "format_event", broken)
    monkeypatch.setattr(Recorder, "_log", _Log())
    record.tell(received("A"))
    monkeypatch.undo()
    flush(record)
    assert written(tmp_path) == [Lost("", NOON, 1)]


class _Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def failure(self, text: str, **said: object) -> None:
        pass

    def error(self, text: str, **said: object) -> None:
        self.lines.append(text.format(**said))


def test_a_disk_that_says_no_is_tried_again_and_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, log = FailingFiles(1, 28, always=True), _Log()
    monkeypatch.setattr(Recorder, "_log", log)
    record = recorder(tmp_path, files=files)
    record.tell(received("A"))
    files.armed = True
    for _ in range(3):
        flush(record)
    assert record.waits and len(log.lines) == 1 and "No space left" in log.lines[0]
    files.armed = False
    record.tell(received("B"))
    flush(record)
    assert written(tmp_path) == [received("A"), received("B")] and not record.waits


def test_what_is_never_written_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, log = FailingFiles(1, 5, always=True), _Log()
    monkeypatch.setattr(Recorder, "_log", log)
    record = recorder(tmp_path, files=files)
    files.armed = True
    record.tell(received("A"))
    flush(record)
    record.close()
    assert log.lines[-1] == "1 events of messages could not be written"


def test_two_flushes_have_their_turns_and_what_comes_meanwhile_stays(tmp_path: Path) -> None:
    waiting: list[tuple[Callable[[], None], Deferred[None]]] = []

    def run(work: Callable[[], None]) -> Deferred[None]:
        waiting.append((work, Deferred()))
        return waiting[-1][1]

    record = Recorder(tmp_path, size=1 << 20, keep=1e9, clock=Time(), run=run)
    done: list[int] = []
    record.tell(received("A"))
    Deferred.fromCoroutine(record.flush()).addCallback(lambda _: done.append(1))
    record.tell(received("B"))
    Deferred.fromCoroutine(record.flush()).addCallback(lambda _: done.append(2))
    for number in (1, 2):
        assert len(waiting) == 1
        work, ended = waiting.pop()
        work()
        assert written(tmp_path) == [received("A"), received("B")][:number]
        ended.callback(None)
        assert done == [1, 2][:number]
