"""Real POP3 clients take mail from a real daemon, octet for octet, over TLS and STLS, and nothing is lost."""

from __future__ import annotations

import poplib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.account import put_messages, snapshot
from tests.integration.daemon import Daemon, running
from tests.integration.mail import ALL_MAIL, EIGHT_BIT_MAIL, Mail
from tests.integration.programs import SECONDS, require, run
from tests.integration.reading import all_stored, assert_arrived, trust
from tests.integration.sending import by_smtplib
from tests.integration.site import BOB, HOST, PASSWORD, Site, make_site

TLS = pytest.mark.parametrize("implicit", [True, False], ids=["tls", "stls"])


@contextmanager
def maildrop(site: Site, user: str = BOB, *, implicit: bool = True) -> Iterator[poplib.POP3]:
    """A POP3 session over TLS, logged in; ended with QUIT unless the test raises or has ended it."""
    client = connect(site, implicit=implicit)
    client.user(user)
    client.pass_(PASSWORD)
    try:
        yield client
        if client.file is not None:
            client.quit()
    finally:
        client.close()


def connect(site: Site, *, implicit: bool = True) -> poplib.POP3:
    if implicit:
        return poplib.POP3_SSL(HOST, site.ports["pop3s"], context=trust(site), timeout=60)
    client = poplib.POP3(HOST, site.ports["pop3"], timeout=60)
    client.stls(trust(site))
    return client


def octets(answer: tuple[bytes, list[bytes], int]) -> bytes:
    return b"".join(line + b"\r\n" for line in answer[1])


@TLS
@pytest.mark.parametrize("mail", ALL_MAIL, ids=str)
def test_poplib(daemon: Daemon, tmp_path: Path, mail: Mail, implicit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poplib, "_MAXLINE", 1 << 20)  # our long lines are longer than poplib's own bound
    by_smtplib(daemon.site, mail, tmp_path, True)
    with maildrop(daemon.site, implicit=implicit) as client:
        number = client.stat()[0]
        stored = octets(client.retr(number))
        assert len(stored) == int(client.list(number).split()[2])
    assert_arrived(stored, mail.octets)


@TLS
@pytest.mark.parametrize("mail", EIGHT_BIT_MAIL, ids=str)
def test_curl(daemon: Daemon, tmp_path: Path, mail: Mail, implicit: bool) -> None:
    by_smtplib(daemon.site, mail, tmp_path, True)
    with maildrop(daemon.site) as client:
        number = client.stat()[0]
    output = tmp_path / "read"
    kind = "pop3s" if implicit else "pop3"
    url = f"{kind}://localhost:{daemon.site.ports[kind]}/{number}"
    tls = ["--ssl-reqd", "--cacert", daemon.site.certificate]
    run([require("curl"), "-sS", *tls, "--user", f"{BOB}:{PASSWORD}", "-o", output, url])
    assert_arrived(output.read_bytes(), mail.octets)


def test_what_is_deleted_is_gone_after_quit_for_imap_too(own_daemon: Daemon, tmp_path: Path) -> None:
    for mail in ALL_MAIL[:3]:
        by_smtplib(own_daemon.site, mail, tmp_path, True)
    with maildrop(own_daemon.site) as client:
        client.dele(2)
        assert len(own_daemon.site.message_files(BOB)) == 3
    assert len(own_daemon.site.message_files(BOB)) == 2
    assert [stored.uid for stored in all_stored(own_daemon.site)] == [1, 3]


def seen_by_imap(site: Site) -> list[int]:
    messages = snapshot(site, BOB).mailboxes["INBOX"].messages
    return [message.uid for message in messages if r"\Seen" in message.flags]


def test_what_was_retrieved_is_seen_by_imap_from_quit_on(own_daemon: Daemon, tmp_path: Path) -> None:
    for mail in ALL_MAIL[:4]:
        by_smtplib(own_daemon.site, mail, tmp_path, True)
    with maildrop(own_daemon.site) as client:
        client.retr(1)
        client.close()
    with maildrop(own_daemon.site) as client:
        client.retr(2)
        client.top(3, 1000)
        client.retr(4)
        client.dele(4)
        assert seen_by_imap(own_daemon.site) == []
    assert seen_by_imap(own_daemon.site) == [2]
    own_daemon.restart()
    assert seen_by_imap(own_daemon.site) == [2]


