from __future__ import annotations

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import HashCost, StoredPassword, hash_password
from mailbox_d.auth.realm import User
from mailbox_d.auth.success_cache import SuccessCache

ALICE = User(EmailAddress.parse("alice@example.org"))
HASH = StoredPassword.parse(hash_password(b"pass", HashCost(1, 8, 1)))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_login_is_held_until_it_expires(clock: Clock) -> None:
    cache = SuccessCache(clock, seconds=10)
    assert not cache.holds(ALICE, HASH, b"pass")
    cache.remember(ALICE, HASH, b"pass")
    clock.now += 9.9
    assert cache.holds(ALICE, HASH, b"pass")
    clock.now += 0.1
    assert not cache.holds(ALICE, HASH, b"pass")
    assert len(cache) == 0


def test_use_does_not_make_a_login_younger(clock: Clock) -> None:
    cache = SuccessCache(clock, seconds=10)
    cache.remember(ALICE, HASH, b"pass")
    clock.now += 9
    assert cache.holds(ALICE, HASH, b"pass")
    clock.now += 2
    assert not cache.holds(ALICE, HASH, b"pass")


@pytest.mark.parametrize("password", [b"", b"Pass", b"pass\0", b"pas"])
def test_another_password_is_not_held(clock: Clock, password: bytes) -> None:
    cache = SuccessCache(clock)
    cache.remember(ALICE, HASH, b"pass")
    assert not cache.holds(ALICE, HASH, password)


def test_attack_40_a_changed_password_is_not_held(clock: Clock) -> None:
    cache = SuccessCache(clock)
    cache.remember(ALICE, HASH, b"pass")
    assert not cache.holds(ALICE, StoredPassword.parse(hash_password(b"pass", HashCost(1, 8, 1))), b"pass")


@pytest.mark.parametrize("address", ["bob@example.org", "alice@example.net", "lice@example.orga", "a@lice.example.org"])
def test_attack_40_another_user_with_the_same_hash_is_not_held(clock: Clock, address: str) -> None:
    cache = SuccessCache(clock)
    cache.remember(ALICE, HASH, b"pass")
    assert not cache.holds(User(EmailAddress.parse(address)), HASH, b"pass")


def test_attack_40_where_one_part_ends_and_the_next_begins_counts(clock: Clock) -> None:
    cache = SuccessCache(clock)
    cache.remember(ALICE, StoredPassword("SSHA", b"ab"), b"c")
    assert not cache.holds(ALICE, StoredPassword("SSHA", b"a"), b"bc")
    cache.remember(ALICE, StoredPassword("SSHA", b"a\0b"), b"c")
    assert not cache.holds(ALICE, StoredPassword("SSHA", b"a"), b"b\0c")


def test_a_user_is_the_same_however_the_address_was_written(clock: Clock) -> None:
    cache = SuccessCache(clock)
    cache.remember(ALICE, HASH, b"pass")
    assert cache.holds(User(EmailAddress.parse("ALICE@Example.ORG")), HASH, b"pass")


def test_the_number_of_logins_is_bounded_and_the_oldest_go_first(clock: Clock) -> None:
    cache = SuccessCache(clock, size=3)
    for password in (b"1", b"2", b"3", b"1", b"4"):
        cache.remember(ALICE, HASH, password)
    assert len(cache) == 3
    assert [cache.holds(ALICE, HASH, password) for password in (b"1", b"2", b"3", b"4")] == [True, False, True, True]


def test_plain_passwords_are_not_kept(clock: Clock) -> None:
    cache = SuccessCache(clock)
    cache.remember(ALICE, StoredPassword.parse("{PLAIN}pass"), b"pass")
    assert len(cache) == 0


def test_a_cache_of_no_size_holds_nothing(clock: Clock) -> None:
    cache = SuccessCache(clock, size=0)
    cache.remember(ALICE, HASH, b"pass")
    assert not cache.holds(ALICE, HASH, b"pass")


def test_neither_password_nor_hash_is_kept(clock: Clock) -> None:
    cache = SuccessCache(clock)
    cache.remember(ALICE, HASH, b"a very long password")
    kept = repr(vars(cache)).encode()
    assert b"a very long password" not in kept
    assert HASH.value not in kept
