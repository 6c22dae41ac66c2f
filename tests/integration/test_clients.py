"""Real client programs submit real-looking mail over TLS and find it again over IMAP, octet for octet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.daemon import Daemon
from tests.integration.mail import ALL_MAIL, EIGHT_BIT_MAIL, SEVEN_BIT_MAIL, Mail
from tests.integration.reading import all_stored, assert_arrived, mailbox, newest, newest_by_curl
from tests.integration.sending import Send, by_curl, by_msmtp, by_smtplib, by_swaks
from tests.integration.site import ALICE, BOB

TLS = pytest.mark.parametrize("implicit", [True, False], ids=["tls", "starttls"])


def send_and_compare(daemon: Daemon, send: Send, mail: Mail, folder: Path, implicit: bool) -> None:
    send(daemon.site, mail, folder, implicit)
    assert_arrived(newest(daemon.site, implicit=implicit), mail.octets)


@TLS
@pytest.mark.parametrize("mail", ALL_MAIL, ids=str)
def test_smtplib_and_imaplib(daemon: Daemon, tmp_path: Path, mail: Mail, implicit: bool) -> None:
    send_and_compare(daemon, by_smtplib, mail, tmp_path, implicit)


@TLS
@pytest.mark.parametrize("mail", EIGHT_BIT_MAIL, ids=str)
def test_curl(daemon: Daemon, tmp_path: Path, mail: Mail, implicit: bool) -> None:
    send_and_compare(daemon, by_curl, mail, tmp_path, implicit)
    assert_arrived(newest_by_curl(daemon.site, tmp_path), mail.octets)


@TLS
@pytest.mark.parametrize("mail", SEVEN_BIT_MAIL, ids=str)
def test_swaks(daemon: Daemon, tmp_path: Path, mail: Mail, implicit: bool) -> None:
    send_and_compare(daemon, by_swaks, mail, tmp_path, implicit)


@TLS
@pytest.mark.parametrize("mail", EIGHT_BIT_MAIL, ids=str)
def test_msmtp(daemon: Daemon, tmp_path: Path, mail: Mail, implicit: bool) -> None:
    send_and_compare(daemon, by_msmtp, mail, tmp_path, implicit)


def test_all_is_the_same_after_a_restart(own_daemon: Daemon, tmp_path: Path) -> None:
    for mail in ALL_MAIL:
        by_smtplib(own_daemon.site, mail, tmp_path, True)
    before = all_stored(own_daemon.site)
    own_daemon.restart()
    assert all_stored(own_daemon.site) == before
    assert [stored.octets.endswith(mail.octets) for stored, mail in zip(before, ALL_MAIL, strict=True)] == [True] * 9
    assert own_daemon.site.unfinished_files() == []


def test_flags_are_the_same_after_a_restart(own_daemon: Daemon, tmp_path: Path) -> None:
    by_smtplib(own_daemon.site, ALL_MAIL[0], tmp_path, True)
    with mailbox(own_daemon.site) as client:
        client.uid("STORE", "1", "+FLAGS", r"(\Seen \Flagged)")
    own_daemon.restart()
    with mailbox(own_daemon.site) as client:
        (line,) = client.uid("FETCH", "1", "(FLAGS)")[1]
    assert rb"\Seen" in line and rb"\Flagged" in line


def test_appended_message_comes_back_as_it_was(daemon: Daemon) -> None:
    for mail in ALL_MAIL:
        with mailbox(daemon.site, ALICE) as client:
            assert client.append("INBOX", r"(\Seen)", '"20-Nov-2026 10:00:00 +0000"', mail.octets)[0] == "OK"
        assert newest(daemon.site, ALICE) == mail.octets


def test_files_in_the_maildir_have_their_sizes_in_their_names(own_daemon: Daemon, tmp_path: Path) -> None:
    by_smtplib(own_daemon.site, ALL_MAIL[0], tmp_path, True)
    (path,) = own_daemon.site.message_files(BOB)
    octets = path.read_bytes()
    on_the_wire = len(octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert f",S={len(octets)}" in path.name
    assert f",W={on_the_wire}" in path.name
