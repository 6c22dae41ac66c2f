"""Users with app passwords, fewer services and leave to send as others, on a real daemon whose users file changes."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mailbox_d.auth.passwords import HashCost, hash_password
from tests.integration.daemon import Daemon
from tests.integration.reading import trust
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site

WEAK = HashCost(1, 8, 1)
"""Quick to make, and out of date."""

HASHES = {password: hash_password(password.encode(), WEAK) for password in (PASSWORD, "phone", "printer", "changed")}
USERS = """
users:
  alice@example.org:
    password: "{password}"
    senders: [info@example.org, "@example.com"]
    app_passwords:
      phone: {{password: "{phone}", services: [imap]}}
      printer: {{password: "{printer}", services: [submission]}}
  bob@example.net: {{password: "{bob}", services: [imap]{more}}}
"""


@dataclass(frozen=True, slots=True)
class Logins:
    """Whether logins to the services of a daemon succeed."""

    daemon: Daemon

    @property
    def site(self) -> Site:
        return self.daemon.site

    def write(self, password: str = HASHES[PASSWORD], more: str = "", *, now: bool = True) -> None:
        """Replace the users file; the daemon looks at most a second later, or `now`."""
        text = USERS.format(
            password=password, phone=HASHES["phone"], printer=HASHES["printer"], bob=HASHES[PASSWORD], more=more
        )
        fresh = self.site.folder / "users.yaml.new"
        fresh.write_text(text)
        before = self.log().count("was read again")
        fresh.rename(self.site.folder / "users.yaml")
        if now:
            self.daemon.hang_up()
            self.wait_for(lambda: self.log().count("was read again") > before)

    def log(self) -> str:
        return self.daemon.log.read_text()

    def wait_for(self, holds: object) -> None:
        assert callable(holds)
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end, self.log()[-3000:]
            time.sleep(0.05)

    def imap(self, password: str, user: str = ALICE) -> bool:
        with imaplib.IMAP4_SSL(HOST, self.site.ports["imaps"], ssl_context=trust(self.site), timeout=60) as client:
            try:
                client.login(user, password)
            except imaplib.IMAP4.error as error:
                assert "AUTHENTICATIONFAILED" in str(error)
                return False
            return True

    def pop3(self, password: str, user: str = ALICE) -> bool:
        client = poplib.POP3_SSL(HOST, self.site.ports["pop3s"], context=trust(self.site), timeout=60)
        try:
            client.user(user)
            client.pass_(password)
        except poplib.error_proto as error:
            assert "[AUTH]" in str(error)
            return False
        else:
            return True
        finally:
            client.close()

    def submission(self, password: str, user: str = ALICE) -> smtplib.SMTP | None:
        port = self.site.ports["submissions"]
        client = smtplib.SMTP_SSL(HOST, port, context=trust(self.site), timeout=60)
        try:
            client.login(user, password)
        except smtplib.SMTPAuthenticationError as error:
            client.close()
            assert error.smtp_code == 535
            return None
        return client


@pytest.fixture
def logins(own_daemon: Daemon) -> Iterator[Logins]:
    configuration = own_daemon.site.configuration
    own_daemon.stop()
    limits = (
        "\nlimits:\n  login_failure_delay: 0 s\n  login_failures_per_address: 1000\n  login_failures_per_user: 1000"
    )
    configuration.write_text(configuration.read_text().replace("\nlimits:", limits, 1))
    own_daemon.start()
    served = Logins(own_daemon)
    served.write()
    yield served


def test_an_app_password_is_good_for_its_services_alone(logins: Logins) -> None:
    assert logins.imap("phone") and not logins.pop3("phone") and not logins.submission("phone")
    assert not logins.imap("printer") and logins.submission("printer")
    assert logins.imap(PASSWORD) and logins.pop3(PASSWORD) and logins.submission(PASSWORD)
    lines = re.findall(r"login: service=(\w+) .* user=alice@example\.org mechanism=(.*)", logins.log())
    assert lines == [
        ("imap", "password by=phone"),
        ("submission", "PLAIN by=printer"),
        ("imap", "password"),
        ("pop3", "password"),
        ("submission", "PLAIN"),
    ]
    logins.daemon.stop()
    kept = (logins.site.folder / "state/last-use").read_text()
    assert sorted(re.sub(r"^\d+ |(?<=~)[0-9a-f]{8}", "", line) for line in kept.splitlines()) == [
        "phone~ alice@example.org",
        "printer~ alice@example.org",
        "~ alice@example.org",
    ]


def test_attack_40_what_was_changed_or_taken_away_is_refused_at_once(logins: Logins) -> None:
    assert logins.imap(PASSWORD) and logins.imap("phone") and logins.imap(PASSWORD, BOB)
    logins.write(HASHES["changed"], ", enabled: false")
    assert not logins.imap(PASSWORD) and logins.imap("changed")
    assert logins.imap("phone")
    assert not logins.imap(PASSWORD, BOB)
    logins.write()
    assert logins.imap(PASSWORD) and not logins.imap("changed") and logins.imap(PASSWORD, BOB)


def test_a_user_has_the_services_that_are_named(logins: Logins) -> None:
    assert logins.imap(PASSWORD, BOB)
    assert not logins.pop3(PASSWORD, BOB) and not logins.submission(PASSWORD, BOB)


def message(author: str) -> str:
    return f"From: {author}\r\nTo: {BOB}\r\nSubject: x\r\nDate: Sat, 3 Jan 2026 10:00:00 +0000\r\n\r\nx\r\n"


def test_attack_37_grants_are_leave_to_send_as_others_in_mail_and_in_from(logins: Logins) -> None:
    client = logins.submission("printer")
    assert client is not None
    with client:
        for sender in ("info@example.org", "anybody@example.com", ALICE):
            assert client.sendmail(sender, [BOB], message(sender)) == {}
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("sales@example.org", [BOB], message("sales@example.org"))
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail(ALICE, [BOB], message("bob@example.net"))
    delivered = [path.read_text() for path in logins.site.message_files(BOB)]
    assert sorted(re.findall("^From: (.*)$", "\n".join(delivered), re.MULTILINE)) == [
        ALICE,
        "anybody@example.com",
        "info@example.org",
    ]


@pytest.mark.parametrize(
    ("mechanisms", "form"),
    [
        ("[PLAIN, LOGIN]", r"\{ARGON2ID\}\$argon2id\$v=19\$m=19456,t=2,p=1\$"),
        ("[PLAIN, SCRAM-SHA-256]", r"\{SCRAM-SHA-256\}4096,"),
    ],
)
def test_a_password_that_is_out_of_date_is_stored_anew(own_daemon: Daemon, mechanisms: str, form: str) -> None:
    own_daemon.stop()
    configuration = own_daemon.site.configuration
    login = f"\nlogin:\n  upgrade_hashes: true\n  mechanisms: {mechanisms}"
    configuration.write_text(configuration.read_text().replace("\nlogin:", login, 1))
    logins = Logins(own_daemon)
    logins.site.folder.joinpath("users.yaml").unlink()
    logins.write(now=False)
    own_daemon.start()
    users = logins.site.folder / "users.yaml"
    before = users.read_text()
    assert logins.imap(PASSWORD)
    logins.wait_for(lambda: "is stored anew" in logins.log())
    after = users.read_text()
    assert re.sub(r'    password: "[^"]+"', "", after) == re.sub(r'    password: "[^"]+"', "", before)
    assert len(re.findall(form, after)) == 1 and HASHES["phone"] in after
    assert logins.imap(PASSWORD) and logins.imap("phone") and not logins.imap("changed")
