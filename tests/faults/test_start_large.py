"""Fault 5, as far as there is no queue: the daemon serves at once, however much mail there is, and scans nothing.

200 messages in 10 folders by default: that they are not looked at is told by the disk. `make faults`
(`MAILBOXD_FAULTS_IN_FULL`) makes a million in a thousand folders, and then the daemon, killed and started again, must
answer everywhere within five seconds.
"""

from __future__ import annotations

import imaplib
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.faults.slow_daemon import COUNTED
from tests.faults.tally import IN_FULL, count
from tests.integration.daemon import Daemon
from tests.integration.reading import checked
from tests.integration.site import ALICE, HOST, PASSWORD, make_site

pytestmark = pytest.mark.faults

FOLDERS, MESSAGES = (1000, 1000) if IN_FULL else (10, 20)
SECONDS = 5.0


def fill(maildir: Path) -> None:
    """Messages without an index: one file, linked, as many times as a file system lets it be."""
    source = maildir / "tmp/source"
    for number in range(FOLDERS):
        folder = maildir / f".Folder{number}"
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        source.unlink(missing_ok=True)
        source.write_bytes(b"Subject: one of many\n\nhello\n")
        for message in range(MESSAGES):
            os.link(source, folder / f"cur/{1_700_000_000 + message}.M{number}P1.host,S=28,W=31:2,S")
    source.unlink()


def test_fault_5_the_daemon_serves_at_once_however_much_mail_there_is(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    maildir = site.maildir(ALICE)
    (maildir / "tmp").mkdir(parents=True)
    fill(maildir)
    prefix = (sys.executable, "-m", "tests.faults.slow_daemon", str(tmp_path / "gate"), "0")
    daemon = Daemon(site, prefix=() if IN_FULL else prefix)
    try:
        daemon.start()
        daemon.kill()
        began = time.monotonic()
        daemon.start()
        assert not IN_FULL or time.monotonic() - began < SECONDS
        client = imaplib.IMAP4(HOST, site.ports["imap"], timeout=60)
        assert COUNTED not in daemon.log_text(), "mail was looked at before anybody asked for it"
        client.login(ALICE, PASSWORD)
        (found,) = checked(client.select(f"Folder{FOLDERS - 1}"))  # type: ignore[arg-type]
        assert found == b"%d" % MESSAGES
        client.logout()
    finally:
        daemon.stop()
        shutil.rmtree(site.folder)
    count("5: a start with much mail", kills=1, messages=FOLDERS * MESSAGES)
