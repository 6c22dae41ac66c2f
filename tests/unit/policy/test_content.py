"""Messages that run in a circle."""

from __future__ import annotations

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.policy.content import check_circle
from mailbox_d.policy.transaction import Client, Delivered, Transaction
from mailbox_d.policy.verdict import Reason

ALICE, SALES = EmailAddress.parse("alice@example.org"), EmailAddress.parse("sales@example.org")
CAROL = EmailAddress.parse("carol@example.com")
FORWARDED = Delivered(SALES, (ALICE,), (CAROL,), via={CAROL: SALES})


def reason(header: bytes, recipient: Delivered = FORWARDED, user: User | None = None) -> Reason | None:
    transaction = Transaction(Client("192.0.2.7", "client.example.com", "ESMTP", user=user), CAROL)
    transaction.add(recipient)
    scanner = HeaderScanner(("delivered-to",))
    scanner.feed(header + b"\r\n\r\n")
    refused = check_circle(scanner, transaction)
    return refused and refused.reason


@pytest.mark.parametrize(
    "value", [b"sales@example.org", b"\tSALES@EXAMPLE.ORG ", b"\r\n sales@example.org", b'"sales"@example.org']
)
def test_attack_120_an_address_forwards_a_message_once(value: bytes) -> None:
    assert reason(b"Delivered-To: x\r\nDelivered-To:" + value) is Reason.TOO_MANY_HOPS


@pytest.mark.parametrize("value", [b"", b"sales", b"sales@example.net", b"carol@example.com", b"\xff@example.org"])
def test_others_delivered_to_is_no_circle(value: bytes) -> None:
    assert reason(b"Delivered-To: " + value) is None


def test_what_goes_to_a_mailbox_or_is_sent_by_a_user_goes_in_no_circle() -> None:
    header = b"Delivered-To: sales@example.org"
    assert reason(header, Delivered(SALES, (ALICE,))) is None
    assert reason(header, Delivered(CAROL, (), (CAROL,))) is None
    assert reason(header, user=User(ALICE)) is None
