"""Dovecot and mailboxd keep one `maildirsize`: both tell the same, whoever changed the account, and refuse alike."""

from __future__ import annotations

import imaplib
import os
import re
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailbox_d.store.maildirsize import Balance, parse
from mailbox_d.store.ports import QuotaLimits, Usage
from tests.integration.dovecot import SharedSite, shared_site
from tests.integration.reading import checked
from tests.integration.site import ALICE, HOST, PASSWORD, Site

KIB = 1024
LIMIT = 40 * KIB
MESSAGES = 30
DOVECOT_SETTINGS = f"""
mail_plugins = quota
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage={LIMIT}B:messages={MESSAGES}
  quota_grace = 10%%
}}
"""
USERS = f"""
users:
  {ALICE}: {{password: "{{PLAIN}}{PASSWORD}", quota: {LIMIT} B, quota_messages: {MESSAGES}}}
"""


@pytest.fixture
def shared() -> Iterator[SharedSite]:
    with shared_site(DOVECOT_SETTINGS) as shared:
        (shared.site.folder / "users.yaml").write_text(USERS)
        configuration = shared.site.configuration
        configuration.write_text(re.sub(r", catch_all: [^}]*", "", configuration.read_text()))
        yield shared


def message(size: int) -> bytes:
    """A message of so many octets with LF line ends."""
    head = b"From: a@example.com\r\nSubject: x\r\n\r\n"
    return head + b"x" * (size - len(head) + head.count(b"\r")) if size else head


def deliver(socket: Path, size: int) -> dict[str, tuple[int, bytes]]:
    with smtplib.LMTP(str(socket)) as client:
        try:
            return client.sendmail("a@example.com", [ALICE], message(size))
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
            return error.recipients if isinstance(error, smtplib.SMTPRecipientsRefused) else {ALICE: error.args}


def login(port: int) -> imaplib.IMAP4:
    client = imaplib.IMAP4(HOST, port, timeout=60)
    checked(client.login(ALICE, PASSWORD))
    return client


def told(client: imaplib.IMAP4) -> list[int]:
    """What GETQUOTAROOT says: usage and limit of STORAGE, then of MESSAGE."""
    roots, quotas = checked(client.getquotaroot("INBOX"))  # type: ignore[misc, arg-type]
    assert roots == [b'INBOX "User quota"']
    found = re.fullmatch(rb'"User quota" \(STORAGE (\d+) (\d+) MESSAGE (\d+) (\d+)\)', quotas[0])
    assert found is not None, quotas
    return [int(figure) for figure in found.groups()]


def there(site: Site) -> Usage:
    maildir = site.maildir(ALICE)
    files = [path for half in ("new", "cur") for path in (*maildir.glob(f"{half}/*"), *maildir.glob(f".*/{half}/*"))]
    return Usage(sum(path.stat().st_size for path in files), len(files))


def kept(site: Site) -> Balance:
    balance = parse((site.maildir(ALICE) / "maildirsize").read_bytes())
    assert balance is not None and balance.limits == QuotaLimits(LIMIT, MESSAGES)
    return balance


def change(client: imaplib.IMAP4, turn: int) -> None:
    """Fill the account and remove from it, by everything that counts, and by MOVE, which does not."""
    checked(client.create(f"Box{turn}"))
    checked(client.create("Passing"))
    for size in (100, 2000, 3000):
        checked(client.append("INBOX", None, None, message(size)))  # type: ignore[arg-type]
    checked(client.append("Passing", None, None, message(5000)))  # type: ignore[arg-type]
    checked(client.select("INBOX"))
    checked(client.copy("1:2", f"Box{turn}"))
    checked(client.xatom("MOVE", "1", f"Box{turn}"))
    checked(client.store("1", "+FLAGS", r"(\Deleted)"))
    checked(client.expunge())
    checked(client.delete("Passing"))


def test_both_tell_the_same_whoever_changed_the_account(shared: SharedSite) -> None:
    with shared.mailboxd_runs() as site, shared.dovecot_runs() as dovecot:
        ours, theirs = login(site.ports["imap"]), login(dovecot.imap)
        assert told(ours) == told(theirs) == [0, LIMIT // KIB, 0, MESSAGES]
        inodes = [(site.maildir(ALICE) / "maildirsize").stat().st_ino]
        for turn, client in enumerate([ours, theirs, ours, theirs]):
            change(client, turn)
            assert deliver(site.lmtp_socket if turn < 2 else dovecot.lmtp_socket, 500) == {}
            usage = there(site)
            assert kept(site).usage == usage
            assert told(ours) == told(theirs) == [-(-usage.octets // KIB), 40, usage.messages, MESSAGES]
        inodes.append((site.maildir(ALICE) / "maildirsize").stat().st_ino)
        assert inodes[0] == inodes[1]  # nobody found anything to begin anew
        assert kept(site).lines > 20
        ours.logout()
        theirs.logout()


@pytest.mark.parametrize("filled_by_dovecot", [False, True])
def test_both_refuse_what_does_not_fit(shared: SharedSite, filled_by_dovecot: bool) -> None:
    with shared.mailboxd_runs() as site, shared.dovecot_runs() as dovecot:
        ours, theirs = login(site.ports["imap"]), login(dovecot.imap)
        filling = theirs if filled_by_dovecot else ours
        for _ in range(4):
            checked(filling.append("INBOX", None, None, message(10_000)))  # type: ignore[arg-type]
        for client in (ours, theirs):
            kind, (text,) = client.append("INBOX", None, None, message(6000))  # type: ignore[arg-type]
            assert kind == "NO" and text.startswith(b"[OVERQUOTA]"), text
        for socket in (site.lmtp_socket, dovecot.lmtp_socket):
            code, text = deliver(socket, 6000)[ALICE]
            assert code in (452, 552) and b".2.2" in text, (code, text)
        assert kept(site).usage == there(site) == Usage(40_000, 4)
        checked(filling.select("INBOX"))
        checked(filling.store("1", "+FLAGS", r"(\Deleted)"))
        checked(filling.expunge())
        assert deliver(site.lmtp_socket, 3000) == deliver(dovecot.lmtp_socket, 3000) == {}
        assert kept(site).usage == there(site)
        assert told(ours) == told(theirs)


def test_a_file_that_is_taken_away_or_damaged_is_counted_again_by_both(shared: SharedSite) -> None:
    with shared.mailboxd_runs() as site, shared.dovecot_runs(known=lambda line: "maildirsize" in line) as dovecot:
        ours, theirs = login(site.ports["imap"]), login(dovecot.imap)
        change(ours, 0)
        file = site.maildir(ALICE) / "maildirsize"
        for first, second in ((ours, theirs), (theirs, ours)):
            for content in (None, b"", b"nonsense\n", b"1S\n5 1\n", b"%dS,%dC\n-5 -1\n" % (LIMIT, MESSAGES)):
                file.unlink()
                if content is not None:
                    file.write_bytes(content)
                    os.chown(file, file.parent.stat().st_uid, file.parent.stat().st_gid)
                usage = there(site)
                assert told(first) == told(second) == [-(-usage.octets // KIB), 40, usage.messages, MESSAGES], content
                assert kept(site).usage == usage
