"""The subscriptions file, in both forms."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailbox_d.errors import MailboxBusy, TooMuchKept
from mailbox_d.store.files import FileSystem
from mailbox_d.store.locked_file import Identity
from mailbox_d.store.subscriptions import SubscriptionsFile, parse, with_name

V2 = b"V\t2\n\nINBOX\nWork\tSub\nEntw&APw-rfe\n"
V1 = b"INBOX\nWork.Sub\nEntw&APw-rfe\n"


@pytest.mark.parametrize("content", [V1, V2])
def test_both_forms_are_read(content: bytes) -> None:
    assert parse(content) == ("INBOX", "Work/Sub", "Entwürfe")


@pytest.mark.parametrize(("content", "written"), [(V1, b"A.B\n"), (V2, b"A\tB\n")])
def test_the_form_is_kept(content: bytes, written: bytes) -> None:
    assert with_name(content, "A/B", subscribed=True) == content + written
    assert with_name(content + written, "A/B", subscribed=False) == content


def test_a_new_file_is_of_version_2() -> None:
    assert with_name(b"", "Ü/B", subscribed=True) == b"V\t2\n\n&ANw-\tB\n"


def test_lines_that_say_nothing_are_kept_and_not_told() -> None:
    content = b"V\t2\n\n&bad\nA\n\xff\xff\n"
    assert parse(content) == ("A",)
    assert with_name(content, "B", subscribed=True) == content + b"B\n"
    assert with_name(content, "A", subscribed=False) == b"V\t2\n\n&bad\n\xff\xff\n"


def test_a_name_is_there_once() -> None:
    once = with_name(b"", "A", subscribed=True)
    assert with_name(once, "A", subscribed=True) == once
    assert parse(b"a\na\ninbox\n") == ("a", "INBOX")
    assert parse(b"&ATE-nbox\ninbox\n") == ("\N{LATIN SMALL LETTER DOTLESS I}nbox", "INBOX")


def test_control_characters_are_unescaped() -> None:
    assert parse(b"V\t2\n\na\x011b\n") == ()
    assert parse(b"V\t2\n\na\x01\n") == ("a",)


def test_a_lock_that_another_program_holds_is_busy(tmp_path: Path) -> None:
    file = SubscriptionsFile(FileSystem(), bytes(tmp_path))
    file.change("A", subscribed=True)
    lock = tmp_path / "subscriptions.lock"
    lock.touch()
    with pytest.raises(MailboxBusy):
        file.change("B", subscribed=True)
    assert lock.exists()
    assert file.read() == ("A",)


@pytest.mark.parametrize("time", [1, 2**32], ids=["long ago", "before the clock was set back"])
def test_a_lock_left_behind_is_broken(tmp_path: Path, time: int) -> None:
    file = SubscriptionsFile(FileSystem(), bytes(tmp_path))
    lock = tmp_path / "subscriptions.lock"
    lock.touch()
    os.utime(lock, (time, time))
    with pytest.raises(MailboxBusy):
        file.change("B", subscribed=True)
    file.change("B", subscribed=True)
    assert file.read() == ("B",)
    assert not lock.exists()


class ReadOnlyFiles(FileSystem):
    """A disk that turns read-only as something is written."""

    def __init__(self) -> None:
        self.is_broken = True

    def write(self, descriptor: int, data: bytes) -> None:
        self._require_whole()
        super().write(descriptor, data)

    def unlink(self, path: bytes) -> None:
        self._require_whole()
        super().unlink(path)

    def _require_whole(self) -> None:
        if self.is_broken:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_lock_of_ours_that_the_disk_would_not_have_removed_keeps_no_later_session_out(tmp_path: Path) -> None:
    files, left_behind = ReadOnlyFiles(), set[Identity]()
    with pytest.raises(OSError, match="Read-only"):
        SubscriptionsFile(files, bytes(tmp_path), left_behind=left_behind).change("A", subscribed=True)
    files.is_broken = False
    later = SubscriptionsFile(files, bytes(tmp_path), left_behind=left_behind)
    with pytest.raises(MailboxBusy):
        later.change("A", subscribed=True)
    later.change("A", subscribed=True)
    assert later.read() == ("A",)
    assert left_behind == set()


def limited(tmp_path: Path, octets_max: int) -> SubscriptionsFile:
    return SubscriptionsFile(FileSystem(), bytes(tmp_path), octets_max=octets_max)


def test_no_more_is_subscribed_to_than_can_be_read_again(tmp_path: Path) -> None:
    file = limited(tmp_path, len(b"V\t2\n\n") + 20)
    for name in ("abcd", "efgh", "ijkl", "mnop"):
        file.change(name, subscribed=True)
    for _ in range(2):
        with pytest.raises(TooMuchKept):
            file.change("x", subscribed=True)
        assert file.read() == ("abcd", "efgh", "ijkl", "mnop")
        assert [path.name for path in tmp_path.iterdir()] == ["subscriptions"]
    file.change("efgh", subscribed=False)
    file.change("x", subscribed=True)
    assert file.read() == ("abcd", "ijkl", "mnop", "x")
    file.change("abcd", subscribed=True)


@pytest.mark.parametrize("header", [b"V\t2\n\n", b""], ids=["version 2", "version 1"])
def test_a_file_that_another_program_made_too_long_is_told_in_part_and_can_be_mended(
    tmp_path: Path, header: bytes
) -> None:
    names = [f"name{number:03}" for number in range(100)]
    written = header + b"".join(name.encode() + b"\n" for name in names)
    (tmp_path / "subscriptions").write_bytes(written)
    file = limited(tmp_path, 100)
    left = list(names)
    while len(written) > 100:
        told = list(file.read())
        assert told == left[: len(told)]
        assert len(told) > 10
        with pytest.raises(TooMuchKept):
            file.change("more", subscribed=True)
        file.change(told[0], subscribed=False)
        left.remove(told[0])
        written = (tmp_path / "subscriptions").read_bytes()
        assert written == header + b"".join(name.encode() + b"\n" for name in left)
    assert list(file.read()) == left


def test_a_single_endless_line_is_told_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "subscriptions").write_bytes(b"x" * 1000)
    file = limited(tmp_path, 100)
    assert file.read() == ()
    for subscribed in (True, False):
        with pytest.raises(TooMuchKept):
            file.change("x", subscribed=subscribed)
    assert (tmp_path / "subscriptions").read_bytes() == b"x" * 1000
