"""An account goes from Dovecot to mailboxd and back, and there again, with all that `mailboxctl` does on the way.

Clients find it as they left it, and hear of all that happened since (RFC 7162).
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.account import Account, account_of
from tests.integration.dovecot import SharedSite, as_mail_user, give_away, shared_site
from tests.integration.programs import require
from tests.integration.reading import checked
from tests.integration.site import ALICE, HOST, PASSWORD

MESSAGES = {"INBOX": 1200, "Archive/2024": 500, '"Entw&APw-rfe"': 250, "Sent Items": 50}
FINE = 0


@pytest.fixture
def shared() -> Iterator[SharedSite]:
    with shared_site() as site:
        yield site


@contextlib.contextmanager
def logged_in(port: int) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4(HOST, port, timeout=120)
    try:
        checked(client.login(ALICE, PASSWORD))
        yield client
    finally:
        client.logout()


def quoted(name: str) -> str:
    return name if name.startswith('"') else f'"{name}"'


def fill(shared: SharedSite, client: imaplib.IMAP4) -> None:
    """Mailboxes with mail that another program laid there, flags, keywords, subscriptions, and holes among the UIDs."""
    for name in MESSAGES:
        if name != "INBOX":
            checked(client.create(quoted(name)))
            checked(client.subscribe(quoted(name)))
    checked(client.unsubscribe('"Sent Items"'))
    for name, count in MESSAGES.items():
        folder = "" if name == "INBOX" else "." + name.strip('"').replace("/", ".")
        lay(shared.site.maildir(ALICE) / folder / "new", count)
        checked(client.select(quoted(name)))
        change(client, "first")


def lay(directory: Path, count: int) -> None:
    directory.parent.mkdir(exist_ok=True)
    for part in ("cur", "new", "tmp"):
        (directory.parent / part).mkdir(exist_ok=True)
    for number in range(count):
        text = f"From: a@example.com\nSubject: number {number}\n\nBody of {number}\n"
        (directory / f"{1_700_000_000 + number}.M{number}P1.elsewhere").write_text(text)
    give_away(directory.parent)


def change(client: imaplib.IMAP4, word: str) -> None:
    """Flags, two keywords, a message that comes and one that goes, in the mailbox that is selected."""
    checked(client.store("1:20", "+FLAGS", rf"(\Seen $Of-{word})"))
    checked(client.store("5:30", "+FLAGS", rf"(\Flagged Common {word})"))
    checked(client.store("30", "-FLAGS", "(Common)"))
    text = f"From: b@example.com\r\nSubject: {word}\r\n\r\nAppended\r\n".encode()
    checked(client.store("3", "+FLAGS", r"(\Deleted)"))
    checked(client.expunge())
    checked(client.append('"INBOX"', r"(\Draft)", None, text))  # type: ignore[arg-type]
    checked(client.noop())


def seen(client: imaplib.IMAP4) -> Account:
    """The account without what each server may say of a mailbox in its own way."""
    account = account_of(client)
    return replace(
        account, mailboxes={name: replace(each, attributes=frozenset()) for name, each in account.mailboxes.items()}
    )


def highest(client: imaplib.IMAP4) -> dict[str, int]:
    """HIGHESTMODSEQ of each mailbox."""
    told = {}
    for name in MESSAGES:
        (line,) = checked(client.status(quoted(name), "(HIGHESTMODSEQ)"))
        found = re.search(rb"HIGHESTMODSEQ (\d+)", line)  # type: ignore[arg-type]
        assert found is not None
        told[name] = int(found[1])
    return told


def changed_since(client: imaplib.IMAP4, name: str, since: int) -> set[int]:
    """The UIDs of which a client hears that comes back."""
    checked(client.select(quoted(name)))
    answers = checked(client.uid("FETCH", "1:*", f"(FLAGS) (CHANGEDSINCE {since})"))
    return {int(found[1]) for each in answers if isinstance(each, bytes) if (found := re.search(rb"UID (\d+)", each))}


def ctl(shared: SharedSite, *arguments: str) -> list[dict[str, Any]]:
    """What `mailboxctl` answers, as the user who owns the mail; `end` last, which must be fine."""
    command = [*as_mail_user(), sys.executable, "-m", "mailbox_d.ctl", "--config", str(shared.site.configuration)]
    said = subprocess.run([*command, "--json", *arguments], capture_output=True, text=True, timeout=300)
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert answers and answers[-1]["status"] == FINE, said.stdout + said.stderr
    return answers


def never_lower(before: dict[str, int], now: dict[str, int]) -> None:
    assert {name: each for name, each in now.items() if each < before[name]} == {}, before


def to_mailboxd(shared: SharedSite, left: Account, told: dict[str, int], word: str) -> tuple[Account, dict[str, int]]:
    """Adopt what Dovecot left, look at it over IMAP, and work with it."""
    ctl(shared, "store", "adopt", ALICE, "--yes")
    with shared.mailboxd_runs() as site, logged_in(site.ports["imap"]) as client:
        now = highest(client)
        never_lower(told, now)
        assert without_new_mailboxes(seen(client), left) == left
        for name in MESSAGES:
            assert changed_since(client, name, told[name]), "nobody is told that the server is another one"
            change(client, word)
        return seen(client), highest(client)


def without_new_mailboxes(account: Account, before: Account) -> Account:
    """Without mailboxes for drafts and so on, that are made at the first login, empty."""
    made = account.mailboxes.keys() - before.mailboxes.keys()
    assert not any(account.mailboxes[name].messages for name in made)
    kept = {name: each for name, each in account.mailboxes.items() if name not in made}
    return Account(kept, account.subscriptions - made)


def to_dovecot(
    shared: SharedSite, left: Account, told: dict[str, int], word: str, *, purge: bool
) -> tuple[Account, dict[str, int]]:
    """Release the account, tell Dovecot what it has to be told, look at it over IMAP, and work with it."""
    answers = ctl(shared, "store", "release", ALICE, *(["--purge"] if purge else []))
    commands = [each["words"] for each in answers if each["answer"] == "command"]
    assert {words[-1] for words in commands} >= {name for name in MESSAGES if not name.startswith('"')}
    with shared.dovecot_runs() as dovecot:
        for _, *words in commands:
            doveadm = [require("doveadm"), "-c", str(dovecot.folder / "dovecot.conf"), *words]
            said = subprocess.run([*as_mail_user(), *doveadm], capture_output=True, text=True, timeout=60)
            assert said.returncode == 0, shlex.join(doveadm) + said.stderr
        with logged_in(dovecot.imap) as client:
            now = highest(client)
            never_lower(told, now)
            assert seen(client) == left
            for name in MESSAGES:
                checked(client.select(quoted(name)))
                change(client, word)
                assert changed_since(client, name, now[name]), "Dovecot's changes are below what clients know"
            return seen(client), highest(client)


def test_an_account_goes_to_mailboxd_and_back_and_its_clients_notice_nothing(shared: SharedSite) -> None:
    with shared.dovecot_runs() as dovecot, logged_in(dovecot.imap) as client:
        fill(shared, client)
        account, told = seen(client), highest(client)
    assert sum(len(each.messages) for each in account.mailboxes.values()) >= 2000 - len(MESSAGES)
    for turn, purge in enumerate((True, False)):
        account, told = to_mailboxd(shared, account, told, f"here{turn}")
        account, told = to_dovecot(shared, account, told, f"there{turn}", purge=purge)
    to_mailboxd(shared, account, told, "last")
