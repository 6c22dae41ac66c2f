"""Mailboxes that are full."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress
from mailbox_d.policy.mailbox_room import TRACE, MailboxRoom
from mailbox_d.policy.verdict import Reason, Refused

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")


async def bob_is_full(mailboxes: Sequence[EmailAddress], octets: int) -> EmailAddress | None:
    return BOB if BOB in mailboxes and octets > 1000 + TRACE else None


def check(room: MailboxRoom, mailboxes: Sequence[EmailAddress], size: int) -> Refused | None:
    results: list[Refused | None] = []
    Deferred.fromCoroutine(room.check(mailboxes, size)).addCallback(results.append)
    return results[0]


def test_all_mailboxes_must_have_room() -> None:
    room = MailboxRoom(bob_is_full)
    assert check(room, [ALICE], 5000) is None
    assert check(room, [ALICE, BOB], 1000) is None
    refused = check(room, [ALICE, BOB], 1001)
    assert refused == Refused(Reason.MAILBOX_FULL_FOR_NOW, "The mailbox is full", "bob@example.org")


def test_a_refusal_for_good() -> None:
    room = MailboxRoom(bob_is_full, refuses=True)
    refused = check(room, [BOB], 1001)
    assert refused is not None and refused.reason is Reason.MAILBOX_FULL
    assert room.refused("x", alone=False).reason is Reason.MAILBOX_FULL_FOR_NOW


def test_where_nobody_has_a_limit_nobody_is_full() -> None:
    assert check(MailboxRoom(), [ALICE, BOB], 1 << 60) is None
