"""What the record is told of mail that comes in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.record.events import Decided, Enqueued, Event, Kept, Received, Refused
from mailbox_d.store.ports import INBOX
from tests.dialogues import smtp_servers
from tests.dialogues.memory import Connection
from tests.dialogues.smtp_servers import NOW

ALICE, BOB, PEER = map(EmailAddress.parse, ("alice@example.org", "bob@example.net", "peer@example.com"))
MESSAGE = ("Message-ID:\r\n <one@example.com>", "Subject: x", "", "hello", ".")
LONG = (*MESSAGE[:-1], *["x" * 900] * 3, ".")


class Told:
    """A record that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)


def talk(
    make: Callable[[Mapping[str, str]], Connection], *commands: str, hello: str = "EHLO pc.example", **options: str
) -> list[Event]:
    connection, told = make({name.replace("limit_", "limit."): value for name, value in options.items()}), Told()
    connection.protocol.service = replace(connection.protocol.service, record=told)
    connection.connect()
    for command in (hello, *commands):
        connection.send(command.encode() + b"\r\n")
        if command == "STARTTLS":
            connection.finish_handshake()
    assert all(event.at == NOW for event in told.events)
    return told.events


def test_a_message_that_is_taken() -> None:
    received, kept = talk(
        smtp_servers.smtp, "MAIL FROM:<peer@example.com>", "RCPT TO:<Alice@example.org>", "DATA", *MESSAGE
    )
    assert isinstance(received, Received) and isinstance(kept, Kept)
    assert (received.kind, received.name, received.protocol, received.sender) == ("smtp", "pc.example", "ESMTP", PEER)
    assert (received.peer, received.tls, received.user) == ("192.168.1.1", "", "")
    assert (received.message_id, received.octets) == ("<one@example.com>", len("\r\n".join(MESSAGE)) - 1)
    assert (kept.recipient, kept.account, kept.mailbox) == (ALICE, ALICE, INBOX) and kept.name
    assert len(received.identifier) == 12 and kept.identifier == received.identifier


@pytest.mark.parametrize(
    ("recipient", "words", "targets"),
    [
        ("sales@example.org", "an alias", (ALICE, BOB)),
        ("a.smith@example.org", "an alias", (ALICE,)),
        ("alice+news@example.org", "the address without its suffix", (ALICE,)),
        ("nobody@example.net", "nobody has this address; the domain's catch-all takes it", (BOB,)),
    ],
)
def test_where_an_address_led(recipient: str, words: str, targets: tuple[EmailAddress, ...]) -> None:
    _, decided, *copies = talk(smtp_servers.smtp, "MAIL FROM:<>", f"RCPT TO:<{recipient}>", "DATA", *MESSAGE)
    address = EmailAddress.parse(recipient)
    assert decided == Decided(copies[0].identifier, NOW, "recipients", "accepted", words, address, targets)
    assert [(copy.recipient, copy.account) for copy in copies if isinstance(copy, Kept)] == [
        (address, target) for target in targets
    ]


def test_where_an_alias_leads_is_told_once_however_many_forms_of_it_are_named() -> None:
    """Else a stranger has an alias of a thousand told a thousand times."""
    forms = [f"sales+{number}@example.org" for number in range(3)]
    rcpt = [f"RCPT TO:<{form}>" for form in forms]
    _, *told = talk(smtp_servers.smtp, "MAIL FROM:<>", *rcpt, "DATA", *MESSAGE)
    decided = [event for event in told if isinstance(event, Decided)]
    assert [str(event.recipient) for event in decided] == forms
    assert [event.targets for event in decided] == [(ALICE, BOB), (), ()]
    assert {event.words for event in decided[1:]} == {"it leads where <sales+0@example.org> does"}
    assert [event.account for event in told if isinstance(event, Kept)] == [ALICE, BOB]


def test_all_that_a_catch_all_takes_is_told_with_where_it_leads() -> None:
    rcpt = [f"RCPT TO:<nobody{number}@example.net>" for number in range(2)]
    _, *told = talk(smtp_servers.smtp, "MAIL FROM:<>", *rcpt, "DATA", *MESSAGE)
    assert [event.targets for event in told if isinstance(event, Decided)] == [(BOB,), (BOB,)]


