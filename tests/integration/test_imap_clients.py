"""Mail programs that people use keep their mail here: headers, bodies, flags, mailboxes, moves, and a restart."""

from __future__ import annotations

import imaplib
import re
import socket
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.integration.daemon import Daemon
from tests.integration.imap_programs import Mbsync, Synced, fetchmail, mutt
from tests.integration.mail import ALL_MAIL, DATE
from tests.integration.programs import require, run
from tests.integration.reading import checked, mailbox, trust
from tests.integration.site import ALICE, HOST, PASSWORD, Site

SOME_MAIL = ALL_MAIL[:-1]
"""All kinds but the large one."""
NOTHING = Synced(0, 0, 0)
TRANSACTION = re.compile(rb"X-TUID: [^\r]*\r\n")


@pytest.fixture
def filled(own_daemon: Daemon) -> Daemon:
    """A daemon with one message of each kind in alice's INBOX."""
    with mailbox(own_daemon.site, ALICE) as client:
        for mail in SOME_MAIL:
            append(client, mail.octets)
    return own_daemon


def append(client: imaplib.IMAP4, octets: bytes, flags: str = "", name: str = "INBOX") -> None:
    checked(client.append(name, flags, '"20-Nov-2026 10:00:00 +0000"', octets))


def state(site: Site, user: str = ALICE) -> dict[str, list[tuple[int, frozenset[bytes], bytes]]]:
    """Every mailbox of the user: UID, flags and octets of each message."""
    with imap_client(site, user) as client:
        found = {}
        for _, _, name in client.list_folders():
            client.select_folder(name, readonly=True)
            fetched = client.fetch(client.search(), ["FLAGS", "BODY.PEEK[]"])
            found[name] = [
                (uid, frozenset(data[b"FLAGS"]) - {rb"\Recent"}, data[b"BODY[]"])
                for uid, data in sorted(fetched.items())
            ]
        return found


def imap_client(site: Site, user: str = ALICE) -> IMAPClient:
    client = IMAPClient(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60)
    client.login(user, PASSWORD)
    return client


def octets_of(site: Site, name: str) -> list[bytes]:
    return [octets for _, _, octets in state(site)[name]]


def flags_of(site: Site, name: str) -> list[frozenset[bytes]]:
    return [flags for _, flags, _ in state(site)[name]]


SENT = [mail.octets for mail in SOME_MAIL]


def test_imapclient_mailboxes(own_daemon: Daemon) -> None:
    with imap_client(own_daemon.site) as client:
        before = {name for _, _, name in client.list_folders()}
        for name in ("Work", "Work/Größe & Co", "Old"):
            client.create_folder(name)
            client.subscribe_folder(name)
        client.rename_folder("Work", "Job")
        client.delete_folder("Old")
        client.unsubscribe_folder("Old")
        after = {name for _, _, name in client.list_folders()}
    assert after - before == {"Job", "Job/Größe & Co"}
    own_daemon.restart()
    with imap_client(own_daemon.site) as client:
        assert {name for _, _, name in client.list_folders()} == after
        assert "Old" not in {name for _, _, name in client.list_sub_folders()}


def test_imapclient_messages_flags_and_restart(filled: Daemon) -> None:
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
    before = state(filled.site)
    kept = [octets for octets in SENT if octets != SENT[3]]
    assert [octets for _, _, octets in before["INBOX"]] == kept
    assert before["INBOX"][0][1] == {rb"\Flagged", b"$Later"}
    assert before["INBOX"][1][1] == {rb"\Answered"}
    assert before["INBOX"][2][1] == {rb"\Flagged"}
    filled.restart()
    assert state(filled.site) == before


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
    assert octets_of(filled.site, "Kept") == SENT[:4]
    assert flags_of(filled.site, "Kept")[1] == {rb"\Seen", b"work"}
    before = state(filled.site)
    filled.restart()
    assert state(filled.site) == before


def test_imaplib_round_trip(filled: Daemon) -> None:
    with mailbox(filled.site, ALICE) as client:
        checked(client.create("Copies"))
        checked(client.copy("1:2", "Copies"))
        checked(client.store("1", "+FLAGS", r"(\Deleted)"))
        assert checked(client.expunge()) == [b"1"]
        (_, header), *_ = checked(client.fetch("1", "(BODY.PEEK[HEADER])"))
        assert header == SENT[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        (_, text), *_ = checked(client.fetch("1", "(RFC822.TEXT)"))
        assert text == SENT[1].partition(b"\r\n\r\n")[2]
    assert octets_of(filled.site, "INBOX") == SENT[1:]
    assert octets_of(filled.site, "Copies") == SENT[:2]
    assert rb"\Seen" in flags_of(filled.site, "INBOX")[0]


def curl(site: Site, path: str, *options: str | Path) -> bytes:
    url = f"imaps://localhost:{site.ports['imaps']}/{path}"
    return run(
        [require("curl"), "-sS", "--cacert", site.certificate, "--user", f"{ALICE}:{PASSWORD}", *options, url]
    ).stdout


def test_curl_round_trip(own_daemon: Daemon, tmp_path: Path) -> None:
    site = own_daemon.site
    curl(site, "", "-X", "CREATE Letters")
    for number, octets in enumerate(SENT):
        (tmp_path / str(number)).write_bytes(octets)
        curl(site, "Letters", "-T", tmp_path / str(number))
    assert b"Letters" in curl(site, "")
    assert [curl(site, f"Letters;UID={uid}") for uid in range(1, len(SENT) + 1)] == SENT
    assert b"SEARCH 1" in curl(site, "Letters?SUBJECT%20Plain")
    curl(site, "Letters", "-X", r"STORE 1 +FLAGS (\Deleted)")
    curl(site, "Letters", "-X", "EXPUNGE")
    assert octets_of(site, "Letters") == SENT[1:]
    curl(site, "", "-X", "DELETE Letters")
    assert "Letters" not in state(site)


@pytest.mark.parametrize("protocol", ["imap"])
def test_fetchmail_takes_all_mail(filled: Daemon, tmp_path: Path, protocol: str) -> None:
    fetched = fetchmail(filled.site, ALICE, tmp_path / "fetched", protocol=protocol, options="no rewrite fetchall")
    bodies = [octets.partition(b"\n\n")[2] for octets in fetched]
    assert bodies == [octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2] for octets in SENT]
    assert state(filled.site)["INBOX"] == []


