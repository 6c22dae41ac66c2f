"""Open sessions of a real daemon whose users are changed by mailboxctl, or in a real directory."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon, running
from tests.integration.directory_site import realm_keys, use
from tests.integration.reading import trust
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site, make_site
from tests.integration.slapd import SUFFIX, make_slapd, person, serving

SECONDS = 60.0
"""Far more than it takes to be shown out."""

BYE = b"* BYE [EXPIRED] This login is no longer good"
MESSAGE = f"From: {ALICE}\r\nTo: {BOB}\r\nSubject: x\r\nDate: Sat, 3 Jan 2026 10:00:00 +0000\r\n\r\nx\r\n"


def ctl(site: Site, *words: str, given: str = "") -> str:
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.configuration), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, input=given, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Sessions:
    """One of each service, of one user."""

    def __init__(self, site: Site, password: str = PASSWORD, user: str = ALICE) -> None:
        ports, context = site.ports, trust(site)
        self.imap = imaplib.IMAP4_SSL(HOST, ports["imaps"], ssl_context=context, timeout=SECONDS)
        self.imap.login(user, password)
        self.imap.select()
        self.idling = imaplib.IMAP4_SSL(HOST, ports["imaps"], ssl_context=context, timeout=SECONDS)
        self.idling.login(user, password)
        self.idling.select()
        self.idling.send(b"i IDLE\r\n")
        assert self.idling.readline().startswith(b"+ ")
        self.pop3 = poplib.POP3_SSL(HOST, ports["pop3s"], context=context, timeout=SECONDS)
        self.pop3.user(user)
        self.pop3.pass_(password)
        self.submission = smtplib.SMTP_SSL(HOST, ports["submissions"], context=context, timeout=SECONDS)
        self.submission.login(user, password)

    def close(self) -> None:
        for client in (self.imap, self.idling):
            client.shutdown()
        self.pop3.close()
        self.submission.close()

    def assert_open(self) -> None:
        assert self.imap.noop()[0] == "OK"
        assert self.pop3.noop().startswith(b"+OK")
        assert self.submission.noop()[0] == 250
        self.idling.send(b"DONE\r\n")
        assert self.idling.readline().startswith(b"i OK")
        self.idling.send(b"i IDLE\r\n")
        assert self.idling.readline().startswith(b"+ ")

    def assert_end(self) -> None:
        """Each says so by itself, and closes."""
        for client in (self.imap, self.idling):
            assert client.readline().rstrip() == BYE
            assert client.file.read() == b""
        assert self.pop3.file.read() == b""
        assert self.submission.getreply()[0] == 421
        assert self.submission.sock is not None and self.submission.sock.recv(1) == b""


@pytest.fixture
def sessions(own_daemon: Daemon) -> Iterator[Sessions]:
    sessions = Sessions(own_daemon.site)
    yield sessions
    sessions.close()


def ended(daemon: Daemon) -> list[str]:
    return re.findall(r"session ended: (.*)", daemon.log_text())


def wait_for(daemon: Daemon, line: str, times: int = 1) -> None:
    end = time.monotonic() + SECONDS
    while daemon.log_text().count(line) < times:
        assert time.monotonic() < end, daemon.log_tail()
        time.sleep(0.05)


def test_attack_40_who_is_disabled_is_shown_out(own_daemon: Daemon, sessions: Sessions) -> None:
    site = own_daemon.site
    assert sessions.submission.sendmail(ALICE, [BOB], MESSAGE) == {}
    ctl(site, "user", "disable", ALICE)
    sessions.assert_end()
    assert sorted(ended(own_daemon)) == sorted(
        f"service={service} peer={HOST} user={ALICE} cause=the user is disabled"
        for service in ("imap", "imap", "pop3", "submission")
    )
    assert len(site.message_files(BOB)) == 1


def test_attack_40_whose_password_changed_is_shown_out_and_no_other(own_daemon: Daemon, sessions: Sessions) -> None:
    site = own_daemon.site
    bob = Sessions(site, user=BOB)
    phone = ctl(site, "user", "app-password", "add", ALICE, "phone")
    own_daemon.hang_up()
    wait_for(own_daemon, "was read again")
    sessions.pop3.quit()  # a maildrop is one session's
    by_phone = Sessions(site, phone)
    changed = ctl(site, "user", "passwd", ALICE, "--generate")
    assert sessions.imap.readline().rstrip() == sessions.idling.readline().rstrip() == BYE
    assert sessions.submission.getreply()[0] == 421
    by_phone.assert_open()
    ctl(site, "user", "app-password", "del", ALICE, "phone")
    by_phone.assert_end()
    bob.assert_open()
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=SECONDS) as again:
        assert again.login(ALICE, changed)[0] == "OK"
    assert [line.partition("cause=")[2] for line in ended(own_daemon)] == (
        ["the password is another one"] * 3 + ["the app password phone is no more"] * 4
    )
    bob.close()
    by_phone.close()


def test_a_file_with_a_fault_ends_nobody(own_daemon: Daemon, sessions: Sessions) -> None:
    users = own_daemon.site.folder / "users.yaml"
    users.write_text("users: [")
    wait_for(own_daemon, "stay as they were")
    sessions.assert_open()
    assert ended(own_daemon) == []


def test_attack_40_what_a_directory_takes_away_ends_at_the_next_round(tmp_path: Path) -> None:
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd, cache=0, timeout="1s"))
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("\nlimits:\n", "\nlimits:\n  login_recheck: 1 s\n", 1))
    with serving(slapd, person("alice") + person("carol")), running(site) as daemon:
        alice, carol = Sessions(site), Sessions(site, user="carol@example.org")
        slapd.stop()
        wait_for(daemon, "could not say of 8 who are in")
        slapd.start()
        alice.assert_open()
        slapd.change(f"dn: uid=alice,ou=people,{SUFFIX}\nchangetype: delete\n")
        alice.assert_end()
        carol.assert_open()
        assert len(ended(daemon)) == 4
        alice.close()
        carol.close()