def test_a_site_may_want_no_flags_from_pop3(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    with site.configuration.open("a") as configuration:
        configuration.write("\npop3: {marks_seen: false}\n")
    with running(site):
        by_smtplib(site, ALL_MAIL[0], tmp_path, True)
        with maildrop(site) as client:
            client.retr(1)
        assert seen_by_imap(site) == []


def test_attack_76_a_connection_that_breaks_deletes_nothing(own_daemon: Daemon, tmp_path: Path) -> None:
    by_smtplib(own_daemon.site, ALL_MAIL[0], tmp_path, True)
    with maildrop(own_daemon.site) as client:
        client.dele(1)
        client.close()
    own_daemon.restart()
    assert len(own_daemon.site.message_files(BOB)) == 1


def test_a_name_and_a_password_in_utf_8(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    users = site.folder / "users.yaml"
    users.write_text(users.read_text().replace("users:\n", 'users:\n  größe@example.org: {password: "{PLAIN}süß"}\n'))
    with running(site):
        client = connect(site)
        assert client.capa()["UTF8"] == ["USER"]
        client.utf8()
        client.user("größe@example.org")
        client.pass_("süß")
        assert client.stat() == (0, 0)
        client.quit()


def test_fault_3_killed_in_quit_each_message_is_whole_or_gone(own_daemon: Daemon) -> None:
    site = own_daemon.site
    put_messages(site, [b"Subject: %d\r\n\r\nText\r\n" % number for number in range(2000)], BOB)
    before = snapshot(site, BOB).mailboxes["INBOX"]
    with maildrop(site) as client:
        client.retr(2000)
        for number in range(1, 2000):
            client.dele(number)
        client.sock.sendall(b"QUIT\r\n")
        deadline = time.monotonic() + SECONDS
        while len(site.message_files(BOB)) == 2000:
            assert time.monotonic() < deadline, "nothing was removed"
        own_daemon.kill()
        client.close()
    own_daemon.start()
    after = snapshot(site, BOB).mailboxes["INBOX"]
    assert after.validity == before.validity
    assert {(message.uid, message.octets) for message in after.messages} <= {
        (message.uid, message.octets) for message in before.messages
    }
    assert after.messages[-1].uid == 2000
    with maildrop(site) as client:
        for number in range(1, client.stat()[0] + 1):
            client.dele(number)
    assert snapshot(site, BOB).octets() == []


def test_unique_ids_are_those_of_dovecots_default_and_stay_over_a_restart(own_daemon: Daemon, tmp_path: Path) -> None:
    for mail in ALL_MAIL[:3]:
        by_smtplib(own_daemon.site, mail, tmp_path, True)
    with maildrop(own_daemon.site) as client:
        before = client.uidl()[1]
    stored = all_stored(own_daemon.site)
    assert before == [b"%d %08x%08x" % (at, one.uid, one.validity) for at, one in enumerate(stored, 1)]
    own_daemon.restart()
    with maildrop(own_daemon.site) as client:
        assert client.uidl()[1] == before


@pytest.mark.parametrize("waits", [False, True], ids=["in one segment", "behind the answer"])
def test_attack_74_plaintext_behind_stls_is_never_answered(own_daemon: Daemon, waits: bool) -> None:
    with socket.create_connection((HOST, own_daemon.site.ports["pop3"]), 30) as client:
        answers = client.makefile("rb")
        assert answers.readline().startswith(b"+OK ")
        if waits:
            client.sendall(b"STLS\r\n")
            assert answers.readline().startswith(b"+OK ")
            client.sendall(b"USER bob@example.net\r\n")
        else:
            client.sendall(b"STLS\r\nUSER bob@example.net\r\n")
        with suppress(ConnectionResetError):
            assert b"password" not in answers.read()
    with maildrop(own_daemon.site) as after:
        assert after.stat() == (0, 0)


def test_attack_79_one_session_for_a_maildrop_on_both_ports(own_daemon: Daemon) -> None:
    with maildrop(own_daemon.site):
        second = connect(own_daemon.site, implicit=False)
        second.user(BOB)
        with pytest.raises(poplib.error_proto, match="IN-USE"):
            second.pass_(PASSWORD)
        second.close()


def test_capabilities_before_tls_and_inside(own_daemon: Daemon) -> None:
    plain = poplib.POP3(HOST, own_daemon.site.ports["pop3"], timeout=60)
    assert "STLS" in plain.capa()
    plain.close()
    inside = connect(own_daemon.site)
    offered = inside.capa()
    assert "STLS" not in offered
    assert offered["SASL"] == ["PLAIN", "LOGIN"]
    inside.close()
