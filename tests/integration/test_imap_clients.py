"""Mail programs that people use keep their mail here: headers, bodies, flags, mailboxes, moves, and a restart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.integration.account import snapshot
from tests.integration.daemon import Daemon
from tests.integration.imap_programs import fetchmail, mutt
from tests.integration.mail import SMALL_MAIL
from tests.integration.programs import require, run
from tests.integration.reading import checked, mailbox, trust
from tests.integration.site import ALICE, HOST, PASSWORD, Site

SENT = [mail.octets for mail in SMALL_MAIL]
DATE = '"20-Nov-2026 10:00:00 +0000"'
COUNTED_BY_MUTT = re.compile(rb"Content-Length: [0-9]+\r\nLines: [0-9]+\r\n")


@pytest.fixture
def filled(lasting_daemon: Daemon) -> Daemon:
    """A daemon with one message of each kind in alice's INBOX; what becomes of them must outlast a restart."""
    with mailbox(lasting_daemon.site, ALICE) as client:
        for octets in SENT:
            checked(client.append("INBOX", "", DATE, octets))
    return lasting_daemon


def octets_of(site: Site, name: str = "INBOX") -> list[bytes]:
    return snapshot(site).octets(name)


def flags_of(site: Site, name: str = "INBOX") -> list[frozenset[str]]:
    return snapshot(site).flags(name)


# -- imapclient ---------------------------------------------------------------------------------------------------


def imap_client(site: Site, user: str = ALICE) -> IMAPClient:
    client = IMAPClient(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60)
    client.login(user, PASSWORD)
    return client


def test_imapclient_mailboxes(lasting_daemon: Daemon) -> None:
    with imap_client(lasting_daemon.site) as client:
        before = {name for _, _, name in client.list_folders()}
        for name in ("Work", "Work/Größe & Co", "Old"):
            client.create_folder(name)
            client.subscribe_folder(name)
        client.rename_folder("Work", "Job")
        client.delete_folder("Old")
        client.unsubscribe_folder("Old")
        assert {name for _, _, name in client.list_folders()} - before == {"Job", "Job/Größe & Co"}
        assert "Old" not in {name for _, _, name in client.list_sub_folders()}


def test_imapclient_mod_sequences_and_a_restart(filled: Daemon) -> None:
    with imap_client(filled.site) as client:
        client.enable("CONDSTORE")
        before = client.select_folder("INBOX")[b"HIGHESTMODSEQ"]
        client.add_flags([2], [rb"\Flagged"])
        changed = client.fetch(client.search(), ["FLAGS"], [f"CHANGEDSINCE {before}"])
        assert changed.keys() == {2} and changed[2][b"MODSEQ"][0] > before
        now = client.folder_status("INBOX", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]
        assert now == changed[2][b"MODSEQ"][0]
    filled.restart()
    with imap_client(filled.site) as client:
        assert client.select_folder("INBOX")[b"HIGHESTMODSEQ"] == now
        assert client.fetch(client.search(), ["FLAGS"], [f"CHANGEDSINCE {before}"]).keys() == {2}


def test_imapclient_messages_and_flags(filled: Daemon) -> None:
    with imap_client(filled.site) as client:
        client.select_folder("INBOX")
        client.add_flags([1, 3], [rb"\Flagged", b"$Later"])
        client.set_flags([2], [rb"\Answered"])
        client.remove_flags([3], [b"$Later"])
        assert client.search(["FLAGGED"]) == [1, 3]
        assert client.search(["KEYWORD", "$Later"]) == [1]
        client.delete_messages([4])
        client.expunge()
        assert 4 not in client.search()
    assert octets_of(filled.site) == [octets for octets in SENT if octets != SENT[3]]
    assert flags_of(filled.site)[:3] == [{r"\Flagged", "$Later"}, {r"\Answered"}, {r"\Flagged"}]