def test_fetchmail_keeps_mail_and_marks_it_seen(filled: Daemon, tmp_path: Path) -> None:
    options = "no rewrite keep"
    assert len(fetchmail(filled.site, ALICE, tmp_path / "1", protocol="imap", options=options)) == len(SENT)
    assert octets_of(filled.site, "INBOX") == SENT
    assert all(rb"\Seen" in flags for flags in flags_of(filled.site, "INBOX"))


def test_mutt_moves_flags_and_deletes(filled: Daemon, tmp_path: Path) -> None:
    with imap_client(filled.site) as client:
        client.create_folder("Kept")
    keys = (
        "<first-entry><flag-message>"
        "<jump>2<enter><delete-message>"
        "<jump>3<enter><save-message>=Kept<enter>"
        "<jump>4<enter><display-message><exit>"
        "<quit>"
    )
    mutt(filled.site, ALICE, tmp_path / "mutt", keys)
    assert octets_of(filled.site, "INBOX") == [SENT[0], *SENT[3:]]
    assert octets_of(filled.site, "Kept") == [SENT[2]]
    flags = flags_of(filled.site, "INBOX")
    assert rb"\Flagged" in flags[0]
    assert rb"\Seen" in flags[1]


def small_mail(number: int) -> bytes:
    return (
        f"From: Alice <alice@example.org>\r\nSubject: Message {number}\r\nDate: {DATE}\r\n"
        f"Message-ID: <{number}@mbsync.example.org>\r\n\r\nThe text of message {number}.\r\n"
    ).encode()


def pushed(site: Site, name: str) -> list[bytes]:
    """The messages without the field by which mbsync finds again what it pushes."""
    return [TRANSACTION.sub(b"", octets, count=1) for octets in octets_of(site, name)]


def put(folder: Path, name: str, octets: bytes) -> None:
    (folder / name).write_bytes(octets.replace(b"\r\n", b"\n"))


def test_mbsync_syncs_two_thousand_messages_both_ways_and_then_has_nothing_to_do(
    own_daemon: Daemon, tmp_path: Path
) -> None:
    site, program = own_daemon.site, Mbsync(own_daemon.site, ALICE, tmp_path / "mbsync")
    with mailbox(site, ALICE) as client:
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(1000):
            append(client, small_mail(number))
    for number in range(1000, 2000):
        put(program.mailbox() / "new", f"1700000000.M{number}P1.client", small_mail(number))
    far, near = program.sync()
    assert (far.added, near.added) == (1000, 1000)
    assert program.sync() == (NOTHING, NOTHING)
    assert sorted(pushed(site, "INBOX")) == sorted(small_mail(number) for number in range(2000))
    own_daemon.restart()
    assert program.sync() == (NOTHING, NOTHING)


def test_mbsync_brings_flags_mailboxes_and_removals_both_ways(filled: Daemon, tmp_path: Path) -> None:
    site, program = filled.site, Mbsync(filled.site, ALICE, tmp_path / "mbsync")
    for part in ("cur", "new", "tmp"):
        (program.mailbox("Made") / part).mkdir(parents=True)
    put(program.mailbox("Made") / "new", "1700000000.M1P1.client", SENT[0])
    program.sync()
    assert pushed(site, "Made") == [SENT[0]]
    assert len(program.messages()) == len(SENT)
    with imap_client(site) as client:
        client.select_folder("INBOX")
        client.add_flags([1], [rb"\Flagged"])
        client.delete_messages([2])
        client.expunge()
    removed, seen = sorted(program.messages(), key=lambda path: path.stat().st_size)[-2:]
    gone = removed.read_bytes().replace(b"\n", b"\r\n")
    removed.unlink()
    seen.rename(program.mailbox() / "cur" / f"{seen.name.partition(':')[0]}:2,S")
    program.sync()
    assert program.sync() == (NOTHING, NOTHING)
    assert len(program.messages()) == len(SENT) - 2
    assert any("F" in path.name.partition(":2,")[2] for path in program.messages())
    assert gone not in octets_of(site, "INBOX")
    assert sum(rb"\Seen" in flags for flags in flags_of(site, "INBOX")) == 1
