"""What the store does with paths."""

from __future__ import annotations

from pathlib import Path

import pytest

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
