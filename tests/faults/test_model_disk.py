"""The disk in memory does what the kernel's does, and loses what it may lose."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from mailbox_d.store.files import FileSystem
from tests.faults.model_disk import Model, ModelDisk, Torn, paths

SAME = {"ENOTDIR": "ENOENT"}
"""Where two faults are to be told of, which one comes first is all the same."""

NAMES = [b"/a", b"/b", b"/c", b"/d", b"/d/a", b"/d/b", b"/e", b"/e/d"]


def do(files: FileSystem, root: bytes, seed: int) -> list[str]:
    """Random operations, always the same; what each of them gave."""
    chance = random.Random(seed)
    return [_do_one(files, root, chance, number) for number in range(60)]


def _do_one(files: FileSystem, root: bytes, chance: random.Random, number: int) -> str:
    one, two = root + chance.choice(NAMES), root + chance.choice(NAMES)
    name = chance.choice(
        ["write", "write", "append", "rename", "rename_new", "link", "unlink", "mkdir", "mkdir", "rmdir", "names"]
    )
    try:
        if name in ("rename", "rename_new", "link"):
            getattr(files, name)(one, two)
        elif name in ("write", "append"):
            _write(files, one, b"%d" % number, os.O_EXCL if name == "write" else os.O_APPEND)
        elif name == "names":
            return f"{name} {sorted(files.names(one))} {sorted(files.directories(one))}"
        else:
            getattr(files, name)(one)
    except OSError as error:
        code = errno.errorcode[error.errno or 0]
        return f"{name} {os.fsdecode(one[len(root) :])} {os.fsdecode(two[len(root) :])} {SAME.get(code, code)}"
    return f"{name} {os.fsdecode(one[len(root) :])} {os.fsdecode(two[len(root) :])} done"


def _write(files: FileSystem, path: bytes, content: bytes, flag: int) -> None:
    descriptor = files.open(path, os.O_WRONLY | os.O_CREAT | flag)
    try:
        files.write(descriptor, content)
    finally:
        files.close(descriptor)


def files_below(root: Path) -> dict[str, bytes]:
    return {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", range(40))
def test_it_does_what_the_kernel_does(tmp_path: Path, seed: int) -> None:
    disk = ModelDisk()
    disk.mkdir(b"/root")
    model, kernel = do(disk, b"/root", seed), do(FileSystem(), os.fsencode(tmp_path), seed)
    assert [pair for pair in zip(model, kernel, strict=True) if pair[0] != pair[1]] == []
    below = {f"/root{path}".encode(): octets for path, octets in files_below(tmp_path).items()}
    assert found(disk, set()) == below


def disk_with_a_file() -> ModelDisk:
    """`/t/f` was written and synced, renamed to `/n/f`, and nothing was synced after."""
    before = ModelDisk()
    before.mkdir(b"/t")
    before.mkdir(b"/n")
    disk = ModelDisk(before.nodes)
    descriptor = disk.open(b"/t/f", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    disk.write(descriptor, b"octets")
    disk.fsync(descriptor)
    disk.rename(b"/t/f", b"/n/f")
    return disk


def found(
    disk: ModelDisk, lost: set[int], model: Model = Model.UNORDERED, torn: Torn = Torn.NOTHING
) -> dict[bytes, bytes]:
    tree = disk.after_power_loss(len(disk.journal), lost, model, torn)
    return {path: bytes(node.octets) for path, node in paths(tree) if not node.is_directory}


def test_a_name_is_safe_once_its_directory_was_synced() -> None:
    disk = disk_with_a_file()
    assert disk.pending(4, Model.UNORDERED) == [0, 3, ~3]
    assert found(disk, {3, ~3}) == {b"/t/f": b"octets"}
    assert found(disk, {0, 3, ~3}) == {}
    assert found(disk, {~3}) == {b"/t/f": b"octets", b"/n/f": b"octets"}
    disk.fsync_directory(b"/n")
    assert disk.pending(5, Model.UNORDERED) == [0, ~3]
    assert disk.pending(5, Model.ORDERED) == [0]
    assert found(disk, {0}, Model.ORDERED) == {b"/n/f": b"octets"}


def test_a_directory_s_journal_has_no_later_change_without_the_earlier_ones() -> None:
    disk = disk_with_a_file()
    assert found(disk, {0}, Model.ORDERED) == {}
    assert found(disk, {0}, Model.UNORDERED) == {b"/n/f": b"octets"}


@pytest.mark.parametrize(
    ("torn", "octets"), [(Torn.NOTHING, b"old"), (Torn.HALF, b"oldmo"), (Torn.ZEROS, b"old\0\0\0\0")]
)
def test_octets_that_were_not_synced_are_lost_or_torn(torn: Torn, octets: bytes) -> None:
    before = ModelDisk()
    _write(before, b"/f", b"old", os.O_EXCL)
    disk = ModelDisk(before.nodes)
    _write(disk, b"/f", b"more", os.O_APPEND)
    assert found(disk, {0}, torn=torn) == {b"/f": octets}
    assert found(disk, set(), torn=torn) == {b"/f": b"oldmore"}
