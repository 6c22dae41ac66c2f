"""Stories, in words and as values, and where a message lies now."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given

from mailbox_d.address import EmailAddress
from mailbox_d.record.events import (
    Decided,
    Enqueued,
    Event,
    GivenUp,
    Kept,
    Operated,
    Received,
    Refused,
    Reported,
    Tried,
)
from mailbox_d.record.lookup import Found
from mailbox_d.record.story import Copy, Story, as_lines, as_value, sentences
from mailbox_d.record.whereabouts import Place, Whereabouts
from mailbox_d.store.files import FileSystem
from mailbox_d.store.layout import Layout
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, Receipt, Target
from tests.unit.record.happenings import ALICE, BOB, EVENTS, NOON

CAROL = EmailAddress.parse("carol@elsewhere.example")
TLS = "TLSv1.3 AES"
KEPT = Kept("A1", NOON, ALICE, BOB, "INBOX", "1.M1.host")


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def story(*events: Event, copies: tuple[Copy, ...] = (), cut: bool = False) -> Story:
    return Story(Found("A1", list(events), cut, any(event.is_beginning for event in events)), copies)


def test_a_story_in_words() -> None:
    events = (
        Received("A1", NOON, "submission", "192.0.2.1", "pc", "ESMTPSA", TLS, "alice", ALICE, 523, "<a@b>"),
        Decided("A1", NOON, "recipients", "accepted", "an alias", ALICE, (BOB, CAROL)),
        KEPT,
        Enqueued("A1", NOON, (CAROL,)),
        Tried("A1", NOON + 1, CAROL, "deferred", "4.7.0", "mx", "192.0.2.9", "no", "", TLS, "safe", "dane", NOON + 60),
        Tried("A1", NOON + 60, CAROL, "failed", "5.4.4", reason="There is no such domain"),
        Operated("A1", NOON + 61, "held"),
        GivenUp("A1", NOON + 62, CAROL, "too old"),
        Reported("A1", NOON + 62, "D2", ALICE, "failed", (CAROL,)),
        Reported("A1", NOON + 62, "", None, "delayed", (CAROL,), "nobody wants to hear of it"),
    )  # fmt: skip
    copies = (Copy(KEPT, (Place("Archive", 7), Place("INBOX", None))),)
    assert "\n".join(as_lines(story(*events, copies=copies))) == (
        "Message A1 <a@b>\n"
        "    2023-11-14 22:13:20  came in from a user (submission), from <Alice.X@example.org>, 523 octets\n"
        "        by 192.0.2.1, which calls itself pc (ESMTPSA, TLSv1.3 AES, logged in as alice)\n"
        "    2023-11-14 22:13:20  recipients of <Alice.X@example.org>: accepted: an alias"
        " → <bob@example.net>, <carol@elsewhere.example>\n"
        "    2023-11-14 22:13:20  kept for <Alice.X@example.org> in INBOX of bob@example.net\n"
        "        now in Archive (UID 7) and INBOX (UID not given yet)\n"
        "    2023-11-14 22:13:20  in the queue for <carol@elsewhere.example>\n"
        "    2023-11-14 22:13:21  <carol@elsewhere.example> was not taken for now (4.7.0)\n"
        "        by mx [192.0.2.9] (TLSv1.3 AES, safe, dane)\n"
        "        it said: no\n"
        "        tried again after 2023-11-14 22:14:20\n"
        "    2023-11-14 22:14:20  <carol@elsewhere.example> was refused for good (5.4.4)\n"
        "        because: There is no such domain\n"
        "    2023-11-14 22:14:21  held by an operator\n"
        "    2023-11-14 22:14:22  given up for <carol@elsewhere.example>: too old\n"
        "    2023-11-14 22:14:22  report D2 (failed) of <carol@elsewhere.example> is sent to <Alice.X@example.org>\n"
        "    2023-11-14 22:14:22  no report (delayed) of <carol@elsewhere.example>: nobody wants to hear of it"
    )


def test_a_refusal_in_words() -> None:
    refused = Refused(
        "A1", NOON, "smtp", "192.0.2.1", "pc", "", "", "rcpt", None, (BOB,), "550 No such user", "UNKNOWN"
    )
    assert list(as_lines(story(refused)))[1:] == [
        "    2023-11-14 22:13:20  refused: mail from <> for <bob@example.net> (from another server (SMTP), at rcpt)",
        "        it was told: 550 No such user",
        "        because of: UNKNOWN",
        "        by 192.0.2.1, which calls itself pc (no TLS)",
    ]


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        (Copy(KEPT, ()), "not in this account any more: expunged, or moved elsewhere"),
        (Copy(KEPT, None, "the disk is gone"), "where it is now cannot be said: the disk is gone"),
        (Copy(KEPT, (Place("INBOX", 3),)), "now in INBOX (UID 3)"),
    ],
)
def test_where_a_copy_is(copy: Copy, said: str) -> None:
    lines = list(as_lines(story(KEPT, copies=(copy,))))
    assert lines[1] == "    how it came in is not known any more" and lines[-1].strip() == said


def test_a_story_that_is_cut_says_so() -> None:
    assert list(as_lines(story(Received("A1", NOON), cut=True)))[1] == "    there is more of it than is told here"


@given(event=EVENTS)
def test_every_event_has_words_and_a_value(event: Event) -> None:
    assert all(isinstance(line, str) and line for line in sentences(event))
    value = as_value(story(event, copies=(Copy(event, ()),) if isinstance(event, Kept) else ()))
    assert json.loads(json.dumps(value)) == value
    assert value["events"][0]["what"] == event.what and value["message"] == "A1"


def test_a_story_as_a_value() -> None:
    value = as_value(story(Received("A1", NOON, sender=ALICE), KEPT, copies=(Copy(KEPT, (Place("INBOX", 3),)),)))
    assert value == {
        "message": "A1",
        "complete": True,
        "events": [
            {"what": "received", "at": NOON, "sender": "Alice.X@example.org"},
            {
                "what": "kept",
                "at": NOON,
                "recipient": "Alice.X@example.org",
                "account": "bob@example.net",
                "mailbox": "INBOX",
                "name": "1.M1.host",
                "now": [{"mailbox": "INBOX", "uid": 3}],
            },
        ],
    }
    assert as_value(story(KEPT, copies=(Copy(KEPT, None, "x"),)))["events"][0]["problem"] == "x"


class Kept_:
    """A message in a real account."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = MaildirStore(root)
        delivery = self.store.deliver((Block(b"", (Target(BOB),)),))
        delivery.write(b"Subject: x\r\n\r\nhello\r\n")
        (receipt,) = delivery.commit(all_or_nothing=True)
        assert isinstance(receipt, Receipt)
        self.name = receipt.name
        self.account = self.store.account(BOB)

    def places(self) -> list[Place]:
        return Whereabouts(FileSystem(), Layout(self.root)).places(BOB, self.name)