def test_imapclient_headers_envelope_and_structure(filled: Daemon) -> None:
    with imap_client(filled.site) as client:
        client.select_folder("INBOX", readonly=True)
        fetched = client.fetch(
            client.search(), ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"]
        )
    assert [data[b"RFC822.SIZE"] for data in fetched.values()] == list(map(len, SENT))
    assert fetched[1][b"BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: Plain text\r\n\r\n"
    assert fetched[1][b"ENVELOPE"].subject == b"Plain text"
    assert str(fetched[1][b"ENVELOPE"].to[0]) == "Bob <bob@example.net>"
    assert fetched[3][b"BODYSTRUCTURE"].is_multipart
    assert len(fetched[4][b"BODYSTRUCTURE"][0]) == 3


def test_imapclient_copies_and_moves(filled: Daemon) -> None:
    with imap_client(filled.site) as client:
        client.create_folder("Kept")
        client.select_folder("INBOX")
        client.add_flags([2], [rb"\Seen", b"work"])
        client.copy([1, 2], "Kept")
        client.move([3, 4], "Kept")
        assert client.search() == [1, 2, 5, 6, 7, 8]
    assert octets_of(filled.site) == [*SENT[:2], *SENT[4:]]
    assert octets_of(filled.site, "Kept") == SENT[:4]
    assert flags_of(filled.site, "Kept")[1] == {r"\Seen", "work"}


# -- imaplib ------------------------------------------------------------------------------------------------------


def test_imaplib_mailboxes(filled: Daemon) -> None:
    with mailbox(filled.site, ALICE) as client:
        for name in ("Copies", "Copies/Deep", "Gone"):
            checked(client.create(name))
            checked(client.subscribe(name))
        checked(client.copy("1:2", "Copies/Deep"))
        checked(client.rename("Copies", "Kept"))
        checked(client.delete("Gone"))
        checked(client.unsubscribe("Gone"))
    account = snapshot(filled.site)
    assert {"Kept", "Kept/Deep"} <= account.mailboxes.keys()
    assert not {"Copies", "Copies/Deep", "Gone"} & account.mailboxes.keys()
    assert "Gone" not in account.subscriptions
    assert account.octets("Kept/Deep") == SENT[:2]


def test_imaplib_messages(filled: Daemon) -> None:
    with mailbox(filled.site, ALICE) as client:
        checked(client.create("Copies"))
        checked(client.copy("1:2", "Copies"))
        checked(client.xatom("MOVE", "3", "Copies"))
        checked(client.store("1", "+FLAGS", r"(\Deleted)"))
        checked(client.expunge())
        checked(client.append("Copies", r"(\Flagged $Later)", '"01-Feb-2003 04:05:06 +0700"', SENT[3]))
        (_, header), *_ = checked(client.fetch("1", "(BODY.PEEK[HEADER])"))
        assert header == SENT[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        (_, text), *_ = checked(client.fetch("1", "(RFC822.TEXT)"))
        assert text == SENT[1].partition(b"\r\n\r\n")[2]
    account = snapshot(filled.site)
    assert account.octets() == [SENT[1], *SENT[3:]]
    assert account.flags()[0] == {r"\Seen"}
    assert account.octets("Copies") == SENT[:4]
    appended = account.mailboxes["Copies"].messages[-1]
    assert (appended.flags, appended.internal_date) == ({r"\Flagged", "$Later"}, "31-Jan-2003 21:05:06 +0000")


# -- curl ---------------------------------------------------------------------------------------------------------


def curl(site: Site, path: str, *options: str | Path) -> bytes:
    url = f"imaps://localhost:{site.ports['imaps']}/{path}"
    return run(
        [require("curl"), "-sS", "--cacert", site.certificate, "--user", f"{ALICE}:{PASSWORD}", *options, url]
    ).stdout


def test_curl_round_trip(lasting_daemon: Daemon, tmp_path: Path) -> None:
    site = lasting_daemon.site
    for name in ("Letters", "Kept", "Gone"):
        curl(site, "", "-X", f"CREATE {name}")
    for number, octets in enumerate(SENT):
        (tmp_path / str(number)).write_bytes(octets)
        curl(site, "Letters", "-T", tmp_path / str(number))
    assert b"Letters" in curl(site, "")
    assert [curl(site, f"Letters;UID={uid}") for uid in range(1, len(SENT) + 1)] == SENT
    header = curl(site, "Letters;UID=1;SECTION=HEADER")
    assert header == SENT[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert b"SEARCH 1" in curl(site, "Letters?SUBJECT%20Plain")
    curl(site, "Letters", "-X", r"STORE 1 +FLAGS (\Deleted)")
    curl(site, "Letters", "-X", "EXPUNGE")
    curl(site, "Letters", "-X", r"STORE 1 +FLAGS (\Flagged)")
    curl(site, "Letters", "-X", "COPY 1 Kept")
    curl(site, "Letters", "-X", "MOVE 2 Kept")
    curl(site, "", "-X", "RENAME Kept Held")
    curl(site, "", "-X", "DELETE Gone")
    account = snapshot(site)
    assert account.octets("Letters") == [SENT[1], *SENT[3:]]
    assert account.octets("Held") == SENT[1:3]
    assert account.flags("Held")[0] >= {r"\Flagged"}
    assert not {"Kept", "Gone"} & account.mailboxes.keys()


# -- fetchmail ----------------------------------------------------------------------------------------------------


def test_fetchmail_takes_all_mail(filled: Daemon, tmp_path: Path) -> None:
    fetched = fetchmail(filled.site, ALICE, tmp_path / "fetched", protocol="imap", options="no rewrite fetchall")
    assert fetched == SENT
    assert octets_of(filled.site) == []


def test_fetchmail_keeps_mail_and_marks_it_seen(filled: Daemon, tmp_path: Path) -> None:
    options = "no rewrite keep"
    assert fetchmail(filled.site, ALICE, tmp_path / "1", protocol="imap", options=options) == SENT
    assert octets_of(filled.site) == SENT
    assert all(r"\Seen" in flags for flags in flags_of(filled.site))


def test_fetchmail_empties_another_mailbox(filled: Daemon, tmp_path: Path) -> None:
    with mailbox(filled.site, ALICE) as client:
        checked(client.create("Kept"))
        checked(client.xatom("MOVE", "1:3", "Kept"))
    options = 'no rewrite fetchall folder "Kept"'
    assert fetchmail(filled.site, ALICE, tmp_path / "fetched", protocol="imap", options=options) == SENT[:3]
    account = snapshot(filled.site)
    assert (account.octets("Kept"), account.octets()) == ([], SENT[3:])


# -- mutt ---------------------------------------------------------------------------------------------------------


def test_mutt_flags_moves_and_deletes(filled: Daemon, tmp_path: Path) -> None:
    keys = (
        "<first-entry><flag-message>"
        "<jump>2<enter><delete-message>"
        "<jump>3<enter><save-message>=Kept<enter>"
        "<jump>4<enter><display-message><exit>"
        "<jump>5<enter><copy-message>=Kept<enter>"
        "<quit>"
    )
    mutt(filled.site, ALICE, tmp_path / "mutt", keys)
    account = snapshot(filled.site)
    assert account.octets() == [SENT[0], *SENT[3:]]
    assert account.octets("Kept") == [SENT[2], SENT[4]]
    assert r"\Flagged" in account.flags()[0]
    assert r"\Seen" in account.flags()[1]


def test_mutt_mailboxes(filled: Daemon, tmp_path: Path) -> None:
    keys = (
        "<change-folder>?"
        "<create-mailbox><kill-line>=Made<enter>"
        "<create-mailbox><kill-line>=Gone<enter>"
        "<search>Made<enter><rename-mailbox><kill-line>Renamed<enter>"
        "<search>Gone<enter><delete-mailbox>y"
        "<exit><jump>2<enter><copy-message>=Renamed<enter><quit>"
    )
    before = snapshot(filled.site).mailboxes.keys()
    mutt(filled.site, ALICE, tmp_path / "mutt", keys)
    account = snapshot(filled.site)
    assert account.mailboxes.keys() - before == {"Renamed"}
    assert account.octets("Renamed") == [SENT[1]]


def test_mutt_reads_every_octet(filled: Daemon, tmp_path: Path) -> None:
    out = tmp_path / "out"
    keys = (
        f"<enter-command>set mbox_type=Maildir<enter><tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><quit>"
    )
    mutt(filled.site, ALICE, tmp_path / "mutt", keys)
    copied = [path.read_bytes().replace(b"\n", b"\r\n") for path in out.rglob("*") if path.is_file()]
    assert sorted(COUNTED_BY_MUTT.sub(b"", octets, count=1) for octets in copied) == sorted(SENT)
    assert octets_of(filled.site) == SENT