def test_what_was_taken_back_is_not_told_to_be_in_the_queue() -> None:
    rcpt = [f"RCPT TO:<{name}>" for name in ("outside@example.org", "both@example.org", "bob@example.net")]
    for some, kept in ((rcpt, [BOB]), (rcpt[:2], [])):
        told = talk(smtp_servers.lmtp, "MAIL FROM:<>", *some, "DATA", *LONG, hello="LHLO pc", quota="1100", queue="yes")
        assert not any(isinstance(event, Enqueued) for event in told)
        assert [event.account for event in told if isinstance(event, Kept)] == kept
        refused = [(event.step, str(event.recipient)) for event in told if isinstance(event, Decided)][-2:]
        assert not kept or refused == [("mailbox", "both@example.org"), ("queue", "outside@example.org")]
    assert [type(event) for event in told] == [Refused]


def test_a_user_is_named() -> None:
    login = base64.b64encode(b"\0alice@example.org\0pass").decode()
    mail = ("MAIL FROM:<alice@example.org>", "RCPT TO:<bob@example.net>", "DATA", "From: alice@example.org", "", ".")
    received, *_ = talk(smtp_servers.submission, "STARTTLS", "EHLO pc", f"AUTH PLAIN {login}", *mail)
    assert isinstance(received, Received)
    assert (received.kind, received.user, received.message_id) == ("submission", "alice@example.org", "")
    assert received.protocol == "ESMTPSA" and received.tls


def test_a_recipient_who_is_refused() -> None:
    events = talk(smtp_servers.smtp, "MAIL FROM:<peer@example.com>", "RCPT TO:<no@example.org>")
    (refused,) = events
    assert isinstance(refused, Refused)
    assert (refused.stage, refused.sender, refused.recipients) == (
        "rcpt",
        PEER,
        (EmailAddress.parse("no@example.org"),),
    )
    assert refused.reply == "550 5.1.1 There is no such user here" and len(refused.identifier) == 12


def test_a_sender_who_is_refused() -> None:
    login = base64.b64encode(b"\0alice@example.org\0pass").decode()
    (refused,) = talk(
        smtp_servers.submission, "STARTTLS", "EHLO pc", f"AUTH PLAIN {login}", "MAIL FROM:<bob@example.net>"
    )
    assert isinstance(refused, Refused)
    assert (refused.stage, refused.sender, refused.user) == ("mail", BOB, "alice@example.org")


def test_a_message_that_is_announced_as_too_large() -> None:
    (refused,) = talk(smtp_servers.smtp, "MAIL FROM:<peer@example.com> SIZE=101", limit_message_size="100")
    assert isinstance(refused, Refused)
    assert (refused.stage, refused.sender, refused.reply[:3]) == ("mail", PEER, "552") and "101" in refused.cause


@pytest.mark.parametrize(
    ("lines", "options", "code"),
    [
        ([*["Received: x"] * 51, "", "."], {}, "554"),
        (["x: y\nz", "", "."], {}, "550"),
        (["", "x" * 300, "."], {"limit_message_size": "100"}, "552"),
        (["", *["x" * 90] * 3, "."], {"limit_message_size": "100"}, "552"),
    ],
)
def test_a_message_that_is_refused(lines: list[str], options: dict[str, str], code: str) -> None:
    mail = ("MAIL FROM:<peer@example.com>", "RCPT TO:<alice@example.org>", "RCPT TO:<bob@example.net>", "DATA")
    events = talk(smtp_servers.smtp, *mail, *lines, **options)
    (refused,) = events
    assert isinstance(refused, Refused)
    assert (refused.stage, refused.sender, refused.recipients) == ("end", PEER, (ALICE, BOB))
    assert refused.reply.startswith(code)


def test_lmtp_tells_of_the_copy_that_was_not_kept_and_of_those_that_were() -> None:
    mail = ("MAIL FROM:<>", "RCPT TO:<alice@example.org>", "RCPT TO:<bob@example.net>", "DATA", *LONG)
    received, *events = talk(smtp_servers.lmtp, *mail, hello="LHLO pc", quota="1100")
    assert isinstance(received, Received) and received.kind == "lmtp"
    refused, kept = events
    assert isinstance(refused, Decided) and (refused.step, refused.verdict, refused.targets) == (
        "mailbox",
        "refused",
        (ALICE,),
    )
    assert isinstance(kept, Kept) and kept.account == BOB


def test_a_message_that_nobody_could_keep_is_refused() -> None:
    mail = ("MAIL FROM:<>", "RCPT TO:<alice@example.org>", "DATA", *LONG)
    for make, hello in ((smtp_servers.smtp, "EHLO pc"), (smtp_servers.lmtp, "LHLO pc")):
        (refused,) = talk(make, *mail, hello=hello, quota="1100")
        assert isinstance(refused, Refused) and refused.message_id == "<one@example.com>"
        assert refused.reply.startswith("452") and refused.recipients == (ALICE,)
