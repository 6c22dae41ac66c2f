"""When a folder is looked at again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.files import FileSystem
from mailbox_d.store.folder import Folder
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.marks import LookTimes, Marks
from tests.faults.store_files import RecordingFiles


class Clock:
    """A time that passes when it is told to; `wall` counts from 1970, and is ahead of the kernel's: what that notes of
    its own accord is long ago."""

    def __init__(self) -> None:
        self.wall = time.time() + 1000.0
        self.running = 5.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.running += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def marks(tmp_path: Path, clock: Clock) -> Marks:
    for part in ("cur", "new", "tmp"):
        (tmp_path / part).mkdir()
        os.utime(tmp_path / part, (clock.wall - 100, clock.wall - 100))
    folder = Folder(os.fsencode(tmp_path))
    marks = Marks(FileSystem(), folder, LookTimes(), lambda: clock.wall, lambda: clock.running)
    marks.stamp(marks.look())
    return marks


def touch(tmp_path: Path, part: str, clock: Clock) -> None:
    os.utime(tmp_path / part, (clock.wall, clock.wall))


def test_a_folder_at_rest_is_not_looked_at_again(marks: Marks, clock: Clock) -> None:
    clock.pass_by(10)
    assert not marks.is_due()
    assert marks.look() == marks.last


def test_a_folder_that_just_changed_is_looked_at_once_more(marks: Marks, clock: Clock, tmp_path: Path) -> None:
    touch(tmp_path, "cur", clock)
    marks.stamp(marks.look())
    assert not marks.is_due()
    clock.pass_by(2)
    assert marks.is_due()
    marks.stamp(marks.look())
    assert not marks.is_due()


def test_what_another_program_did_during_a_long_change_of_ours_is_looked_for(
    marks: Marks, clock: Clock, tmp_path: Path
) -> None:
    touch(tmp_path, "cur", clock)
    clock.pass_by(30)
    marks.stamp_own()
    clock.pass_by(2)
    assert marks.is_due()


@pytest.mark.parametrize("part", ["new", "cur"])
def test_a_folder_that_just_changed_is_looked_at_once_more_however_long_its_reading_takes(
    marks: Marks, clock: Clock, tmp_path: Path, part: str
) -> None:
    """As on a disk that takes long to make the list durable: what came meanwhile may have come in the same moment."""
    touch(tmp_path, part, clock)
    seen = marks.look()
    clock.pass_by(1.5)
    marks.stamp(seen)
    assert marks.is_doubtful()
    clock.pass_by(2)
    assert marks.is_due() or marks.look() != marks.last


def test_a_change_whose_time_was_set_back_is_young(marks: Marks, clock: Clock, tmp_path: Path) -> None:
    """As `rsync -t` leaves a directory: another change may have come in the same moment."""
    (tmp_path / "cur" / "1700000000.M1P1.h:2,").touch()
    os.utime(tmp_path / "cur", (1, 1))
    clock.wall = (tmp_path / "cur").stat().st_ctime + 0.5
    marks.stamp(marks.look())
    clock.pass_by(2)
    assert marks.is_due()


@pytest.mark.parametrize(("changes", "shows"), [(None, False), ("new", True), ("cur", True)])
def test_a_change_since_a_look_shows(
    marks: Marks, clock: Clock, tmp_path: Path, changes: str | None, shows: bool
) -> None:
    seen = marks.look()
    clock.pass_by(10)
    if changes is not None:
        touch(tmp_path, changes, clock)
    assert marks.may_have_changed(seen) is shows


@pytest.mark.parametrize(("age", "may"), [(0.0, True), (0.01, True), (0.5, False)])
def test_a_change_since_a_look_may_not_show_where_another_one_was_just_before(
    marks: Marks, clock: Clock, tmp_path: Path, age: float, may: bool
) -> None:
    touch(tmp_path, "cur", clock)
    clock.pass_by(age)
    seen = marks.look()
    clock.pass_by(30)
    assert marks.may_have_changed(seen) is may


def test_a_change_that_changed_nothing_costs_no_look(marks: Marks, clock: Clock) -> None:
    marks.stamp_own()
    clock.pass_by(2)
    assert not marks.is_due()


def test_a_delivery_during_a_change_of_ours_is_found(marks: Marks, clock: Clock, tmp_path: Path) -> None:
    touch(tmp_path, "new", clock)
    marks.stamp_own()
    assert marks.look() != marks.last


def test_a_second_look_is_not_put_off_by_changes_of_ours_nor_by_deliveries(
    marks: Marks, clock: Clock, tmp_path: Path
) -> None:
    touch(tmp_path, "cur", clock)
    marks.stamp(marks.look())
    clock.pass_by(1.5)
    marks.stamp_own()
    touch(tmp_path, "new", clock)
    marks.stamp(marks.look(), whole=False)
    clock.pass_by(0.5)
    assert marks.is_due()


def test_where_mail_comes_all_the_time_new_alone_is_looked_at_again(marks: Marks, clock: Clock, tmp_path: Path) -> None:
    for _ in range(40):
        touch(tmp_path, "new", clock)
        marks.stamp(marks.look(), whole=False)
        clock.pass_by(0.1)
        assert not marks.is_due() and marks.look() == marks.last and marks.is_doubtful()
    clock.pass_by(2)
    assert not marks.is_due() and marks.look() != marks.last, "something may have come with the last one"
    marks.stamp(marks.look(), whole=False)
    assert marks.look() == marks.last and not marks.is_doubtful()


def test_deliveries_of_others_have_new_read_alone(tmp_path: Path) -> None:
    files = RecordingFiles()
    ahead = Clock().wall
    settings = StoreSettings(looks=LookTimes(again=0.0))
    store = MaildirStore(tmp_path, files=files, settings=settings, clock=lambda: ahead)
    maildir = tmp_path / "example.org/ann/Maildir"
    store.account(EmailAddress("ann", "example.org"))
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
        os.utime(maildir / part, (1, 1))
    mailbox = store.account(EmailAddress("ann", "example.org")).open("INBOX")
    files.calls.clear()
    for number in range(5):
        (maildir / f"new/170000000{number}.M1P1.h,S=0,W=0").touch()
        os.utime(maildir / "new", (ahead, ahead - 0.5 + number / 100))
        for _ in range(3):
            mailbox.refresh()
        assert len(mailbox.messages()) == number + 1
    read = [call.path.rpartition("/")[2] for call in files.calls if call.operation == "names"]
    assert "new" in read and "cur" not in read


def test_a_change_shows_though_its_time_was_set_back(marks: Marks, tmp_path: Path, clock: Clock) -> None:
    """As `rsync -t` and `tar` leave a directory."""
    before = (tmp_path / "cur").stat()
    (tmp_path / "cur" / "1700000000.M1P1.h:2,").touch()
    os.utime(tmp_path / "cur", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (tmp_path / "cur").stat().st_mtime_ns == before.st_mtime_ns
    assert marks.look().cur != marks.last.cur
