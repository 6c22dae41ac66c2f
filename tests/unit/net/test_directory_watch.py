"""Directories under inotify: one call for each watch, whatever happens afterwards, and none without a kernel."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mailbox_d.net import directory_watch
from mailbox_d.net.directory_watch import DirectoryWatch


class Reactor(Clock):
    """Takes note of who is to be read from; time passes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[object] = []

    def addReader(self, reader: object) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: object) -> None:
        self.readers.remove(reader)


class KernelWithoutWatches:
    def inotify_add_watch(self, *_: object) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1


class KernelWithoutInstances:
    """One whose user has used them up, until they are given back."""

    def __init__(self, real: ctypes.CDLL) -> None:
        self.real = real
        self.is_short = True

    def inotify_init1(self, flags: int) -> int:
        if not self.is_short:
            return int(self.real.inotify_init1(flags))
        ctypes.set_errno(errno.EMFILE)
        return -1

    def inotify_add_watch(self, *arguments: object) -> int:
        return int(self.real.inotify_add_watch(*arguments))


class Listener:
    def __init__(self) -> None:
        self.count = 0

    def touched(self) -> None:
        self.count += 1


@pytest.fixture
def watch() -> Iterator[DirectoryWatch]:
    watch = DirectoryWatch(Reactor())
    watch.startService()
    yield watch
    if watch.running:
        watch.stopService()


@pytest.fixture
def listener() -> Listener:
    return Listener()


def arm(watch: DirectoryWatch, listener: Listener, *directories: Path) -> bool:
    return watch.arm([os.fsencode(each) for each in directories], listener.touched)


def test_nothing_is_told_of_a_directory_in_which_nothing_happens(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path
) -> None:
    assert arm(watch, listener, tmp_path)
    watch.settle()
    os.listdir(tmp_path)
    watch.settle()
    assert listener.count == 0


@pytest.mark.parametrize("change", ["made", "renamed", "renamed_away", "renamed_in", "removed", "linked"])
def test_a_change_is_told_as_soon_as_it_is_made(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path, change: str
) -> None:
    watched, elsewhere = tmp_path / "cur", tmp_path / "tmp"
    watched.mkdir()
    elsewhere.mkdir()
    (watched / "there").touch()
    (elsewhere / "staged").touch()
    assert arm(watch, listener, watched)
    match change:
        case "made":
            (watched / "another").touch()
        case "renamed":
            (watched / "there").rename(watched / "there:2,S")
        case "renamed_away":
            (watched / "there").rename(elsewhere / "there")
        case "renamed_in":
            (elsewhere / "staged").rename(watched / "staged")
        case "removed":
            (watched / "there").unlink()
        case "linked":
            (watched / "link").hardlink_to(elsewhere / "staged")
    watch.settle()
    assert listener.count == 1


def test_however_much_happens_is_told_once_until_it_is_watched_again(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path
) -> None:
    arm(watch, listener, tmp_path)
    for number in range(50):
        (tmp_path / str(number)).touch()
    watch.settle()
    assert listener.count == 1
    arm(watch, listener, tmp_path)
    watch.settle()
    assert listener.count == 1
    (tmp_path / "later").touch()
    watch.settle()
    assert listener.count == 2


def test_watching_what_is_watched_already_tells_of_one_change_once(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path
) -> None:
    arm(watch, listener, tmp_path)
    arm(watch, listener, tmp_path)
    (tmp_path / "new").touch()
    watch.settle()
    assert listener.count == 1


def test_the_end_of_a_directory_is_told_and_leaves_the_others_watched(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path
) -> None:
    ended, stays = tmp_path / "ended", tmp_path / "stays"
    ended.mkdir()
    stays.mkdir()
    other = Listener()
    arm(watch, listener, ended)
    arm(watch, other, stays)
    ended.rmdir()
    watch.settle()
    assert (listener.count, other.count) == (1, 0)
    (stays / "new").touch()
    watch.settle()
    assert other.count == 1


