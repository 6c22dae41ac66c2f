"""A small file is the old one or the new one, whichever step of its replacing fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mailbox_d.store.files import FileSystem
from mailbox_d.store.state_file import replace_file


class FailsAt(FileSystem):
    """Fails at one kind of step, and notes all."""

    def __init__(self, step: str = "") -> None:
        self.step = step
        self.done: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        kept = super().__getattribute__(name)
        if name not in ("write", "fsync", "rename", "fsync_directory"):
            return kept

        def step(*args: Any) -> Any:
            if name == self.step:
                raise OSError(5, "Input/output error")
            self.done.append(name)
            return kept(*args)

        return step


@pytest.mark.parametrize("step", ["write", "fsync", "rename", "fsync_directory"])
def test_a_step_that_fails(tmp_path: Path, step: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="Input/output"):
        replace_file(FailsAt(step), os.fsencode(path), b"new")
    assert path.read_bytes() == (b"new" if step == "fsync_directory" else b"old")
    assert os.listdir(tmp_path) == ["file"]


def test_content_is_durable_before_its_name(tmp_path: Path) -> None:
    files = FailsAt()
    (tmp_path / "file~").write_bytes(b"left by a crash")
    replace_file(files, os.fsencode(tmp_path / "file"), b"new")
    assert files.done == ["write", "fsync", "rename", "fsync_directory"]
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
