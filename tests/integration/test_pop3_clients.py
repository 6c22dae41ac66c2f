"""Mail programs empty their maildrop over POP3: nothing is lost, nothing comes twice."""

from __future__ import annotations

import poplib
from pathlib import Path

import pytest

from tests.integration.account import put_messages, snapshot
from tests.integration.daemon import Daemon
from tests.integration.imap_programs import fetchmail
from tests.integration.mail import DATE, SMALL_MAIL
from tests.integration.programs import require, run
from tests.integration.reading import trust
from tests.integration.site import ALICE, HOST, PASSWORD, Site

SENT = [mail.octets for mail in SMALL_MAIL]
MANY = [
    f"From: Alice <alice@example.org>\r\nSubject: {number}\r\nDate: {DATE}\r\n\r\nText {number}\r\n.\r\n".encode()
    for number in range(2000)
]


@pytest.fixture
def site(lasting_daemon: Daemon) -> Site:
    put_messages(lasting_daemon.site, SENT)
    return lasting_daemon.site


@pytest.fixture
def full_site(lasting_daemon: Daemon) -> Site:
    put_messages(lasting_daemon.site, MANY)
    return lasting_daemon.site


def maildrop(site: Site, *, implicit: bool = True) -> poplib.POP3:
    client: poplib.POP3
    if implicit:
        client = poplib.POP3_SSL(HOST, site.ports["pop3s"], context=trust(site), timeout=60)
    else:
        client = poplib.POP3(HOST, site.ports["pop3"], timeout=60)
        client.stls(trust(site))
    client.user(ALICE)
    client.pass_(PASSWORD)
    return client


def unique_ids(client: poplib.POP3) -> list[bytes]:
    return [line.split()[1] for line in client.uidl()[1]]


def octets(client: poplib.POP3, number: int) -> bytes:
    return b"".join(line + b"\r\n" for line in client.retr(number)[1])


def seen(site: Site) -> list[bool]:
    return [r"\Seen" in flags for flags in snapshot(site).flags()]


# -- poplib -------------------------------------------------------------------------------------------------------


def test_poplib_reads_deletes_and_finds_the_same_after_a_restart(site: Site, lasting_daemon: Daemon) -> None:
    client = maildrop(site)
    assert client.stat() == (len(SENT), sum(map(len, SENT)))
    assert [octets(client, number) for number in range(1, len(SENT))] == SENT[:-1]
    names = unique_ids(client)
    assert len(set(names)) == len(SENT)
    assert client.top(1, 0)[1] == [*SENT[0].partition(b"\r\n\r\n")[0].split(b"\r\n"), b""]
    client.dele(2)
    client.quit()
    assert snapshot(site).octets() == [SENT[0], *SENT[2:]]
    assert seen(site) == [*[True] * (len(SENT) - 2), False]
    lasting_daemon.restart()
    client = maildrop(site, implicit=False)
    assert unique_ids(client) == [names[0], *names[2:]]
    client.quit()


def test_poplib_empties_two_thousand_messages_in_two_sessions(full_site: Site) -> None:
    client = maildrop(full_site)
    names = unique_ids(client)
    assert [octets(client, number) for number in range(1, 2001)] == MANY
    for number in range(1, 2001, 2):
        client.dele(number)
    client.quit()
    client = maildrop(full_site)
    assert unique_ids(client) == names[1::2]
    assert [octets(client, number) for number in range(1, 1001)] == MANY[1::2]
    for number in range(1, 1001):
        client.dele(number)
    client.quit()
    assert snapshot(full_site).octets() == []


# -- fetchmail ----------------------------------------------------------------------------------------------------


def test_fetchmail_empties_the_maildrop(site: Site, tmp_path: Path) -> None:
    fetched = fetchmail(site, ALICE, tmp_path / "fetched", protocol="pop3", options="no rewrite fetchall")
    assert fetched == SENT
    assert snapshot(site).octets() == []


def test_fetchmail_keeps_mail_and_fetches_only_what_is_new(site: Site, lasting_daemon: Daemon, tmp_path: Path) -> None:
    def fetch(name: str) -> list[bytes]:
        folder, ids = tmp_path / name, tmp_path / "ids"
        return fetchmail(site, ALICE, folder, protocol="pop3", options="no rewrite keep", ids=ids)

    assert fetch("1") == SENT
    lasting_daemon.restart()
    assert fetch("2") == []
    put_messages(site, MANY[:1])
    assert fetch("3") == MANY[:1]
    assert snapshot(site).octets() == [*SENT, MANY[0]]


def test_fetchmail_empties_two_thousand_messages(full_site: Site, tmp_path: Path) -> None:
    fetched = fetchmail(full_site, ALICE, tmp_path / "fetched", protocol="pop3", options="no rewrite fetchall")
    assert fetched == MANY
    assert snapshot(full_site).octets() == []


# -- curl ---------------------------------------------------------------------------------------------------------


def curl(site: Site, numbers: str, *options: str | Path) -> bytes:
    url = f"pop3s://localhost:{site.ports['pop3s']}/{numbers}"
    trusted = ["--cacert", site.certificate, "--user", f"{ALICE}:{PASSWORD}"]
    return run([require("curl"), "-sS", *trusted, *options, url]).stdout


def test_curl_reads_the_maildrop(site: Site) -> None:
    assert len(curl(site, "").splitlines()) == len(SENT)
    assert [curl(site, str(number)) for number in range(1, len(SENT) + 1)] == SENT
    assert snapshot(site).octets() == SENT
    assert all(seen(site))


def test_curl_empties_two_thousand_messages(full_site: Site, tmp_path: Path) -> None:
    curl(full_site, "[1-2000]", "-o", tmp_path / "#1.mail")
    assert [(tmp_path / f"{number}.mail").read_bytes() for number in range(1, 2001)] == MANY
    curl(full_site, "[1-1999]", "--head", "-X", "DELE")
    assert snapshot(full_site).octets() == MANY[-1:]
    curl(full_site, "1", "--head", "-X", "DELE")
    assert snapshot(full_site).octets() == []
