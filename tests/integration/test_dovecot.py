"""Dovecot and mailboxd over one Maildir, in turn: each finds what the other one left, as it was."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mailbox_d.store.boot import boot_id, process_start
from tests.integration.account import Account, account_of
from tests.integration.dovecot import SharedSite, shared_site
from tests.integration.mail import SMALL_MAIL, plain
from tests.integration.reading import checked
from tests.integration.site import ALICE, HOST, PASSWORD

ENTWURF = '"Entw&APw-rfe"'
DEEP = '"&ZeVnLIqe-/2026 a&-b/Gr&APYA3w-e"'
COPY_UID = re.compile(rb"COPYUID \d+ ([\d:,]+) ([\d:,]+)")


@pytest.fixture
def shared() -> Iterator[SharedSite]:
    with shared_site() as site:
        yield site


@contextmanager
def logged_in(port: int) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4(HOST, port, timeout=60)
    try:
        checked(client.login(ALICE, PASSWORD))
        yield client
    finally:
        client.logout()


@contextmanager
def served(shared: SharedSite, *, by_dovecot: bool) -> Iterator[tuple[imaplib.IMAP4, Path, int]]:
    """One of the servers runs: a client of it, its LMTP socket and its POP3 port."""
    if by_dovecot:
        with shared.dovecot_runs() as dovecot, logged_in(dovecot.imap) as client:
            yield client, dovecot.lmtp_socket, dovecot.pop3
    else:
        with shared.mailboxd_runs() as site, logged_in(site.ports["imap"]) as client:
            yield client, site.lmtp_socket, site.ports["pop3"]


def seen(client: imaplib.IMAP4) -> Account:
    """The account without what each server may say of a mailbox in its own way."""
    account = account_of(client)
    mailboxes = {name: replace(each, attributes=frozenset()) for name, each in account.mailboxes.items()}
    return replace(account, mailboxes=mailboxes)


def statuses(client: imaplib.IMAP4, names: Iterable[str]) -> list[dict[bytes, bytes]]:
    """What STATUS says of mailboxes that nobody has open."""
    return [_status(client, name) for name in names]


def _status(client: imaplib.IMAP4, name: str) -> dict[bytes, bytes]:
    (line,) = checked(client.status(f'"{name}"', "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"))
    assert isinstance(line, bytes)
    return dict(re.findall(rb"([A-Z]+) (\d+)", line.rpartition(b"(")[2]))


def unique_ids(port: int) -> list[bytes]:
    client = poplib.POP3(HOST, port, timeout=60)
    client.user(ALICE)
    client.pass_(PASSWORD)
    lines: list[bytes] = client.uidl()[1]
    client.quit()
    return lines


def deliver(socket: Path, subject: str) -> None:
    with smtplib.LMTP(str(socket)) as client:
        message = f"From: a@example.com\r\nSubject: {subject}\r\n\r\nBody of {subject}\r\n".encode()
        assert client.sendmail("a@example.com", [ALICE], message) == {}


def change(client: imaplib.IMAP4, socket: Path, turn: int) -> None:
    """Everything that clients do to an account: fill it, flag, copy, move and remove messages, arrange mailboxes."""
    arrange_mailboxes(client, turn)
    fill(client, socket, turn)
    checked(client.select("INBOX"))
    rearrange(client, turn)


def arrange_mailboxes(client: imaplib.IMAP4, turn: int) -> None:
    if turn == 0:
        for name in (ENTWURF, DEEP):
            checked(client.create(name))
            checked(client.subscribe(name))
    checked(client.create(f'"Turn &IKw-{turn}"'))
    checked(client.create('"Passing"'))
    checked(client.append("Passing", None, None, plain().octets))  # type: ignore[arg-type]
    checked(client.rename('"Passing"', f'"Turn &IKw-{turn}/Stayed"'))
    checked(client.subscribe(f'"Turn &IKw-{turn}/Stayed"'))
    checked(client.create('"Passing"'))
    checked(client.delete('"Passing"'))
    checked(client.unsubscribe(DEEP) if turn % 2 else client.subscribe(DEEP))


def fill(client: imaplib.IMAP4, socket: Path, turn: int) -> None:
    for number in range(3):
        deliver(socket, f"delivered {turn}.{number}")
    for number, mail in enumerate(SMALL_MAIL):
        flags = rf"(\Seen $Turn{turn} Kw{number})" if number % 2 else r"(\Draft)" if number % 3 else "()"
        date = imaplib.Time2Internaldate(1_600_000_000 + 86_399 * (turn * 100 + number))
        checked(client.append("INBOX", flags, date, mail.octets))
    deliver(socket, f"delivered last {turn}")


def rearrange(client: imaplib.IMAP4, turn: int) -> None:
    uids = checked(client.uid("SEARCH", "ALL"))[0]
    assert isinstance(uids, bytes)
    newest = [int(uid) for uid in uids.split()][-12:]
    checked(client.uid("STORE", f"{newest[0]}:{newest[3]}", "+FLAGS", rf"(\Flagged $Said{turn})"))
    checked(client.uid("STORE", f"{newest[2]}:{newest[5]}", "+FLAGS", r"(\Answered $Common)"))
    checked(client.uid("STORE", f"{newest[3]}", "FLAGS", r"(\Seen)"))
    checked(client.uid("STORE", "1:*", "-FLAGS", "($Common)" if turn % 2 else "(Kw1)"))
    checked(client.uid("COPY", f"{newest[0]}:{newest[4]}", ENTWURF))
    checked(client.uid("COPY", f"{newest[1]}", "INBOX"))
    checked(client.xatom("UID", "MOVE", f"{newest[4]}:{newest[6]}", DEEP))
    checked(client.uid("STORE", f"{newest[7]}", "+FLAGS", r"(\Deleted)"))
    checked(client.expunge())
    checked(client.uid("STORE", f"{newest[8]}", "+FLAGS", r"(\Deleted)"))


def flags_of_first(client: imaplib.IMAP4) -> set[str]:
    (line,) = checked(client.fetch("1", "(FLAGS)"))
    assert isinstance(line, bytes)
    return {flag.decode() for flag in imaplib.ParseFlags(line)} - {r"\Recent"}


def test_each_server_finds_what_the_other_one_left(shared: SharedSite) -> None:
    before: Account | None = None
    told: list[bytes] = []
    counts: list[dict[bytes, bytes]] = []
    for turn in range(4):
        with served(shared, by_dovecot=turn % 2 == 1) as (client, socket, pop3):
            if before is not None:
                assert statuses(client, before.mailboxes) == counts
                assert unique_ids(pop3) == told
                assert seen(client) == before
            change(client, socket, turn)
            before = seen(client)
            counts = statuses(client, before.mailboxes)
            told = unique_ids(pop3)


def test_both_servers_tell_the_unique_ids_of_the_server_before_them(shared: SharedSite) -> None:
    """What a POP3 client loaded from yet another server, it loads from neither again (`P` in the list)."""
    with served(shared, by_dovecot=False) as (_, socket, pop3):
        for number in range(3):
            deliver(socket, f"message {number}")
        told = unique_ids(pop3)
    uidlist = shared.site.maildir(ALICE) / "dovecot-uidlist"
    text = uidlist.read_bytes()
    assert text.count(b"\n2 :") == 1
    uidlist.write_bytes(text.replace(b"\n2 :", b"\n2 Pcourier-4711 :"))
    expected = [told[0], b"2 courier-4711", told[2]]
    for turn in range(3):
        with served(shared, by_dovecot=turn % 2 == 0) as (_, socket, pop3):
            assert unique_ids(pop3) == expected
            deliver(socket, f"further message {turn}")
            expected = unique_ids(pop3)


def test_unique_ids_that_dovecot_saved_are_told(shared: SharedSite) -> None:
    """Of a format that is not ours: the names of the files, which Dovecot notes as a `P` without a value."""
    dovecot = shared.dovecot.folder / "dovecot.conf"
    dovecot.write_text(dovecot.read_text() + "pop3_uidl_format = %g\npop3_save_uidl = yes\n")
    with served(shared, by_dovecot=True) as (_, socket, pop3):
        for number in range(2):
            deliver(socket, f"message {number}")
        told = unique_ids(pop3)
    assert b",S=" in told[0]
    with served(shared, by_dovecot=False) as (_, socket, pop3):
        assert unique_ids(pop3) == told
        deliver(socket, "of mailboxd")
        assert unique_ids(pop3)[:2] == told


def test_keywords_that_no_letter_is_left_for_stay_with_dovecot(shared: SharedSite) -> None:
    """Dovecot keeps a folder's 27th keyword and those after it in its index alone: they are told by it, and by it
    alone, and outlive what mailboxd's clients do to the message."""
    names = [f"kw{number:02}" for number in range(30)]
    with served(shared, by_dovecot=True) as (client, _, _):
        checked(client.append("INBOX", None, None, plain().octets))  # type: ignore[arg-type]
        checked(client.select("INBOX"))
        for name in names:
            checked(client.store("1", "+FLAGS", f"({name})"))
    with served(shared, by_dovecot=False) as (client, _, _):
        checked(client.select("INBOX"))
        (permanent,) = client.untagged_responses["PERMANENTFLAGS"]
        assert rb"\*" not in permanent
        assert flags_of_first(client) == set(names[:26])
        assert client.store("1", "+FLAGS", "(another)")[0] == "NO"
        checked(client.store("1", "FLAGS", rf"(\Seen {names[3]})"))
    with served(shared, by_dovecot=True) as (client, _, _):
        checked(client.select("INBOX"))
        assert flags_of_first(client) == {r"\Seen", names[3], *names[26:]}


