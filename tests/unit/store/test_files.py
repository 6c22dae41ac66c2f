"""What the store does with paths."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest

from mailbox_d.store import files as files_module
from mailbox_d.store.files import FileSystem, make_directories, parent


@pytest.mark.parametrize(("path", "above"), [(b"/srv/mail", b"/srv"), (b"/mail", b"/")])
def test_the_directory_above(path: bytes, above: bytes) -> None:
    assert parent(path) == above


def test_directories_are_made_durable_from_the_top(tmp_path: Path) -> None:
    done: list[tuple[str, bytes]] = []

    class Files(FileSystem):
        def mkdir(self, path: bytes) -> None:
            super().mkdir(path)
            done.append(("made", path))

        def fsync_directory(self, path: bytes) -> None:
            done.append(("durable", path))

    top = bytes(tmp_path)
    make_directories(Files(), top + b"/a/b")
    assert done == [("made", top + b"/a"), ("durable", top), ("made", top + b"/a/b"), ("durable", top + b"/a")]


@pytest.mark.parametrize("kernel", ["of today", "without the call", "with a file system that cannot"])
def test_a_rename_to_a_name_that_something_has_destroys_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    if kernel == "without the call":
        monkeypatch.setattr(files_module, "_renameat2", None)
    elif kernel == "with a file system that cannot":
        monkeypatch.setattr(files_module, "_renameat2", lambda *_: ctypes.set_errno(errno.EINVAL) or -1)
    one, other, free = tmp_path / "one", tmp_path / "other", tmp_path / "free"
    one.write_text("one")
    other.write_text("other")
    with pytest.raises(FileExistsError):
        FileSystem().rename_new(bytes(one), bytes(other))
    assert (one.read_text(), other.read_text()) == ("one", "other")
    FileSystem().rename_new(bytes(one), bytes(free))
    assert (one.exists(), free.read_text()) == (False, "one")
    with pytest.raises(FileNotFoundError):
        FileSystem().rename_new(bytes(one), bytes(tmp_path / "another"))
    with pytest.raises(OSError, match="too long"):
        FileSystem().rename_new(bytes(free), bytes(tmp_path / ("x" * 256)))


def test_each_name_of_a_directory_is_told_once(tmp_path: Path) -> None:
    names = {b"%d" % number for number in range(50)} | {b"\xff\n", b".hidden"}
    for name in names:
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).touch()
    told = list(FileSystem().each_name(bytes(tmp_path)))
    assert len(told) == len(names) and set(told) == names == set(FileSystem().names(bytes(tmp_path)))
