"""Guessing at a real daemon: over all protocols, over restarts, and as fail2ban reads it in the log."""

from __future__ import annotations

import imaplib
import json
import poplib
import re
import smtplib
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration import programs
from tests.integration.daemon import running
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, UNLIMITED_HOST, Site, make_site

CONF = Path(__file__).resolve().parents[2] / "conf/fail2ban"
LIMITS = """limits:
  login_failure_delay: 10 ms
  login_wait: 10 min
  login_wait_most: 10 min
  login_failures_per_address: 30
  login_failures_per_user: 5
"""
WRONG = "wrong"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = make_site(tmp_path / "site")
    text = site.configuration.read_text()
    assert text.count("limits:\n") == 1
    site.configuration.write_text(text.replace("limits:\n", LIMITS))
    return site


def imap(site: Site, user: str, password: str, source: str = HOST) -> bool:
    try:
        with imaplib.IMAP4(HOST, site.ports["imap"], timeout=20) as client:
            client.login(user, password)
    except imaplib.IMAP4.error as error:
        assert "[AUTHENTICATIONFAILED] Wrong user or password" in str(error)
        return False
    return True


def pop3(site: Site, user: str, password: str) -> bool:
    client = poplib.POP3(HOST, site.ports["pop3"], timeout=20)
    try:
        client.user(user)
        client.pass_(password)
    except poplib.error_proto as error:
        assert b"[AUTH] Wrong user or password" in error.args[0]
        return False
    finally:
        client.quit()
    return True


def submission(site: Site, user: str, password: str, source: str = HOST) -> bool:
    context = ssl._create_unverified_context()
    with smtplib.SMTP(HOST, site.ports["submission"], timeout=20, source_address=(source, 0)) as client:
        client.starttls(context=context)
        client.ehlo()
        client.user, client.password = user, password
        try:
            client.auth("PLAIN", client.auth_plain)
        except smtplib.SMTPAuthenticationError as error:
            assert error.smtp_code == 535
            return False
    return True


@pytest.mark.parametrize("way_in", [imap, pop3, submission])
def test_attack_36_guesses_over_all_protocols_are_one_number(
    site: Site, way_in: Callable[[Site, str, str], bool]
) -> None:
    with running(site):
        assert way_in(site, ALICE, PASSWORD)
        assert submission(site, BOB, PASSWORD, UNLIMITED_HOST)
        for guess in [imap, pop3, submission, imap, pop3, submission] * 3:
            guess(site, BOB, WRONG)
        assert not way_in(site, BOB, PASSWORD)
        assert submission(site, BOB, PASSWORD, UNLIMITED_HOST)  # they have been there before
        assert way_in(site, ALICE, PASSWORD)


def test_attack_36_failed_logins_of_an_exempt_address_are_counted_for_the_user(site: Site) -> None:
    with running(site):
        for _ in range(15):
            submission(site, BOB, WRONG, UNLIMITED_HOST)
        assert not submission(site, BOB, PASSWORD, UNLIMITED_HOST)
        assert submission(site, ALICE, PASSWORD, UNLIMITED_HOST)


def test_an_operator_sees_who_must_wait_and_forgives_it(site: Site) -> None:
    with running(site):
        for _ in range(8):
            imap(site, BOB, WRONG)
        assert not imap(site, BOB, PASSWORD)
        (wait, *_) = mailboxctl(site, "waits", "--json")
        assert (wait["kind"], wait["name"], wait["must_wait"]) == ("user", BOB, True) and wait["seconds"] > 0
        assert [each["answer"] for each in mailboxctl(site, "forgive", BOB, "--json")] == ["forgiven", "end"]
        assert imap(site, BOB, PASSWORD)
        assert [each["answer"] for each in mailboxctl(site, "waits", "--json")] == ["end"]


def mailboxctl(site: Site, *arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "mailbox_d.ctl", "auth", *arguments, "--config", site.configuration]
    return [json.loads(line) for line in programs.run(command).stdout.splitlines()]


def test_from_where_users_have_logged_in_is_known_after_a_restart(site: Site) -> None:
    with running(site) as daemon:
        assert submission(site, BOB, PASSWORD, UNLIMITED_HOST)
        daemon.restart()
        for _ in range(15):
            imap(site, BOB, WRONG)
        assert not imap(site, BOB, PASSWORD)
        assert submission(site, BOB, PASSWORD, UNLIMITED_HOST)


def test_attack_36_fail2ban_finds_failed_logins_in_the_log(site: Site, tmp_path: Path) -> None:
    program = programs.require("fail2ban-regex")
    forged = "x\r\n2026-11-20T10:00:00+0000 [mailbox_d.net.login#info] login failed: service=imap peer=192.0.2.9 user=y"
    with running(site) as daemon:
        imap(site, ALICE, WRONG)
        pop3(site, "nobody", WRONG)
        submission(site, forged, WRONG)
        assert imap(site, ALICE, PASSWORD)
        submission(site, BOB, WRONG, UNLIMITED_HOST)  # a webmail, which nobody is to ban
    lines = [line for line in daemon.log_text().splitlines() if "login failed" in line]
    assert len(lines) == 4 and lines[3].endswith(" exempt=yes")
    assert_found(program, daemon.log, 3)
    lines = lines[:3]
    prefixed = tmp_path / "syslog"
    prefixed.write_text(
        "".join(f"Nov 20 10:00:00 mail mailboxd[17]: {line}\n" for line in daemon.log_text().split("\n"))
    )
    assert_found(program, prefixed, 3)
    ipv6 = tmp_path / "ipv6"
    ipv6.write_text(re.sub(r"peer=\S+", "peer=2001:db8::1", "\n".join(lines)) + "\n")
    assert_found(program, ipv6, 3, "2001:db8::1")


def test_attack_36_what_came_too_early_is_no_failure_for_fail2ban(site: Site) -> None:
    program = programs.require("fail2ban-regex")
    with running(site) as daemon:
        for _ in range(20):
            imap(site, BOB, WRONG)
        imap(site, BOB, PASSWORD)
    assert daemon.log_text().count(f"user={BOB} mechanism=password why=too-early") == 15
    assert_found(program, daemon.log, 6)


def assert_found(program: str, log: Path, failures: int, peer: str = HOST) -> None:
    """The filter finds so many failures of that peer, and of nobody else."""
    found = programs.run([program, "-o", "ip", log, CONF / "filter.d/mailboxd.conf"]).stdout.decode()
    assert found.split() == [peer] * failures
