"""Messages a day."""

from __future__ import annotations

from twisted.internet.task import Clock

from mailbox_d.address import EmailAddress
from mailbox_d.policy.rate import DAY, DailyMessages

ALICE, BOB = EmailAddress.parse("alice@example.org"), EmailAddress.parse("bob@example.net")


def test_attack_42_a_user_sends_so_many_messages_a_day_and_others_are_not_touched() -> None:
    clock = Clock()
    daily = DailyMessages(2, clock.seconds)
    for _ in range(2):
        assert daily.check(ALICE) is None
        daily.count(ALICE)
        clock.advance(10)
    assert daily.check(ALICE) is not None
    assert daily.check(BOB) is None
    clock.advance(DAY - 19)
    assert daily.check(ALICE) is None


def test_zero_is_no_limit() -> None:
    daily = DailyMessages(0, Clock().seconds)
    for _ in range(5):
        daily.count(ALICE)
    assert daily.check(ALICE) is None
