"""Mail programs empty their maildrop over POP3."""

from __future__ import annotations

import poplib
from pathlib import Path

from tests.integration.daemon import Daemon
from tests.integration.imap_programs import fetchmail
from tests.integration.mail import ALL_MAIL
from tests.integration.programs import require, run
from tests.integration.reading import all_stored, checked, mailbox, trust
from tests.integration.site import ALICE, HOST, PASSWORD, Site

SENT = [mail.octets for mail in ALL_MAIL[:-1]]
"""All kinds but the large one."""


def fill(site: Site) -> None:
    with mailbox(site, ALICE) as client:
        for octets in SENT:
            checked(client.append("INBOX", "", '"20-Nov-2026 10:00:00 +0000"', octets))


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


def test_poplib_reads_deletes_and_finds_the_same_after_a_restart(own_daemon: Daemon) -> None:
    site = own_daemon.site
    fill(site)
    client = maildrop(site)
    assert client.stat() == (len(SENT), sum(map(len, SENT)))
    assert [b"\r\n".join(client.retr(number)[1]) + b"\r\n" for number in range(1, len(SENT) + 1)] == SENT
    names = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(names)) == len(SENT)
    assert client.top(1, 0)[1] == [*SENT[0].partition(b"\r\n\r\n")[0].split(b"\r\n"), b""]
    client.dele(2)
    client.quit()
    assert [stored.octets for stored in all_stored(site, ALICE)] == [SENT[0], *SENT[2:]]
    own_daemon.restart()
    client = maildrop(site, implicit=False)
    assert [line.split()[1] for line in client.uidl()[1]] == [names[0], *names[2:]]
    client.quit()


def test_fetchmail_empties_the_maildrop(own_daemon: Daemon, tmp_path: Path) -> None:
    fill(own_daemon.site)
    fetched = fetchmail(own_daemon.site, ALICE, tmp_path / "fetched", protocol="pop3", options="no rewrite fetchall")
    bodies = [octets.partition(b"\n\n")[2] for octets in fetched]
    assert bodies == [octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2] for octets in SENT]
    assert all_stored(own_daemon.site, ALICE) == []


def test_curl_reads_the_maildrop(own_daemon: Daemon) -> None:
    fill(own_daemon.site)
    url = f"pop3s://localhost:{own_daemon.site.ports['pop3s']}/"
    command = [require("curl"), "-sS", "--cacert", own_daemon.site.certificate, "--user", f"{ALICE}:{PASSWORD}"]
    assert len(run([*command, url]).stdout.splitlines()) == len(SENT)
    assert [run([*command, f"{url}{number}"]).stdout for number in range(1, len(SENT) + 1)] == SENT