def test_dovecot_reads_whose_lock_it_is_and_passes_over_what_we_say_besides(shared: SharedSite) -> None:
    """It waits for as long as the process lives, and goes on within seconds when it is dead: an owner that it cannot
    make out it would wait for two minutes."""
    with served(shared, by_dovecot=True) as (client, _, _), subprocess.Popen(["sleep", "600"]) as owner:
        checked(client.select("INBOX"))
        lock = shared.site.maildir(ALICE) / "dovecot-uidlist.lock"
        life = f"{boot_id().decode()} {process_start(owner.pid)}"
        lock.write_text(f"{owner.pid}:{socket.gethostname()}\0{life}\n")
        appended = threading.Thread(target=append_plain, args=(client,))
        appended.start()
        try:
            time.sleep(5)  # Dovecot removes a dead process's lock after two seconds
            assert lock.exists() and appended.is_alive()
        finally:
            owner.kill()
            owner.wait()
            died_at = time.monotonic()
            appended.join(150)
        assert time.monotonic() - died_at < 60
        assert checked(client.search(None, "ALL")) == [b"1"]  # type: ignore[comparison-overlap]


def append_plain(client: imaplib.IMAP4) -> None:
    checked(client.append("INBOX", None, None, plain().octets))  # type: ignore[arg-type]
