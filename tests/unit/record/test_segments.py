"""The record's files: bounded in size and age, whatever comes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.record.segments import SEGMENT_AGE, Segments, segments_of
from mailbox_d.store.files import FileSystem
from tests.unit.record.happenings import NOON, Time

FILES = FileSystem()


def made(folder: Path, *, size: int = 8000, keep: float = 1e9, time: Time | None = None) -> Segments:
    return Segments(FILES, os.fsencode(folder), size=size, keep=keep, clock=time or Time())


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def test_what_is_added_stands_in_one_file_that_others_may_not_read(tmp_path: Path) -> None:
    segments = made(tmp_path / "a/b")
    segments.add(b"one\n")
    segments.add(b"two\n")
    (path,) = (tmp_path / "a/b").iterdir()
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.name == f"{int(NOON)}000000.jsonl" and path.stat().st_mode & 0o777 == 0o600


def test_another_process_goes_on_with_the_newest_behind_a_torn_line(tmp_path: Path) -> None:
    first = made(tmp_path)
    first.add(b"one\n")
    first.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"one\ntor")
    made(tmp_path).add(b"two\n")
    assert contents(tmp_path) == [b"one\ntor\ntwo\n"]


def test_a_full_segment_is_followed_by_another_and_the_oldest_goes(tmp_path: Path) -> None:
    segments = made(tmp_path, size=8000)
    for number in range(20):
        segments.add(b"%d" % number * 400 + b"\n")
    kept = contents(tmp_path)
    assert kept[-1].startswith(b"19") and not any(content.startswith(b"0") for content in kept)
    assert 4000 < sum(map(len, kept)) <= 8000


def test_a_segment_of_a_day_is_followed_by_another_whatever_the_clock_does(tmp_path: Path) -> None:
    time = Time()
    segments = made(tmp_path, time=time)
    for step in (0, 1, SEGMENT_AGE, 1):
        time.now += step
        segments.add(b"x\n")
    assert contents(tmp_path) == [b"x\nx\n", b"x\nx\n"]
    time.now -= 1e6
    segments.add(b"1" * 990 + b"\n")
    segments.add(b"2" * 990 + b"\n")
    assert [content[:1] for content in contents(tmp_path)] == [b"x", b"x", b"2"]


def test_what_is_too_old_goes_but_never_the_newest(tmp_path: Path) -> None:
    time = Time()
    segments = made(tmp_path, keep=3 * SEGMENT_AGE, time=time)
    for day in range(10):
        time.now = NOON + day * (SEGMENT_AGE + 1)
        segments.add(b"%d\n" % day)
    assert contents(tmp_path) == [b"6\n", b"7\n", b"8\n", b"9\n"]
    time.now += 1e8
    segments.add(b"new\n")
    assert contents(tmp_path) == [b"9\n", b"new\n"]


def test_a_file_that_somebody_removed_is_not_written_to_for_long(tmp_path: Path) -> None:
    segments = made(tmp_path)
    segments.add(b"one\n")
    next(tmp_path.iterdir()).unlink()
    segments.add(b"two\n")
    segments.add(b"three\n")
    assert contents(tmp_path) == [b"three\n"]


def test_a_folder_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    segments = made(folder, size=8000)
    segments.add(b"1" * 999 + b"\n")
    next(folder.iterdir()).unlink()
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        segments.add(b"2" * 999 + b"\n")
    segments.add(b"3\n")
    assert contents(folder) == [b"3\n"]


def test_other_files_and_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("mine")
    link = tmp_path / f"{int(NOON) - 1}000000.jsonl"
    link.symlink_to(tmp_path / "notes.jsonl")
    (tmp_path / f"{int(NOON) - 2}000000.jsonl").mkdir()
    segments = made(tmp_path, keep=0)
    segments.add(b"x\n")
    segments.add(b"y" * 999 + b"\n")
    assert (tmp_path / "notes.jsonl").read_text() == "mine" and link.is_symlink()
    assert [segment.octets for segment in segments_of(FILES, os.fsencode(tmp_path))] == [2, 1000]


@given(
    size=st.integers(100, 5000),
    steps=st.lists(st.tuples(st.integers(1, 700), st.floats(-1e5, 2e5), st.booleans()), max_size=40),
)
def test_all_files_together_are_never_larger_than_they_may_be(
    tmp_path_factory: pytest.TempPathFactory, size: int, steps: list[tuple[int, float, bool]]
) -> None:
    folder, time = tmp_path_factory.mktemp("record"), Time()
    segments = made(folder, size=size, keep=SEGMENT_AGE, time=time)
    for octets, seconds, restarts in steps:
        time.now = max(1.0, time.now + seconds)
        if restarts:
            segments.close()
            segments = made(folder, size=size, keep=SEGMENT_AGE, time=time)
        line = b"x" * (min(octets, segments.at_once) - 1) + b"\n"
        segments.add(line)
        assert sum(map(len, contents(folder))) <= size
        assert contents(folder)[-1].endswith(line)
        assert len(segments_of(FILES, os.fsencode(folder))) == len(contents(folder))
    segments.close()
