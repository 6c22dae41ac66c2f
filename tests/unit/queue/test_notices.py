"""Who is told of which recipient (RFC 3461)."""

from __future__ import annotations

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import USUAL_NOTIFY, Attempt, Envelope, Fate, Notify, Parcel, Queued, Recipient, Source
from mailbox_d.queue.notices import Action, notices_of_delay, notices_of_outcome

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.net")


def queued(notify: Notify, sender: EmailAddress | None = ALICE) -> Queued:
    return Queued("q", Envelope(sender, (Recipient(BOB, notify),)), Source.USER, 0.0, 100)


def told(notify: Notify, fate: Fate, *, host: str = "mx.example.net", sender: EmailAddress | None = ALICE) -> list[str]:
    attempt = Attempt(1.0, BOB, fate, "5.0.0", host)
    return [notice.action.value for notice in notices_of_outcome(queued(notify, sender), [attempt])]


EVERYTHING = Notify.SUCCESS | Notify.FAILURE | Notify.DELAY


@pytest.mark.parametrize(
    ("notify", "fate", "host", "actions"),
    [
        (USUAL_NOTIFY, Fate.FAILED, "mx", ["failed"]),
        (USUAL_NOTIFY, Fate.DELIVERED, "mx", []),
        (USUAL_NOTIFY, Fate.DELIVERED, "", []),
        (Notify.NEVER, Fate.FAILED, "mx", []),
        (Notify.DELAY, Fate.FAILED, "mx", []),
        (Notify.SUCCESS, Fate.FAILED, "mx", []),
        (Notify.SUCCESS, Fate.DELIVERED, "mx", ["relayed"]),
        (Notify.SUCCESS, Fate.DELIVERED, "", ["delivered"]),
        (EVERYTHING, Fate.RELAYED, "mx", []),
        (EVERYTHING, Fate.DEFERRED, "mx", []),
    ],
)
def test_what_is_told_of_an_outcome(notify: Notify, fate: Fate, host: str, actions: list[str]) -> None:
    assert told(notify, fate, host=host) == actions


@pytest.mark.parametrize("fate", Fate)
def test_attack_120_nobody_is_told_of_mail_from_nobody(fate: Fate) -> None:
    assert told(EVERYTHING, fate, sender=None) == []
    parcel = Parcel(queued(EVERYTHING, None), (Recipient(BOB),), 1, {BOB: Attempt(1.0, BOB, Fate.DEFERRED, "4.4.1")})
    assert notices_of_delay(parcel, 2.0) == ()


@pytest.mark.parametrize(
    ("notify", "warned", "count"),
    [(USUAL_NOTIFY, False, 1), (USUAL_NOTIFY, True, 0), (Notify.FAILURE, False, 0), (Notify.NEVER, False, 0)],
)
def test_a_delay_is_told_once_to_who_wants_to_hear_it(notify: Notify, warned: bool, count: int) -> None:
    message = queued(notify)
    last = {BOB: Attempt(1.0, BOB, Fate.DEFERRED, "4.4.1")}
    parcel = Parcel(message, message.envelope.recipients, 3, last, frozenset({BOB}) if warned else frozenset())
    notices = notices_of_delay(parcel, 99.0)
    assert [(notice.action, notice.until) for notice in notices] == [(Action.DELAYED, 99.0)] * count


def test_the_last_attempt_of_a_recipient_counts() -> None:
    attempts = [Attempt(1.0, BOB, Fate.DEFERRED, "4.4.1"), Attempt(2.0, BOB, Fate.FAILED, "5.1.1")]
    (notice,) = notices_of_outcome(queued(USUAL_NOTIFY), attempts)
    assert notice.attempt is attempts[1]
