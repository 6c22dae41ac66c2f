"""dovecot-uidlist.lock: taken, held, broken only when nobody can be holding it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mailbox_d.errors import MailboxBusy
from mailbox_d.store.boot import boot_id, process_start
from mailbox_d.store.dotlock import Dotlock, FolderLocks, LockTimes
from mailbox_d.store.files import FileSystem
from mailbox_d.store.folder import Folder
from mailbox_d.store.lock_owner import own_words

HOST = socket.gethostname()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    for part in ("cur", "new", "tmp"):
        (tmp_path / part).mkdir()
    return Folder(bytes(tmp_path))


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "dovecot-uidlist.lock"


def locks(**options: object) -> FolderLocks:
    return FolderLocks(FileSystem(), **options)  # type: ignore[arg-type]


def leave(lock: Path, owner: str, age: float) -> None:
    lock.write_text(owner)
    os.utime(lock, (time.time() - age,) * 2)


def dead_process() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def life_of(process: int, boot: str = "") -> str:
    return f"{boot or boot_id().decode()} {process_start(process)}\n"


def take(folder: Folder) -> None:
    with locks().hold(folder):
        pass


def assert_busy_for_good(folder: Folder) -> None:
    for _ in range(3):
        with pytest.raises(MailboxBusy):
            take(folder)


def assert_broken(folder: Folder) -> None:
    """The first to find a stale lock removes it and comes back: another one may be taking it at the same time."""
    with pytest.raises(MailboxBusy):
        take(folder)
    take(folder)


def test_the_lock_says_who_holds_it(folder: Folder, lock: Path) -> None:
    with locks().hold(folder):
        said = lock.read_bytes()
        assert said == own_words()
        as_dovecot_reads_it, _, life = said.partition(b"\0")
        assert as_dovecot_reads_it.decode() == f"{os.getpid()}:{HOST}"
        assert life == life_of(os.getpid()).encode()
    assert not lock.exists()


def test_the_lock_is_released_when_the_work_fails(folder: Folder, lock: Path) -> None:
    with pytest.raises(ZeroDivisionError), locks().hold(folder):
        raise ZeroDivisionError
    assert not lock.exists()


def test_a_lock_held_by_a_living_process_is_never_broken(folder: Folder, lock: Path) -> None:
    leave(lock, f"{os.getppid()}:{HOST}", age=100_000)
    assert_busy_for_good(folder)


def test_a_lock_of_a_dead_process_is_broken(folder: Folder, lock: Path) -> None:
    leave(lock, f"{dead_process()}:{HOST}", age=10)
    assert_broken(folder)


def test_a_young_lock_of_a_dead_process_is_let_be(folder: Folder, lock: Path) -> None:
    leave(lock, f"{dead_process()}:{HOST}", age=0)
    assert_busy_for_good(folder)


def test_a_lock_left_by_an_earlier_process_with_our_number_is_broken(folder: Folder, lock: Path) -> None:
    leave(lock, f"{os.getpid()}:{HOST}", age=100_000)
    assert_broken(folder)


OTHER_BOOT = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize("process", [os.getppid(), os.getpid()], ids=["parent", "this"])
def test_a_lock_that_outlived_a_boot_is_broken_though_its_number_is_used_again(
    folder: Folder, lock: Path, process: int
) -> None:
    leave(lock, f"{process}:{HOST}\0{life_of(process, OTHER_BOOT)}", age=10)
    assert_broken(folder)


def test_a_lock_of_a_dead_process_whose_number_is_used_again_is_broken(folder: Folder, lock: Path) -> None:
    leave(lock, f"{os.getppid()}:{HOST}\0{boot_id().decode()} {(process_start(os.getppid()) or 0) + 1}\n", age=10)
    assert_broken(folder)


@pytest.mark.parametrize("process", [os.getppid(), os.getpid()], ids=["parent", "this"])
@pytest.mark.parametrize("age", [10, 100_000, -100_000])
def test_a_lock_that_tells_of_a_life_that_goes_on_is_never_broken(
    folder: Folder, lock: Path, process: int, age: int
) -> None:
    leave(lock, f"{process}:{HOST}\0{life_of(process)}", age=age)
    assert_busy_for_good(folder)


@pytest.mark.parametrize("octets", [1, 10, -1])
def test_a_lock_that_was_not_written_whole_is_a_silent_owner_s(folder: Folder, lock: Path, octets: int) -> None:
    """Of a full disk, or of a power cut, after which another process may have the number."""
    cut = f"{os.getppid()}:{HOST}\0{life_of(os.getppid())[:octets]}"
    leave(lock, cut, age=60)
    assert_busy_for_good(folder)
    leave(lock, cut, age=130)
    assert_broken(folder)


@pytest.mark.parametrize("owner", ["1:elsewhere.example", "", "junk", "1234"])
def test_a_silent_owner_s_lock_is_broken_after_two_minutes_without_a_change(
    folder: Folder, lock: Path, tmp_path: Path, owner: str
) -> None:
    leave(lock, owner, age=60)
    assert_busy_for_good(folder)
    leave(lock, owner, age=130)
    (tmp_path / "dovecot-uidlist").touch()
    assert_busy_for_good(folder)
    os.utime(tmp_path / "dovecot-uidlist", (1, 1))
    assert_broken(folder)


@pytest.mark.parametrize("owner", ["dead", "ours", "silent"])
def test_fault_15_a_lock_left_before_the_clock_was_set_back_is_broken(folder: Folder, lock: Path, owner: str) -> None:
    process = {"dead": dead_process(), "ours": os.getpid(), "silent": ""}[owner]
    leave(lock, f"{process}:{HOST}", age=-3600)
    assert_broken(folder)


def test_a_lock_that_was_taken_away_is_noticed_and_the_new_one_kept(folder: Folder, lock: Path) -> None:
    with locks().hold(folder) as held:
        lock.rename(lock.with_suffix(".old"))
        lock.write_text("other")
        with pytest.raises(MailboxBusy):
            held.check()
    assert lock.read_text() == "other"


@pytest.mark.parametrize("looks", [False, True])
def test_a_lock_that_went_along_with_its_folder_is_removed_where_it_went(tmp_path: Path, looks: bool) -> None:
    """Its owner lives, so nobody else would ever break it."""
    for part in ("tmp", "cur", "new"):
        (tmp_path / ".Archive" / part).mkdir(parents=True)
    (tmp_path / ".Other").mkdir()
    (tmp_path / ".Other/dovecot-uidlist.lock").write_text("another's")
    with suppress(MailboxBusy), locks().hold(Folder(bytes(tmp_path), b".Archive")) as held:
        (tmp_path / ".Archive").rename(tmp_path / ".Renamed")
        if looks:
            held.check()
    assert list(tmp_path.glob(".*/*.lock")) == [tmp_path / ".Other/dovecot-uidlist.lock"]


class Renaming(FileSystem):
    """A folder is renamed to and fro by another program, `turns` times, each time between two of our looks."""

    def __init__(self, maildir: Path, turns: int) -> None:
        self.names = [maildir / ".Archive", maildir / ".Renamed"]
        self.turns = turns
        self.is_releasing = False

    def directories(self, directory: bytes) -> list[bytes]:
        found = super().directories(directory)
        self._rename()
        return found

    def lstat(self, path: bytes) -> os.stat_result:
        if self.is_releasing and path.endswith(b".lock"):
            self._rename()
        return super().lstat(path)

    def _rename(self) -> None:
        if self.turns:
            self.turns -= 1
            now, then = self.names
            now.rename(then)
            self.names = [then, now]


@pytest.mark.parametrize("turns", [*range(12), 100])
def test_a_lock_whose_folder_is_renamed_to_and_fro_is_removed_in_the_end(tmp_path: Path, turns: int) -> None:
    """However often it was elsewhere when it was looked for."""
    for part in ("tmp", "cur", "new"):
        (tmp_path / ".Archive" / part).mkdir(parents=True)
        (tmp_path / ".Other" / part).mkdir(parents=True)
    files = Renaming(tmp_path, turns)
    table = FolderLocks(files)
    descriptors = len(os.listdir("/proc/self/fd"))
    with table.hold(Folder(bytes(tmp_path), b".Archive")):
        files.is_releasing = True
    files.turns = min(files.turns, 1)
    for _ in range(2):
        with table.hold(Folder(bytes(tmp_path), b".Other")):
            pass
    assert list(tmp_path.rglob("*.lock")) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_long_holder_says_that_it_lives(folder: Folder, lock: Path) -> None:
    now = [1000.0]
    with locks(clock=lambda: now[0]).hold(folder) as held:
        os.utime(lock, (1, 1))
        held.check()
        assert lock.stat().st_mtime == 1
        now[0] += 11
        held.check()
        assert lock.stat().st_mtime == 1011


def test_threads_of_one_process_take_turns(folder: Folder) -> None:
    table = locks(times=LockTimes(patience=30))
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(50):
            with table.hold(folder):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 200
    assert max(most) == 1


def test_a_thread_does_not_wait_for_ever_for_another(folder: Folder) -> None:
    table = locks(times=LockTimes(patience=0.01))
    with table.hold(folder), pytest.raises(MailboxBusy), table.hold(folder):
        pass


def test_the_lock_names_its_owner_from_the_first_moment_and_leaves_no_claim(folder: Folder, lock: Path) -> None:
    seen: list[bytes] = []

    class Watching(FileSystem):
        def link(self, source: bytes, destination: bytes) -> None:
            assert not lock.exists()
            super().link(source, destination)
            seen.append(lock.read_bytes())

    with FolderLocks(Watching()).hold(folder):
        assert seen == [own_words()]
        assert os.listdir(folder.tmp) == []


class TwoBreakers(FileSystem):
    """Another one that has found the same lock stale acts before one of the first one's steps."""

    def __init__(self, number: int, other: Callable[[], None]) -> None:
        self.steps = 0
        self.number = number
        self.other = other

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.number:
            self.other()

    def lstat(self, path: bytes) -> os.stat_result:
        self.step()
        return super().lstat(path)

    def open(self, path: bytes, flags: int) -> int:
        self.step()
        return super().open(path, flags)

    def try_lock(self, descriptor: int) -> bool:
        self.step()
        return super().try_lock(descriptor)

    def unlink(self, path: bytes) -> None:
        self.step()
        super().unlink(path)


