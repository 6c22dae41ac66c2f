"""Reports as they are sent: `<case>.eml`. What is meant to change is written anew by hand, and reviewed as code is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Envelope, Fate, Notify, Parcel, Queued, Recipient, Return, Source
from mailbox_d.queue.notices import Action, Notice, notices_of_delay, notices_of_outcome
from mailbox_d.queue.reports import Report, write_report

CASES = Path(__file__).parent / "reports"
NOW = 1_700_003_600.0

ALICE = EmailAddress.parse("alice@example.org")
BOB, CAROL, DAVE = (EmailAddress.parse(f"{name}@example.net") for name in ("bob", "carol", "dave"))
RENEE = EmailAddress.parse("renée@example.org")

ORIGINAL = (
    b"Received: from client.example.org ([192.0.2.9])\r\n\tby mail.example.org with ESMTPSA id 0123;\r\n"
    b"\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: =?utf-8?Q?Caf=C3=A9?= tomorrow\r\n"
    b"Date: Tue, 14 Nov 2023 23:13:19 +0100\r\nMessage-ID: <1@client.example.org>\r\n\r\nAt ten?\r\n"
)
REFUSED = Attempt(
    at=NOW - 5,
    recipient=BOB,
    fate=Fate.FAILED,
    status="5.1.1",
    host="mx.example.net",
    address="192.0.2.25",
    reply="550 5.1.1 <bob@example.net>: Recipient address rejected: User unknown in virtual mailbox table",
)
LATE = Attempt(
    at=NOW - 5, recipient=CAROL, fate=Fate.DEFERRED, status="4.4.1", host="mx.example.net", reason="No answer in 30 s"
)
TAKEN = Attempt(
    at=NOW - 5, recipient=DAVE, fate=Fate.DELIVERED, status="2.1.5", host="mx.example.net", reply="250 2.0.0 Queued"
)


def queued(*recipients: Recipient, sender: EmailAddress | None = ALICE, original: bytes = ORIGINAL) -> Queued:
    envelope = Envelope(sender, recipients)
    return Queued("q-1", envelope, Source.USER, arrived=1_700_000_000.0, octets=len(original), user="alice@example.org")


def write(message: Queued, notices: tuple[Notice, ...], original: bytes = ORIGINAL) -> Report | None:
    return write_report(message, notices, original, hostname="mail.example.org", now=NOW, identifier="r-1")


def failed() -> Report | None:
    message = queued(Recipient(BOB, original="rfc822;bob+2Btest@example.net"))
    envelope = replace(message.envelope, envelope_id="QQ314159+3D", returns=Return.FULL)
    return write(replace(message, envelope=envelope), notices_of_outcome(message, [REFUSED]))


def delayed() -> Report | None:
    message = queued(Recipient(CAROL), Recipient(BOB))
    parcel = Parcel(message, (Recipient(CAROL),), 7, {CAROL: LATE, BOB: REFUSED})
    return write(message, notices_of_delay(parcel, NOW + 4 * 86400))


def relayed() -> Report | None:
    message = queued(Recipient(DAVE, Notify.SUCCESS, said_notify=True))
    return write(message, notices_of_outcome(message, [TAKEN]))


def several() -> Report | None:
    """Failures for several recipients, a success that was asked for, a list; the header alone was asked for."""
    asked = Notify.SUCCESS | Notify.FAILURE
    message = queued(Recipient(BOB), Recipient(CAROL), Recipient(DAVE, asked), Recipient(ALICE, asked))
    message = replace(message, envelope=replace(message.envelope, returns=Return.HEADERS))
    given_up = replace(LATE, fate=Fate.FAILED, status="4.4.7", reason="Nobody took it for 5 days; last: no answer")
    here = Attempt(at=NOW, recipient=ALICE, fate=Fate.DELIVERED, status="2.1.5")
    notices = notices_of_outcome(message, [REFUSED, given_up, TAKEN, here])
    members = replace(here, recipient=EmailAddress.parse("team@example.org"))
    listed = Notice(Recipient(members.recipient), Action.EXPANDED, members)
    return write(message, (*notices, listed))


def utf8() -> Report | None:
    original = ORIGINAL.replace(b"Alice <alice@", "Renée <renée@".encode()).replace(
        b"At ten?", "À dix heures ?".encode()
    )
    to = EmailAddress.parse("zoë@example.net")
    message = queued(Recipient(to, original="utf-8;zoë@example.net"), sender=RENEE, original=original)
    message = replace(message, envelope=replace(message.envelope, smtputf8=True))
    refused = replace(REFUSED, recipient=to, status="5.6.7", reply="550 5.6.7 Nur einfache Buchstaben für zoë, bitte")
    return write(message, notices_of_outcome(message, [refused]), original)


def eight_bit() -> Report | None:
    """8-bit octets in the header of a message without SMTPUTF8, and a reply in no plain ASCII."""
    original = ORIGINAL.replace(b"=?utf-8?Q?Caf=C3=A9?=", b"Caf\xe9")
    message = queued(Recipient(BOB), original=original)
    message = replace(message, envelope=replace(message.envelope, returns=Return.HEADERS))
    return write(message, notices_of_outcome(message, [replace(REFUSED, reply="550 5.1.1 für bob")]), original)


CASE = {case.__name__: case for case in (failed, delayed, relayed, several, utf8, eight_bit)}


@pytest.mark.parametrize("name", CASE)
def test_report(name: str) -> None:
    report = CASE[name]()
    assert report is not None
    assert report.octets == (CASES / f"{name}.eml").read_bytes()


def test_every_file_is_a_case() -> None:
    assert {path.stem for path in CASES.iterdir()} == set(CASE)
