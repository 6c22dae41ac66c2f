"""`mailboxctl user` and `auth test` beside a real daemon, and `auth test` of users in a real directory."""

from __future__ import annotations

import imaplib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.daemon import Daemon
from tests.integration.directory_site import realm_keys, use
from tests.integration.reading import trust
from tests.integration.site import ALICE, HOST, PASSWORD, Site, make_site
from tests.integration.slapd import make_slapd, person, serving

CAROL = "carol@example.org"


def ctl(site: Site, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.configuration), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, input=given)


def test_who_is_added_logs_in_and_who_is_disabled_does_not(own_daemon: Daemon) -> None:
    site, users = own_daemon.site, own_daemon.site.folder / "users.yaml"
    before = users.read_text()

    def seen(change: Callable[[], subprocess.CompletedProcess[str]]) -> str:
        """What a change says, once the daemon has seen it."""
        times = own_daemon.log_text().count("was read again")
        done = change()
        assert done.returncode == 0, done.stderr
        own_daemon.hang_up()
        end = time.monotonic() + 30
        while own_daemon.log_text().count("was read again") == times:
            assert time.monotonic() < end, own_daemon.log_tail()
            time.sleep(0.05)
        return done.stdout.strip()

    password = seen(lambda: ctl(site, "user", "add", CAROL, "--generate", "--services", "imap"))
    phone = seen(lambda: ctl(site, "user", "app-password", "add", CAROL, "phone"))
    assert password != phone
    assert logs_in(site, CAROL, password) and logs_in(site, CAROL, phone) and logs_in(site, ALICE, PASSWORD)
    tested = ctl(site, "auth", "test", CAROL, "--password-stdin", given=phone + "\n")
    assert (tested.returncode, "by the app password phone" in tested.stdout) == (0, True)
    seen(lambda: ctl(site, "user", "disable", CAROL))
    assert not logs_in(site, CAROL, password)
    assert ctl(site, "auth", "test", CAROL).returncode == 1
    seen(lambda: ctl(site, "user", "del", CAROL, "--yes"))
    assert users.read_text() == before


def test_a_directory_says_why_too(tmp_path: Path) -> None:
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd))
    with serving(slapd, person("alice")):
        assert asked(site, ALICE, "pass") == (0, "ok", "ldap")
        assert asked(site, ALICE, "wrong") == (1, "password", "ldap")
        assert asked(site, "nobody@example.org", "pass") == (1, "unknown", "ldap")
        assert "the realm directory is LDAP" in ctl(site, "user", "add", CAROL, "--generate").stderr
    assert asked(site, ALICE, "pass") == (3, "unavailable", "ldap")


def asked(site: Site, user: str, password: str) -> tuple[int, str, str]:
    done = ctl(site, "--json", "auth", "test", user, "--password-stdin", given=password + "\n")
    answer = json.loads(done.stdout)
    return done.returncode, answer["reason"], answer["kind"]


def logs_in(site: Site, user: str, password: str) -> bool:
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60) as client:
        try:
            return client.login(user, password)[0] == "OK"
        except imaplib.IMAP4.error as error:
            assert "AUTHENTICATIONFAILED" in str(error)
            return False
