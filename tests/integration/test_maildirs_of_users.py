"""Maildirs where a realm has them, on a real daemon: every way in finds the same one, and what cannot be is put off."""

from __future__ import annotations

import base64
import imaplib
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.daemon import Daemon, running
from tests.integration.directory_site import LONG, at_rcpt, by_imap, by_pop3, realm_keys, use
from tests.integration.reading import trust
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, UNLIMITED_HOST, Site, make_site
from tests.integration.slapd import make_slapd, person, serving
from tests.integration.test_explain import explained

SECONDS = 30.0


def housed(name: str, *values: str | bytes) -> str:
    """An entry whose descriptions say where the Maildir lies."""
    encoded = (value if isinstance(value, bytes) else value.encode() for value in values)
    return person(name, *(f"description:: {base64.b64encode(value).decode()}" for value in encoded))


WRONG: dict[str, tuple[str | bytes, ...]] = {
    "missing": (),
    "two": ("staff/two", "staff/three"),
    "upwards": ("../../root",),
    "through": ("staff/../../../root",),
    "outside": ("/root",),
    "nul": (b"staff/nul\0x",),
    "blank": (" ",),
    "dotted": (".mail",),
    "bobs": ("example.net/bob/Maildir",),
    "carols": ("example.org/carol/Maildir",),
    "linked": ("link/linked",),
    "file": ("file",),
    "foreign": ("foreign",),
    "within": ("staff/alice/within",),
    "same": ("staff/alice",),
    "around": ("staff",),
}
"""What the directory says of users whom nobody can house."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd, attributes={"maildir": "description"}))
    prepare(site)
    entries = housed("alice", "staff/alice") + "".join(housed(name, *said) for name, said in WRONG.items())
    with serving(slapd, entries), running(site) as served:
        yield served


def prepare(site: Site) -> None:
    """What lies in the store already: a link out of it, a file, and a folder of another system user's."""
    root = site.folder / "maildirs"
    root.mkdir()
    (site.folder / "elsewhere").mkdir()
    (root / "link").symlink_to(site.folder / "elsewhere")
    (root / "file").write_text("")
    (root / "foreign").mkdir()
    (root / "foreign").chmod(0o755)
    subprocess.run(["chown", "12345", str(root / "foreign")], check=True)


def send(site: Site, recipient: str, text: str = "hello") -> None:
    with smtplib.SMTP(HOST, site.ports["smtp"], timeout=LONG, source_address=(UNLIMITED_HOST, 0)) as client:
        client.sendmail("someone@example.com", [recipient], f"Message-Id: <{text}@example.com>\r\n\r\n{text}\r\n")


def by_lmtp(site: Site, recipient: str) -> int:
    with smtplib.LMTP(str(site.lmtp_socket)) as client:
        client.ehlo("relay.example.com")
        client.mail("someone@example.com")
        return client.rcpt(recipient)[0]


def count_by_imap(site: Site, user: str) -> int:
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=LONG) as client:
        client.login(user, PASSWORD)
        return int(client.select("INBOX", readonly=True)[1][0] or b"0")


def mailboxctl(site: Site, *arguments: str) -> str:
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.configuration), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_ways_lead_to_one_place(daemon: Daemon) -> None:
    site = daemon.site
    send(site, ALICE)
    assert "now in INBOX" in explained(site, "hello@example.com", "now in INBOX")
    with smtplib.LMTP(str(site.lmtp_socket)) as client:
        client.sendmail("someone@example.com", [ALICE], "Subject: two\r\n\r\nhello\r\n")
    place = site.folder / "maildirs/staff/alice"
    assert len(list((place / "new").iterdir())) == 2
    assert count_by_imap(site, ALICE) == 2
    assert by_pop3(site).startswith("+OK")
    mailboxctl(site, "store", "verify", ALICE)
    daemon.stop()
    mailboxctl(site, "store", "verify", ALICE)
    assert site.maildir(ALICE).readlink() == Path("../../staff/alice")


def test_what_cannot_be_is_put_off_and_told_once(daemon: Daemon) -> None:
    site = daemon.site
    send(site, ALICE)
    for name in WRONG:
        user = f"{name}@example.org"
        assert at_rcpt(site, user) == 451, name
        assert by_lmtp(site, user) == 451, name
        assert "[UNAVAILABLE]" in by_imap(site, user), name
        assert "[SYS/TEMP]" in by_pop3(site, user), name
    assert count_by_imap(site, ALICE) == 1
    assert list((site.folder / "elsewhere").iterdir()) == []
    text = daemon.log_text()
    for name in ("outside", "bobs", "linked", "foreign", "same"):
        assert text.count(f"No mail for {name}@example.org") == 1, name


def test_a_site_whose_disk_is_not_mounted(tmp_path: Path) -> None:
    """Nobody's mail is taken into folders that the disk would hide later."""
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd))
    refuse_to_make(site)
    with serving(slapd, person("alice")), running(site) as daemon:
        assert_put_off(site, ALICE)
        assert_put_off(site, BOB)  # of the realm that is a file
        assert not site.maildir(ALICE).exists()
        assert "provision" in daemon.log_text()
        for part in ("cur", "new", "tmp"):
            (site.maildir(ALICE) / part).mkdir(parents=True)
        send(site, ALICE)
        assert count_by_imap(site, ALICE) == 1


def refuse_to_make(site: Site) -> None:
    configuration = yaml.safe_load(site.configuration.read_text())
    for realm in configuration["realms"].values():
        realm["provision"] = False
    site.configuration.write_text(yaml.safe_dump(configuration))


def assert_put_off(site: Site, user: str) -> None:
    assert at_rcpt(site, user) == 451
    assert "[UNAVAILABLE]" in by_imap(site, user)
    assert "[SYS/TEMP]" in by_pop3(site, user)


def test_a_file_of_users_says_it_too(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    users = site.folder / "users.yaml"
    said = yaml.safe_load(users.read_text())
    said["users"][BOB]["maildir"] = "staff/bob"
    users.write_text(yaml.safe_dump(said))
    with running(site):
        send(site, BOB)
        assert count_by_imap(site, BOB) == 1
    assert (site.folder / "maildirs/staff/bob/cur").is_dir()
