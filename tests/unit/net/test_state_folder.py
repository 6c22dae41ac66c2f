"""One daemon on one state folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.net.state_folder import StateFolder, StateFolderTaken


def test_fault_23_the_second_daemon_is_refused(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path / "state"), StateFolder(tmp_path / "state")
    first.startService()
    with pytest.raises(StateFolderTaken):
        second.startService()
    first.stopService()
    second.startService()
    second.stopService()


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "deep" / "state")
    state.startService()
    assert (tmp_path / "deep" / "state").stat().st_mode & 0o777 == 0o700
    state.stopService()
