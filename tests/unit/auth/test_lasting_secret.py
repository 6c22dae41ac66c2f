"""A secret that is the same after a restart, whatever else is in its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from mailbox_d.auth.lasting_secret import FILE_NAME, LastingSecret
from mailbox_d.net.kept_state import KeptState
from tests.unit.relay.at_once import at_once, done


def started(folder: Path) -> tuple[LastingSecret, KeptState[bytes]]:
    secret = LastingSecret()
    kept = KeptState(Clock(), os.fsencode(folder / FILE_NAME), secret, at_once)
    done(kept.load())
    return secret, kept


def test_it_is_the_same_after_a_restart_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    secret, kept = started(tmp_path)
    done(kept.save())
    assert started(tmp_path)[0].value == secret.value
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_new_one_is_written_before_anybody_is_told_of_it(tmp_path: Path) -> None:
    secret, _ = started(tmp_path)
    assert started(tmp_path)[0].value == secret.value


def test_it_is_written_once(tmp_path: Path) -> None:
    _, kept = started(tmp_path)
    done(kept.save())
    again, _ = started(tmp_path)
    assert not again.is_new


@pytest.mark.parametrize("content", ["", "\n", "00\n", "zz" * 32 + "\n", "0" * 63 + "\n"])
def test_a_damaged_file_gives_a_new_one(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    secret, kept = started(tmp_path)
    assert len(secret.value) == 32 and secret.value != bytes(32)
    done(kept.save())
    assert started(tmp_path)[0].value == secret.value
