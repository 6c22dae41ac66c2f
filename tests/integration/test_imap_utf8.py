"""Clients that enable UTF8=ACCEPT (RFC 6855) against the daemon."""

from __future__ import annotations

import imaplib

from imapclient import IMAPClient

from tests.integration.daemon import Daemon
from tests.integration.reading import checked, trust
from tests.integration.site import ALICE, HOST, PASSWORD, Site

MAIL = "From: Änn <änn@example.org>\r\nSubject: Grüße\r\n\r\nHällo\r\n".encode()


def imaplib_client(site: Site) -> imaplib.IMAP4_SSL:
    client = imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60)
    client.login(ALICE, PASSWORD)
    return client


def told(answer: tuple[str, list[object]]) -> list[str]:
    return [line.decode() for line in checked(answer) if isinstance(line, bytes)]


def test_imaplib_names_mailboxes_in_utf_8(own_daemon: Daemon) -> None:
    with imaplib_client(own_daemon.site) as client:
        checked(client.append("INBOX", "", "", MAIL))
        checked(client.create("Entw&APw-rfe"))
        checked(client.enable("UTF8=ACCEPT"))
        assert client.utf8_enabled
        for name in ('"Größe & Co"', '"Größe & Co/台北"'):
            checked(client.create(name))
        checked(client.subscribe('"Größe & Co/台北"'))
        names = [line.partition('"/" ')[2] for line in told(client.list())]
        assert [name for name in names if not name.isascii()] == [
            '"Entwürfe"',
            '"Größe & Co"',
            '"Größe & Co/台北"',
        ]
        assert told(client.status('"Größe & Co"', "(MESSAGES)")) == ['"Größe & Co" (MESSAGES 0)']
        assert told(client.lsub('"Größe & Co/"', "%")) == ['() "/" "Größe & Co/台北"']
        checked(client.select("INBOX"))
        checked(client.copy("1", '"Größe & Co"'))
        assert checked(client.select('"Größe & Co"')) == [b"1"]
        assert told(client.search(None, "SUBJECT", '"grüße"')) == ["1"]
        (_, octets), *_ = checked(client.fetch("1", "(BODY.PEEK[])"))
        assert octets == MAIL
    own_daemon.restart()
    with imaplib_client(own_daemon.site) as client:
        names = [line.partition('"/" ')[2] for line in told(client.list())]
        assert {"Entw&APw-rfe", '"Gr&APYA3w-e &- Co"', '"Gr&APYA3w-e &- Co/&U,BTFw-"'} <= set(names)


def test_imapclient_keeps_messages_with_utf_8_in_their_headers(own_daemon: Daemon) -> None:
    site = own_daemon.site
    with IMAPClient(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60) as client:
        client.login(ALICE, PASSWORD)
        assert client.enable("UTF8=ACCEPT") == [b"UTF8=ACCEPT"]
        client.create_folder("Kept")
        client.append("Kept", MAIL)
        client.select_folder("Kept")
        [fetched] = client.fetch(client.search(["SUBJECT", "Grüße".encode()]), ["ENVELOPE", "BODY.PEEK[]"]).values()
    assert fetched[b"ENVELOPE"].subject == "Grüße".encode()
    assert fetched[b"BODY[]"] == MAIL
