"""The record is written each second, sooner where it is much, and last of all when the daemon ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from mailbox_d.net.lanes import InlineLane
from mailbox_d.net.recording import INTERVAL, Recording
from mailbox_d.record.recorder import BATCH
from tests.unit.record.happenings import kept, received, recorder


def written(state: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in state.rglob("*.jsonl"))


def test_what_was_told_is_written_within_a_second(tmp_path: Path) -> None:
    clock, record = Clock(), recorder(tmp_path)
    recording = Recording(clock, record, InlineLane())
    recording.startService()
    for _ in range(3):
        clock.advance(INTERVAL)
    assert not (tmp_path / "record").exists()
    record.tell(received("A"))
    clock.advance(INTERVAL / 2)
    assert written(tmp_path) == 0
    clock.advance(INTERVAL / 2)
    assert written(tmp_path) == 1
    recording.stopService()


def test_much_is_written_at_once(tmp_path: Path) -> None:
    clock, record = Clock(), recorder(tmp_path)
    recording = Recording(clock, record, InlineLane())
    recording.startService()
    for _ in range(2 * BATCH // 200):
        record.tell(kept("A" * 100))
    assert written(tmp_path) > BATCH // 400 and clock.seconds() == 0
    recording.stopService()


def test_the_end_writes_what_is_left(tmp_path: Path) -> None:
    clock, record = Clock(), recorder(tmp_path)
    recording = Recording(clock, record, InlineLane())
    recording.startService()
    record.tell(received("A"))
    done: list[object] = []
    recording.stopService().addBoth(done.append)
    assert done == [None] and written(tmp_path) == 1
    assert clock.getDelayedCalls() == []


def test_a_fault_of_ours_ends_nothing(tmp_path: Path) -> None:
    clock, record = Clock(), recorder(tmp_path)
    failures: list[str] = []

    class Log:
        def failure(self, text: str, *_: Any) -> None:
            failures.append(text)

    async def broken(work: object) -> None:
        raise ZeroDivisionError

    recording = Recording(clock, record, InlineLane())
    recording._log = Log()  # type: ignore[assignment]
    recording.startService()
    record.tell(received("A"))
    mended, record._run = record._run, broken
    clock.advance(INTERVAL)
    record._run = mended
    clock.advance(INTERVAL)
    assert len(failures) == 1 and written(tmp_path) == 1
    recording.stopService()
