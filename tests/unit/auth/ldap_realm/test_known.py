"""Answers are kept for their time, and no more of them than were meant."""

from __future__ import annotations

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.known import Known


def address(number: int) -> EmailAddress:
    return EmailAddress(f"user{number}", "example.org")


def test_an_answer_grows_old() -> None:
    now = [100.0]
    known: Known[EmailAddress, str | None] = Known(lambda: now[0], seconds=60, most=9)
    assert known.fresh(address(1)) is None
    known.keep(address(1), "one")
    known.keep(address(2), None)
    now[0] += 59.9
    assert known.fresh(address(1)) == ("one",)
    assert known.fresh(address(2)) == (None,)
    now[0] += 0.1
    assert known.fresh(address(1)) is None
    assert known.latest(address(1)) == "one"


def test_nothing_is_fresh_that_was_forgotten() -> None:
    known: Known[EmailAddress, str] = Known(lambda: 0.0, seconds=60, most=9)
    known.keep(address(1), "one")
    known.forget()
    assert known.fresh(address(1)) is None
    assert known.latest(address(1)) == "one"


def test_the_oldest_go_first() -> None:
    known: Known[EmailAddress, int] = Known(lambda: 0.0, seconds=60, most=3)
    for number in (1, 2, 3, 1, 4):
        known.keep(address(number), number)
    assert len(known) == 3
    assert [known.latest(address(number)) for number in (1, 2, 3, 4)] == [1, None, 3, 4]


def test_what_was_said_by_the_way_is_latest_and_not_fresh() -> None:
    known: Known[EmailAddress, str] = Known(lambda: 0.0, seconds=60, most=9)
    known.note(address(1), "one")
    assert known.fresh(address(1)) is None
    assert known.latest(address(1)) == "one"
    known.keep(address(1), "asked")
    known.note(address(1), "by the way")
    assert known.fresh(address(1)) == ("asked",)
