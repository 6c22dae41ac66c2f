"""As whom a user may send: what the From field may say."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import SenderGrant, User
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.policy.recipients import Recipients, ServedDomain
from mailbox_d.policy.sender import check_author, check_sender
from mailbox_d.policy.verdict import Reason
from tests.dialogues.smtp_servers import SampleRealm
from tests.unit.relay.at_once import done

ALICE = User(EmailAddress.parse("alice@example.org"))
BOB = EmailAddress.parse("bob@example.net")


def served() -> Recipients:
    realm = SampleRealm()
    return Recipients({"example.org": ServedDomain(realm), "example.net": ServedDomain(realm, catch_all=BOB)})


def reason(header: bytes, user: User = ALICE) -> Reason | None:
    """Why a message of this user's with this header is refused."""
    recipients = served()
    scanner = HeaderScanner(("from", "received"))
    scanner.feed(header + b"\r\n\r\n")
    refusals: list[Reason | None] = []
    checked = Deferred.fromCoroutine(check_author(user, scanner, recipients))
    checked.addCallback(lambda refused: refusals.append(refused and refused.reason))
    return refusals[0]


@pytest.mark.parametrize(
    "header",
    [
        b"From: Alice <alice@example.org>",
        b"From: A.Smith@Example.org",
        b"From: <alice+list@example.org>",
        b"From: sales@example.org",
        b"From:\r\n J\xf6rg\r\n <alice@example.org>",
        b"To: " + b"x" * 40_000 + b"\r\nFrom: alice@example.org",
        b"".join(b"Received: %d %s\r\n" % (hop, b"x" * 900) for hop in range(30)) + b"From: alice@example.org",
        b"Subject: without From",
    ],
)
def test_one_s_own_address_in_every_form(header: bytes) -> None:
    assert reason(header) is None


@pytest.mark.parametrize(
    "header",
    [
        b"From: bob@example.net",
        b"From: anybody@example.net",
        b"From: alice@example.com",
        b"From: alice@example.org, bob@example.net",
        b"From: friends: alice@example.org, bob@example.net;",
        b"FROM : bob@example.net",
        b"From" + b" " * 100 + b": bob@example.net",
    ],
)
def test_attack_37_another_s_address(header: bytes) -> None:
    assert reason(header) is Reason.SENDER_NOT_ALLOWED


@pytest.mark.parametrize(
    "header",
    [
        b"From:",
        b"From: undisclosed-recipients:;",
        b"From: alice@example.org\r\nFrom: alice@example.org",
        b" From: bob@example.net\r\nFrom: alice@example.org",
        b"From: alice@example.org\r\n bob@example.net",
        b"From: alice@example.org)bob@example.net",
        b"From: al ice@example.org",
        b"From: " + b"x" * 40_000 + b" <alice@example.org>",
        b"From: \xe9lise@example.org",
        b"From: alice@\xe9xample.org",
        b"From: =?utf-8?q?alice=40example.org?=",
    ],
)
def test_attack_108_a_from_field_that_is_read_in_more_ways_than_one(header: bytes) -> None:
    assert reason(header) is Reason.MALFORMED_HEADER


GRANTED = User(ALICE.address, senders=(SenderGrant.parse("bob@example.net"), SenderGrant.parse("@Example.com")))


@pytest.mark.parametrize(
    ("sender", "may"),
    [
        ("alice@example.org", True),
        ("bob@example.net", True),
        ("Bob+list@Example.NET", True),
        ("anybody@example.com", True),
        ("carol@example.net", False),
        ("anybody@sub.example.com", False),
        ("postmaster@example.net", False),
    ],
)
def test_attack_37_a_grant_is_for_its_address_or_its_domain_alone(sender: str, may: bool) -> None:
    assert (reason(b"From: <" + sender.encode() + b">", GRANTED) is None) == may
    refused = done(check_sender(GRANTED, EmailAddress.parse(sender), served()))
    assert (refused is None) == may


def test_attack_37_each_author_needs_a_grant() -> None:
    assert reason(b"From: bob@example.net, x@example.com", GRANTED) is None
    assert reason(b"From: bob@example.net, carol@example.net", GRANTED) is Reason.SENDER_NOT_ALLOWED


def test_a_grant_works_where_the_realm_cannot_be_asked() -> None:
    down = Recipients({"example.net": ServedDomain(SampleRealm(down=True))})
    assert done(check_sender(GRANTED, BOB, down)) is None