@pytest.mark.parametrize("number", range(1, 20))
def test_of_two_that_break_a_lock_none_removes_what_the_other_one_made(folder: Folder, lock: Path, number: int) -> None:
    leave(lock, f"{dead_process()}:{HOST}", age=10)
    others: list[Dotlock] = []
    with ExitStack() as held:

        def break_and_take() -> None:
            with suppress(MailboxBusy):
                take(folder)
            with suppress(MailboxBusy):
                others.append(held.enter_context(locks().hold(folder)))

        with suppress(MailboxBusy), FolderLocks(TwoBreakers(number, break_and_take)).hold(folder):
            assert not others
        for other in others:
            other.check()
    with suppress(MailboxBusy):
        take(folder)
    take(folder)


def test_who_finds_that_another_one_is_breaking_a_lock_comes_back(folder: Folder, lock: Path) -> None:
    leave(lock, f"{dead_process()}:{HOST}", age=10)
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert_busy_for_good(folder)
    assert_broken(folder)


class StickyFiles(FileSystem):
    """Takes lock files, and will not have them removed."""

    sticks = True

    def unlink(self, path: bytes) -> None:
        if self.sticks and path.endswith(b"uidlist.lock"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        super().unlink(path)


def test_a_lock_that_a_read_only_disk_will_not_have_removed_is_no_program_s(folder: Folder, lock: Path) -> None:
    """Who is told of the disk can read without the lock; who is told of another program would wait for it."""
    files = StickyFiles()
    ours = FolderLocks(files)
    with ours.hold(folder):
        pass
    for locks_of_one in (ours, FolderLocks(files)):
        with pytest.raises(OSError, match="Read-only"), locks_of_one.hold(folder):
            pass
        leave(lock, f"{dead_process()}:{HOST}", age=10)
    files.sticks = False
    assert_broken(folder)
