"""The daemon as its operator meets it: starts that are refused, files that change, signals."""

from __future__ import annotations

import imaplib
import json
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.daemon import TWISTD, Daemon, running
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site, make_site

SECONDS = 20.0
"""How long a change may take to be noticed here; the tests wait for the change, not for the time."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site")


@pytest.fixture
def running_daemon(site: Site) -> Iterator[Daemon]:
    with running(site) as daemon:
        yield daemon


def twistd(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(TWISTD), "-n", "--pidfile=", "mailboxd", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.05)


def can_log_in(site: Site, user: str, password: str) -> bool:
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=unverified()) as imap:
        try:
            imap.login(user, password)
        except imaplib.IMAP4.error:
            return False
        return True


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def served_certificate(site: Site) -> bytes:
    with (
        socket.create_connection((HOST, site.ports["imaps"]), 10) as plain,
        unverified().wrap_socket(plain, server_hostname="mail.example.org") as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def test_check_says_what_a_configuration_holds(site: Site) -> None:
    checked = twistd("--config", str(site.configuration), "--check")
    assert checked.returncode == 0
    assert "domain example.org: realm staff" in checked.stdout
    assert "realm staff: 2 users, 2 aliases" in checked.stdout
    assert "certificate for mail.example.org" in checked.stdout
    assert "pop3s: tcp:" in checked.stdout
    assert "does not serve it" not in checked.stdout


def test_check_says_it_in_json(site: Site) -> None:
    summary = json.loads(twistd("--config", str(site.configuration), "--check", "--json").stdout)
    assert summary["domains"] == {"example.org": "staff", "example.net": "staff"}
    assert summary["realms"] == [{"name": "staff", "users": 2, "aliases": 2}]
    assert [entry["expires"][:2] for entry in summary["certificates"]] == ["20", "20"]


@pytest.mark.parametrize("options", [("--check",), ()])
def test_a_broken_configuration_does_not_start_and_says_all_that_is_wrong(site: Site, options: tuple[str, ...]) -> None:
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("catch_all:", "catchall:").replace("50 MiB", "fifty"))
    refused = twistd("--config", str(site.configuration), *options)
    assert refused.returncode == 1
    assert "catch_all" in refused.stderr and "message_size" in refused.stderr
    assert f"{site.configuration}:" in refused.stderr
    assert "Traceback" not in refused.stderr + refused.stdout


def test_a_broken_users_file_does_not_start(site: Site) -> None:
    (site.folder / "users.yaml").write_text("users:\n  alice@example.org: {password: pass}\n")
    refused = twistd("--config", str(site.configuration))
    assert refused.returncode == 1
    assert "users.yaml:2:" in refused.stderr


def test_fault_23_a_second_daemon_on_one_state_folder_is_refused(running_daemon: Daemon, tmp_path: Path) -> None:
    other = make_site(tmp_path / "other")
    text = other.configuration.read_text()
    other.configuration.write_text(text.replace("state: state", f"state: {running_daemon.site.folder / 'state'}"))
    refused = twistd("--config", str(other.configuration))
    assert refused.returncode == 1
    assert "another mailboxd runs on" in refused.stdout + refused.stderr


def test_a_port_that_is_taken_ends_the_start(running_daemon: Daemon, tmp_path: Path) -> None:
    other = make_site(tmp_path / "other")
    text = other.configuration.read_text()
    taken = str(running_daemon.site.ports["smtp"])
    other.configuration.write_text(text.replace(f"tcp:{other.ports['smtp']}:", f"tcp:{taken}:"))
    refused = twistd("--config", str(other.configuration))
    assert refused.returncode == 1
    assert f"mailboxd cannot start: Couldn't listen on {HOST}:{taken}" in refused.stdout + refused.stderr


def test_users_are_read_again_when_their_file_changes_and_a_broken_one_changes_nothing(running_daemon: Daemon) -> None:
    site = running_daemon.site
    users = site.folder / "users.yaml"
    good = users.read_text()
    users.write_text(good.replace('bob@example.net:\n    password: "{PLAIN}pass"', "bob@example.net: {password: no}"))
    wait_until(lambda: "stay as they were" in running_daemon.log_text() or not can_log_in(site, BOB, "x"), "a look")
    assert can_log_in(site, BOB, PASSWORD)
    wait_until(
        lambda: can_log_in(site, BOB, PASSWORD) and "stay as they were" in running_daemon.log_text(), "a refusal"
    )
    users.write_text(good.replace("{PLAIN}pass", "{PLAIN}other"))
    wait_until(lambda: can_log_in(site, BOB, "other"), "the new password")
    assert not can_log_in(site, BOB, PASSWORD)


def test_fault_30_a_certificate_is_replaced_on_sighup_and_a_broken_one_never(running_daemon: Daemon) -> None:
    site = running_daemon.site
    before = served_certificate(site)
    key = site.folder / "tls/mail.example.org.key"
    kept = key.read_text()
    key.write_text("half of a key")
    running_daemon.hang_up()
    wait_until(lambda: "A certificate stays as it was" in running_daemon.log_text(), "the refusal")
    assert served_certificate(site) == before
    key.write_text(kept)
    fresh = site.folder / "fresh"
    make_certificate(fresh, ("mail.example.org", "localhost"), (HOST,))
    for name in ("mail.example.org.key", "mail.example.org.pem"):
        shutil.copyfile(fresh / name, site.folder / "tls" / name)
    running_daemon.hang_up()
    wait_until(lambda: served_certificate(site) != before, "the new certificate")


def test_fault_38_sigterm_in_the_middle_of_a_message_ends_the_daemon_and_leaves_nothing(site: Site) -> None:
    with running(site) as daemon:
        client = smtplib.SMTP(HOST, site.ports["smtp"], timeout=30)
        client.ehlo("client.example.com")
        client.docmd("MAIL FROM:<carol@example.com>")
        client.docmd(f"RCPT TO:<{ALICE}>")
        assert client.docmd("DATA")[0] == 354
        assert client.sock is not None
        client.sock.sendall(b"Subject: x\r\n\r\n" + b"a line\r\n" * 100_000)
        wait_until(lambda: bool(site.unfinished_files()), "the message to begin")
        daemon.send(signal.SIGTERM)
        wait_until(lambda: "Received SIGTERM" in daemon.log_text(), "the signal to be taken")
        daemon.send(signal.SIGTERM)
        wait_until(lambda: daemon.ended, "the end")
        client.close()
    assert site.message_files(ALICE) == []
    assert site.unfinished_files() == []
