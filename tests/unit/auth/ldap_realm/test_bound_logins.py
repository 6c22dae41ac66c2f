"""Binds of a moment ago: for their time, for a number of users, and nobody else's."""

from __future__ import annotations

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.bound_logins import BoundLogins

ALICE, BOB = (EmailAddress.parse(f"{name}@example.org") for name in ("alice", "bob"))
DN = "uid=alice"


def test_only_that_very_bind_holds() -> None:
    logins = BoundLogins(lambda: 0.0, seconds=60, most=9)
    logins.accepted(ALICE, DN, b"pass")
    assert logins.holds(ALICE, DN, b"pass")
    for user, dn, password in (
        (BOB, DN, b"pass"),
        (ALICE, "uid=alic", b"epass"),
        (ALICE, "uid=a", b"pass"),
        (ALICE, DN, b"Pass"),
        (ALICE, DN, b""),
    ):
        assert not logins.holds(user, dn, password)


def test_it_holds_for_its_time_and_becomes_no_younger() -> None:
    now = [0.0]
    logins = BoundLogins(lambda: now[0], seconds=60, most=9)
    logins.accepted(ALICE, DN, b"pass")
    now[0] = 59.9
    assert logins.holds(ALICE, DN, b"pass")
    now[0] = 60.0
    assert not logins.holds(ALICE, DN, b"pass")


def test_nothing_is_kept_for_no_time() -> None:
    logins = BoundLogins(lambda: 0.0, seconds=0, most=9)
    logins.accepted(ALICE, DN, b"pass")
    assert len(logins) == 0


def test_one_password_a_user_until_one_is_refused() -> None:
    logins = BoundLogins(lambda: 0.0, seconds=60, most=9)
    logins.accepted(ALICE, DN, b"pass")
    logins.accepted(ALICE, DN, b"new")
    assert not logins.holds(ALICE, DN, b"pass")
    logins.refused(BOB)
    assert logins.holds(ALICE, DN, b"new")
    logins.refused(ALICE)
    assert not logins.holds(ALICE, DN, b"new")


def test_the_oldest_go_first() -> None:
    logins = BoundLogins(lambda: 0.0, seconds=60, most=2)
    users = [EmailAddress.parse(f"{number}@example.org") for number in range(3)]
    for user in users:
        logins.accepted(user, DN, b"pass")
    assert [logins.holds(user, DN, b"pass") for user in users] == [False, True, True]


def test_no_password_can_be_read_from_it() -> None:
    logins = BoundLogins(lambda: 0.0, seconds=60, most=9)
    logins.accepted(ALICE, DN, b"a password")
    assert b"a password" not in repr(vars(logins)).encode()
