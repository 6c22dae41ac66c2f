"""The promise to operators: the contract's folder, with certificates put in, serves the site that it describes."""

from __future__ import annotations

import base64
import imaplib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon
from tests.integration.mail import plain
from tests.integration.reading import mailbox, trust
from tests.integration.sending import submission
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site

STRANGER = "stranger@example.com"


@contextmanager
def from_outside(site: Site) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(HOST, site.ports["smtp"], timeout=30) as client:
        client.ehlo("mx.example.com")
        yield client


def copies(site: Site) -> dict[str, int]:
    return {user: len(site.message_files(user)) for user in (ALICE, BOB)}


@pytest.mark.parametrize(
    ("recipient", "receivers"),
    [
        ("alice@example.org", {ALICE}),
        ("ALICE@Example.ORG", {ALICE}),
        ("alice+anything@example.org", {ALICE}),
        ("a.smith@example.org", {ALICE}),
        ("a.smith+lists@example.org", {ALICE}),
        ("postmaster@example.org", {ALICE}),
        ("sales@example.org", {ALICE, BOB}),
        ("sales+spring@example.org", {ALICE, BOB}),
        ("bob@example.net", {BOB}),
        ("bob+x@example.net", {BOB}),
        ("anything@example.net", {BOB}),
        ("alice@example.net", {BOB}),
        ("postmaster", {ALICE}),
    ],
)
def test_mail_reaches_whom_the_contract_says(daemon: Daemon, recipient: str, receivers: set[str]) -> None:
    before = copies(daemon.site)
    with from_outside(daemon.site) as client:
        assert client.sendmail(STRANGER, [recipient], plain().octets) == {}
    assert copies(daemon.site) == {user: before[user] + (user in receivers) for user in before}


@pytest.mark.parametrize(
    "recipient",
    [
        "nobody@example.org",
        "bob@example.org",
        "alice.smith@example.org",
        "nobody+alice@example.org",
    ],
)
def test_unknown_recipient_is_refused_at_rcpt(daemon: Daemon, recipient: str) -> None:
    with from_outside(daemon.site) as client:
        client.mail(STRANGER)
        code, text = client.rcpt(recipient)
    assert (code, text[:6]) == (550, b"5.1.1 ")


@pytest.mark.parametrize("recipient", ["someone@example.com", "someone@gmail.com", "alice@sub.example.org"])
def test_strangers_cannot_relay(daemon: Daemon, recipient: str) -> None:
    with from_outside(daemon.site) as client:
        client.mail(ALICE)
        code, text = client.rcpt(recipient)
    assert (code, text[:6]) == (550, b"5.7.1 ")


def test_auth_is_never_offered_to_other_servers(daemon: Daemon) -> None:
    with from_outside(daemon.site) as client:
        assert "starttls" in client.esmtp_features and "auth" not in client.esmtp_features
        client.starttls(context=trust(daemon.site))
        client.ehlo("mx.example.com")
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH", "PLAIN AGFsaWNlAHBhc3M=")[0] in (502, 503, 504)


def test_submission_wants_tls_before_auth(daemon: Daemon) -> None:
    with smtplib.SMTP(HOST, daemon.site.ports["submission"], timeout=30) as client:
        client.ehlo("client.example.org")
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH", "PLAIN")[0] == 538


def test_submission_wants_auth_before_mail(daemon: Daemon) -> None:
    with smtplib.SMTP_SSL(HOST, daemon.site.ports["submissions"], context=trust(daemon.site), timeout=30) as client:
        client.ehlo("client.example.org")
        assert client.mail(ALICE)[0] == 530


@pytest.mark.parametrize("user", ["a.smith@example.org", "alice", "sales@example.org", "nobody@example.org"])
def test_only_a_full_user_address_is_a_login_name(daemon: Daemon, user: str) -> None:
    with smtplib.SMTP_SSL(HOST, daemon.site.ports["submissions"], context=trust(daemon.site), timeout=30) as client:
        client.ehlo("client.example.org")
        secret = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        assert client.docmd("AUTH", f"PLAIN {secret}")[0] == 535


@pytest.mark.parametrize("sender", [ALICE, "a.smith@example.org", "alice+lists@example.org"])
def test_user_may_send_as_an_address_of_their_own(daemon: Daemon, sender: str) -> None:
    with submission(daemon.site, implicit=False) as client:
        assert client.sendmail(sender, [BOB], plain().octets) == {}


@pytest.mark.parametrize("sender", [BOB, STRANGER, "nobody@example.org"])
def test_user_may_not_send_as_somebody_else(daemon: Daemon, sender: str) -> None:
    with submission(daemon.site, implicit=True) as client:
        codes = [client.mail(sender)[0], client.rcpt(BOB)[0]]
    assert 550 in codes


def test_a_user_may_name_recipients_elsewhere(daemon: Daemon) -> None:
    with submission(daemon.site, implicit=True) as client:
        client.mail(ALICE)
        code, text = client.rcpt("someone@example.com")
        assert (code, text[:6]) == (250, b"2.1.5 ")
        client.rset()


@pytest.mark.parametrize("user", [ALICE, BOB])
@pytest.mark.parametrize("implicit", [True, False])
def test_users_read_their_mail_over_imap(daemon: Daemon, user: str, implicit: bool) -> None:
    with mailbox(daemon.site, user, implicit=implicit) as client:
        assert client.state == "SELECTED"


def test_plaintext_login_is_allowed_as_the_contract_says(daemon: Daemon) -> None:
    client = imaplib.IMAP4(HOST, daemon.site.ports["imap"], timeout=30)
    assert client.login(ALICE, PASSWORD)[0] == "OK"
    client.logout()


@pytest.mark.parametrize("kind", ["submissions", "imaps"])
@pytest.mark.parametrize("name", ["mail.example.org", "mail.example.net"])
def test_certificate_is_chosen_by_the_name_asked_for(daemon: Daemon, kind: str, name: str) -> None:
    context = ssl.create_default_context(cafile=str(daemon.site.folder / f"tls/{name}.pem"))
    with (
        socket.create_connection((HOST, daemon.site.ports[kind]), 30) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
        assert ("DNS", name) in secured.getpeercert()["subjectAltName"]


def test_daemon_makes_the_folders_that_it_writes_to(daemon: Daemon) -> None:
    assert (daemon.site.folder / "state").is_dir()
    assert not [path for path in Path(daemon.site.folder).iterdir() if path.name.startswith("twistd")]
