"""IDLE on a real process: what arrives is told although nobody looks."""

from __future__ import annotations

import imaplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.daemon import running
from tests.integration.mail import plain
from tests.integration.reading import mailbox
from tests.integration.sending import submission
from tests.integration.site import ALICE, BOB, Site, make_site

TOLD_SECONDS = 10.0
"""Far more than it takes, and far less than it would be until anybody looked."""


@contextmanager
def idling(client: imaplib.IMAP4) -> Iterator[None]:
    client.send(b"idle1 IDLE\r\n")
    assert client.readline().startswith(b"+ ")
    yield
    client.send(b"DONE\r\n")
    assert client.readline().startswith(b"idle1 OK")


def test_a_delivery_wakes_a_client_in_idle(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    text = site.configuration.read_text()
    assert "\nlimits:\n" in text
    site.configuration.write_text(text.replace("\nlimits:\n", "\nlimits:\n  imap_idle_poll: 1 h\n"))
    with running(site):
        waits = list(_waits(site))
    assert len(waits) == 10
    assert max(waits) < TOLD_SECONDS


def test_what_another_program_does_wakes_a_client_in_idle(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("\nlimits:\n", "\nlimits:\n  imap_idle_poll: 1 h\n"))
    cur = site.maildir(BOB) / "cur"
    cur.mkdir(parents=True)
    first, second = cur / "1700000000.M1P1.elsewhere:2,F", cur / "1700000000.M2P1.elsewhere:2,"
    first.write_bytes(b"Subject: by hand\n\nHello\n")
    with running(site), mailbox(site, BOB) as client, idling(client):
        assert client.sock is not None
        client.sock.settimeout(TOLD_SECONDS)
        seen = first.rename(f"{first}S")
        assert client.readline() == b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))\r\n"
        second.hardlink_to(seen)
        assert client.readline() == b"* 2 EXISTS\r\n"
        assert client.readline() == b"* 0 RECENT\r\n"
        seen.unlink()
        assert client.readline() == b"* 1 EXPUNGE\r\n"


def _waits(site: Site) -> Iterator[float]:
    with mailbox(site, BOB) as client, idling(client), submission(site, implicit=True) as sending:
        assert client.sock is not None
        client.sock.settimeout(TOLD_SECONDS)
        for count in range(1, 11):
            assert sending.sendmail(ALICE, [BOB], plain().octets) == {}
            sent_at = time.monotonic()
            assert client.readline() == b"* %d EXISTS\r\n" % count
            assert client.readline() == b"* %d RECENT\r\n" % count
            yield time.monotonic() - sent_at
