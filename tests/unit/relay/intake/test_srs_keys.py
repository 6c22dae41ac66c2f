"""The file of the keys for rewritten senders."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mailbox_d.errors import StorageFault
from mailbox_d.relay.intake.srs_keys import parse_keys, read_or_make_keys
from mailbox_d.store.files import FileSystem


def test_a_key_is_made_once_for_the_daemon_alone(tmp_path: Path) -> None:
    path = tmp_path / "srs.key"
    made = read_or_make_keys(path)
    assert len(made) == 1
    assert len(made[0]) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_keys(path) == made
    assert [entry.name for entry in tmp_path.iterdir()] == ["srs.key"]


def test_the_keys_of_a_file_in_their_order() -> None:
    text = b"# new\nthe new key of this month \r\n\nshort\nthe key before that one\n"
    assert parse_keys(text) == (b"the new key of this month", b"the key before that one")


def test_a_key_that_somebody_else_made_meanwhile_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "srs.key"

    class Overtaken(FileSystem):
        def link(self, source: bytes, destination: bytes) -> None:
            path.write_bytes(b"a key that came before ours\n")
            super().link(source, destination)

    assert read_or_make_keys(path, Overtaken()) == (b"a key that came before ours",)
    assert [entry.name for entry in tmp_path.iterdir()] == ["srs.key"]


@pytest.mark.parametrize("content", [b"", b"short\n", b"# a comment alone, of some length\n", b"x" * 70_000])
def test_a_file_without_a_key_is_a_fault_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "srs.key"
    path.write_bytes(content)
    with pytest.raises(StorageFault):
        read_or_make_keys(path)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(StorageFault):
        read_or_make_keys(tmp_path / "state" / "srs.key")
