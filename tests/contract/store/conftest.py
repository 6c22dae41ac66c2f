"""The stores that are held to the contract: in memory, and Maildirs of each kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import Store

MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda root: MemoryStore(),
    "lf": lambda root: MaildirStore(root),
    "crlf": lambda root: MaildirStore(root, newline="crlf"),
    "spooled": lambda root: MaildirStore(root, hold=4),
}


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MAKERS[request.param](tmp_path / "maildirs")
