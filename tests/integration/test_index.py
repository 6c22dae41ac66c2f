"""The index under a running daemon: fed by child processes, lost at any time, and never missed but in speed."""

from __future__ import annotations

import imaplib
import os
import time
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon, running
from tests.integration.reading import checked, mailbox
from tests.integration.site import BOB, Site, make_site

COUNT = 120
ASKED = "(ENVELOPE BODYSTRUCTURE)"
TOLD_SECONDS = 60.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = make_site(tmp_path / "site")
    new = site.maildir(BOB) / "new"
    new.mkdir(parents=True)
    for number in range(COUNT):
        text = f"Subject: number {number}\nFrom: alice@example.org\n\nHello {number}\n"
        (new / f"17000{number:05}.M1P1.elsewhere").write_text(text)
    return site


def all_told(client: imaplib.IMAP4) -> list[object]:
    return checked(client.uid("FETCH", "1:*", ASKED))


def await_line(daemon: Daemon, text: str) -> None:
    deadline = time.monotonic() + TOLD_SECONDS
    while text not in daemon.log_text():
        assert time.monotonic() < deadline, daemon.log_tail()
        time.sleep(0.05)


def test_what_a_client_asks_for_is_prepared_by_a_child(site: Site) -> None:
    with running(site) as daemon:
        with mailbox(site, BOB) as client:
            checked(client.fetch("1", ASKED))
        with mailbox(site, BOB) as client:
            await_line(daemon, f"{COUNT - 1} of {COUNT - 1}")
            prepared = all_told(client)
        for path in site.maildir(BOB).glob("mailboxd.index*"):
            path.unlink()
        with mailbox(site, BOB) as client:
            assert all_told(client) == prepared


def test_fault_18_an_index_lost_or_damaged_under_a_session_costs_only_time(site: Site) -> None:
    with running(site), mailbox(site, BOB) as client:
        told = all_told(client)
        index = site.maildir(BOB) / "mailboxd.index"
        size = index.stat().st_size
        assert size > 10_000
        os.truncate(index, size // 2)
        assert all_told(client) == told
        index.write_bytes(os.urandom(size))
        assert all_told(client) == told
        index.unlink()
        assert all_told(client) == told
        index.unlink()
        index.mkdir()
        assert all_told(client) == told