@pytest.mark.parametrize("kind", ["missing", "a file", "a link"])
def test_what_is_no_directory_is_not_watched(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "it"
    if kind == "a file":
        path.touch()
    elif kind == "a link":
        path.symlink_to(tmp_path)
    assert not arm(watch, listener, tmp_path, path)


def test_a_queue_that_ran_over_is_told_to_all(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm(watch, listener, tmp_path)
    overflow = directory_watch._EVENT.pack(-1, 0x4000, 0, 0)
    monkeypatch.setattr(directory_watch.os, "read", lambda *_: overflow)
    watch.settle()
    assert listener.count == 1


def test_who_is_forgotten_is_not_told_and_leaves_nothing_behind(watch: DirectoryWatch, tmp_path: Path) -> None:
    for number in range(20):
        directory = tmp_path / str(number)
        directory.mkdir()
        arm(watch, Listener(), directory)
    gc.collect()
    kept = Listener()
    arm(watch, kept, tmp_path)
    assert watch.watches == 1
    (tmp_path / "new").touch()
    watch.settle()
    assert kept.count == 1


def test_all_are_told_who_watch_one_directory_under_whatever_names(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path
) -> None:
    (tmp_path / "there/new").mkdir(parents=True)
    (tmp_path / "here").symlink_to("there")
    other = Listener()
    for _ in range(2):
        arm(watch, listener, tmp_path / "here/new")
        arm(watch, other, tmp_path / "there/new")
    (tmp_path / "there/new/message").touch()
    watch.settle()
    assert (listener.count, other.count, watch.watches) == (1, 1, 0)


def test_one_who_is_forgotten_takes_no_watch_from_one_who_came_later(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path
) -> None:
    earlier = Listener()
    arm(watch, earlier, tmp_path)
    arm(watch, listener, tmp_path)
    del earlier
    gc.collect()
    (tmp_path / "another").mkdir()
    watch.settle()
    assert listener.count == 1


def test_before_the_daemon_runs_and_behind_it_nobody_watches(listener: Listener, tmp_path: Path) -> None:
    watch = DirectoryWatch(Reactor())
    assert not arm(watch, listener, tmp_path)
    watch.settle()
    watch.startService()
    assert arm(watch, listener, tmp_path)
    watch.stopService()
    assert listener.count == 1, "who relied on the watch is told that it has ended"
    assert not arm(watch, listener, tmp_path)
    watch.settle()


def test_a_kernel_without_watches_is_complained_of_once(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_watch, "_libc", KernelWithoutWatches())
    with capturedLogs() as told:
        assert not arm(watch, listener, tmp_path)
        assert not arm(watch, listener, tmp_path)
    assert len(told) == 1
    assert "max_user_watches" in told[0]["log_format"]


def test_a_kernel_without_instances_is_asked_again(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = KernelWithoutInstances(directory_watch._libc)
    monkeypatch.setattr(directory_watch, "_libc", kernel)
    reactor = Reactor()
    watch = DirectoryWatch(reactor)
    with capturedLogs() as told:
        watch.startService()
        reactor.pump([10, 10])
        assert not arm(watch, listener, tmp_path)
    assert len(told) == 1
    kernel.is_short = False
    reactor.advance(10)
    assert arm(watch, listener, tmp_path)
    (tmp_path / "new").touch()
    watch.settle()
    assert listener.count == 1
    watch.stopService()
    assert reactor.getDelayedCalls() == []


def test_a_kernel_without_instances_is_not_asked_by_a_daemon_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_watch, "_libc", KernelWithoutInstances(directory_watch._libc))
    reactor = Reactor()
    watch = DirectoryWatch(reactor)
    watch.startService()
    watch.stopService()
    assert reactor.getDelayedCalls() == []


def test_nobody_waits_for_one_who_watches_a_slow_disk(
    watch: DirectoryWatch, listener: Listener, tmp_path: Path
) -> None:
    arm(watch, listener, tmp_path)
    (tmp_path / "new").touch()
    with watch._guard:
        assert not watch.settle()
    assert listener.count == 0
    assert watch.settle()
    assert listener.count == 1
