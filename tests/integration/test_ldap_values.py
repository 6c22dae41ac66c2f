"""What a real OpenLDAP server says of users that no daemon can work with, and addresses that it thinks alike."""

from __future__ import annotations

import base64
import imaplib
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.tally import IN_FULL
from tests.integration.daemon import Daemon, running
from tests.integration.directory_site import LONG, at_rcpt, by_imap, realm_keys, use
from tests.integration.programs import require
from tests.integration.reading import trust
from tests.integration.site import HOST, PASSWORD, UNLIMITED_HOST, Site, make_site
from tests.integration.slapd import SUFFIX, Slapd, make_slapd, person, serving

MANY = 100_000 if IN_FULL else 5_000
"""Entries of one address; making them takes the most of the time."""

ENTRIES = {
    "two values": (person("anna", "mail: anna.b@example.org"), "anna@example.org"),
    "a quota that is none": (person("dora", "description: much"), "dora@example.org"),
    "two quotas": (person("emma", "description: 1000", "description: 2000"), "emma@example.org"),
}
"""Of each kind an entry, and the address that finds it."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    attributes = {"quota": "description"}
    use(site, slapd, realm_keys(slapd, attributes=attributes, cache=0))
    entries = person("bob") + "".join(entry for entry, _ in ENTRIES.values())
    with serving(slapd, entries), running(site) as served:
        yield served


def test_attack_93_entries_that_say_what_cannot_be(daemon: Daemon) -> None:
    for kind, (_, address) in ENTRIES.items():
        assert at_rcpt(daemon.site, f'".up"{address[3:]}' if address[0] == "." else address) in (451, 501, 553), kind
        assert by_imap(daemon.site, address) != "OK", kind
    assert at_rcpt(daemon.site, "bob@example.org") == 250


def test_attack_93_no_entry_one_two_and_very_many(tmp_path: Path) -> None:
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd, timeout="1 min"))
    crowd = "".join(person(f"crowd{number}").replace(f"crowd{number}@", "crowd@") for number in range(MANY))
    twins = "".join(person(name).replace(f"{name}@", "twin@") for name in ("castor", "pollux"))
    with serving(slapd, person("alice") + twins):
        slapd.stop()
        add_offline(slapd, crowd)
        slapd.start()
        with running(site):
            answers = [at_rcpt(site, f"{name}@example.org") for name in ("alice", "nobody", "twin", "crowd")]
            assert answers == [250, 550, 451, 451]
            assert "[UNAVAILABLE]" in by_imap(site, "crowd@example.org")
            assert by_imap(site, "alice@example.org") == "OK"


def add_offline(slapd: Slapd, ldif: str) -> None:
    """Add entries while the server does not run."""
    path = slapd.folder / "more.ldif"
    path.write_text(ldif)
    command = [require("slapadd"), "-q", "-f", str(slapd.folder / "slapd.conf"), "-b", SUFFIX, "-l", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=5 * LONG, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


def deliver(site: Site, recipient: str) -> int:
    """What came of it, in a session that may name addresses in UTF-8."""
    with smtplib.SMTP(HOST, site.ports["smtp"], timeout=LONG, source_address=(UNLIMITED_HOST, 0)) as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        client.mail("someone@example.com", ["SMTPUTF8"])
        code, _ = client.rcpt(recipient)
        return client.data("Subject: x\r\n\r\nx\r\n")[0] if code == 250 else code


def log_in(site: Site, user: str) -> bool:
    said = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=LONG) as client:
        try:
            return client._simple_command("AUTHENTICATE", "PLAIN", said)[0] == "OK"  # type: ignore[attr-defined]
        except imaplib.IMAP4.error:
            return False


SPELLINGS = ("bob", "Bob", "BOB", "BOB ", " bob", "b ob", "\uff42ob", "bo\u0308b", "b\u00adob", "b\u043eb")


def test_attack_96_spellings_are_one_user_or_none(daemon: Daemon) -> None:
    site = daemon.site
    taken = logged_in = 0
    for name in SPELLINGS:
        quoted = f'"{name}"' if " " in name else name
        code = deliver(site, f"{quoted}@example.org")
        assert code in (250, 550, 553, 501), (name, code)
        taken += code == 250
        logged_in += log_in(site, f"{quoted}@example.org")
    assert taken >= 3
    assert logged_in >= 3
    assert [path.name for path in (site.folder / "maildirs/example.org").iterdir()] == ["bob"]
    assert len(site.message_files("bob@example.org")) == taken