def test_a_message_is_found_wherever_it_went(tmp_path: Path) -> None:
    mail = Kept_(tmp_path)
    assert mail.places() == [Place(INBOX, None)]
    inbox = mail.account.open(INBOX)
    (uid,) = [message.uid for message in inbox.messages()]
    assert mail.places() == [Place(INBOX, uid)]
    mail.account.create("Archive/2024")
    archive = mail.account.open("Archive/2024")
    inbox.copy([uid], archive)
    assert [place.mailbox for place in mail.places()] == [INBOX, "Archive/2024"]
    inbox.expunge([uid])
    (place,) = mail.places()
    assert place == Place("Archive/2024", archive.messages()[0].uid)
    archive.expunge([archive.messages()[0].uid])
    assert mail.places() == []


def test_what_another_program_moved_is_found_before_it_has_a_uid(tmp_path: Path) -> None:
    mail = Kept_(tmp_path)
    maildir = Path(os.fsdecode(Layout(tmp_path).maildir(BOB)))
    (path,) = (maildir / "new").iterdir()
    mail.account.create("Work")
    path.rename(maildir / ".Work/cur" / f"{path.name}:2,S")
    assert mail.places() == [Place("Work", None)]


def test_who_has_no_account_or_no_list_that_makes_sense_has_no_such_message(tmp_path: Path) -> None:
    whereabouts = Whereabouts(FileSystem(), Layout(tmp_path))
    assert whereabouts.places(BOB, "1.M1.host") == []
    assert whereabouts.places(EmailAddress.parse('"../x"@example.org'), "1.M1.host") == []
    mail = Kept_(tmp_path)
    maildir = Path(os.fsdecode(Layout(tmp_path).maildir(BOB)))
    (maildir / "dovecot-uidlist").write_text(f"3 V1 N9\nx{mail.name}\nab :{mail.name}\n")
    assert mail.places() == [Place(INBOX, None)]
