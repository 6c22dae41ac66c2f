"""Whose place strangers take, and that they keep it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import NOBODYS_PASSWORD, StoredPassword
from mailbox_d.auth.realm import Service, User
from mailbox_d.auth.scram_keys import keys_text, make_keys
from mailbox_d.auth.stand_ins import MOST_KINDS, StandIns, kind_of
from mailbox_d.auth.users_file import AppPassword, Login

SECRET = b"a secret of thirty-two octets..."
NAMES = [f"stranger{number}@example.org" for number in range(300)]


def scram(iterations: int, salt: bytes = b"sixteen octets..") -> StoredPassword:
    return StoredPassword.parse("{SCRAM-SHA-256}" + keys_text(make_keys(b"x", salt, iterations)))


def argon2(passes: int, tail: str = "A") -> StoredPassword:
    return StoredPassword.parse(f"{{ARGON2ID}}$argon2id$v=19$m=64,t={passes},p=1${'A' * 22}${tail * 43}")


FEW, MANY, PLAIN, SLOW = scram(4096), scram(10_000), StoredPassword.parse("{PLAIN}$6$x$"), argon2(3)


def users(*stored: StoredPassword, devices: int = 0) -> list[Login]:
    others = tuple(AppPassword(f"a{number}", SLOW, frozenset({Service.IMAP})) for number in range(devices))
    return [
        Login(User(EmailAddress.parse(f"u{number}-{devices}@example.org")), each, others)
        for number, each in enumerate(stored)
    ]


def kinds(logins: Iterable[Login]) -> list[str]:
    """The kind that each stranger has."""
    stand_ins = StandIns(logins)
    return [kind_of(stand_ins.of(SECRET, name).password) for name in NAMES]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (argon2(1), argon2(1, "E"), True),
        (argon2(1), argon2(2), False),
        (FEW, scram(4096, b"octets: sixteen."), True),
        (FEW, MANY, False),
        (FEW, scram(4096, b"seventeen octets."), False),
        (PLAIN, StoredPassword.parse("{PLAIN}pass"), True),
    ],
)
def test_what_is_of_one_kind_costs_and_shows_the_same(one: StoredPassword, other: StoredPassword, alike: bool) -> None:
    assert (kind_of(one) == kind_of(other)) is alike


@pytest.mark.parametrize(
    "settings",
    [
        ("{BLF-CRYPT}$2y$05$", "{BLF-CRYPT}$2y$12$", "." * 53),
        ("{SHA512-CRYPT}$6$rounds=5000$salt$", "{SHA512-CRYPT}$6$rounds=656000$salt$", "a" * 86),
        ("{SHA256-CRYPT}$5$salt$", "{SHA256-CRYPT}$5$rounds=1000$salt$", "a" * 43),
    ],
)
def test_costs_of_crypt(settings: tuple[str, str, str]) -> None:
    one, other, rest = settings
    assert kind_of(StoredPassword.parse(one + rest)) != kind_of(StoredPassword.parse(other + rest))
    assert rest not in kind_of(StoredPassword.parse(one + rest))


def test_without_users_there_is_nobody() -> None:
    assert StandIns([]).of(SECRET, NAMES[0]).password is NOBODYS_PASSWORD


def test_each_kind_stands_about_as_often_as_it_is_among_the_users() -> None:
    told = Counter(kinds(users(*[FEW] * 64, *[SLOW] * 16)))
    assert set(told) == {kind_of(FEW), kind_of(SLOW)}
    assert 3 <= told[kind_of(FEW)] / told[kind_of(SLOW)] <= 5  # 4 : 1 of 300 names, always the same ones


def test_attack_80_who_comes_and_goes_moves_no_stranger() -> None:
    before = kinds(users(*[FEW] * 10, *[MANY] * 10))
    for few, many in ((9, 10), (11, 10), (31, 8), (8, 31)):
        assert kinds(users(*[FEW] * few, *[MANY] * many)) == before


def test_attack_80_a_kind_that_comes_goes_or_grows_moves_its_own_strangers_alone() -> None:
    before = kinds(users(*[FEW] * 10, *[MANY] * 10))
    for after in (users(*[FEW] * 10, *[MANY] * 10, PLAIN), users(*[FEW] * 10, *[MANY] * 40)):
        moved = {(was, now) for was, now in zip(before, kinds(after), strict=True) if was != now}
        assert moved and len({now for _, now in moved}) == 1
    assert set(kinds(users(*[FEW] * 10))) == {kind_of(FEW)}


def test_strangers_have_as_many_passwords_as_users_of_their_kind() -> None:
    stand_ins = StandIns([*users(FEW, FEW), *users(FEW, devices=3), *users(SLOW, devices=1)])
    told = {(kind_of(login.password), len(login.app_passwords)) for login in (stand_ins.of(SECRET, n) for n in NAMES)}
    assert told == {(kind_of(FEW), 0), (kind_of(FEW), 3), (kind_of(SLOW), 1)}


def test_under_another_secret_others_stand() -> None:
    stand_ins = StandIns(users(FEW, MANY))
    one, other = ([stand_ins.of(secret, name) for name in NAMES] for secret in (SECRET, b"another"))
    assert one != other


def test_of_very_many_kinds_the_commonest_stand() -> None:
    many = [scram(4096 + number) for number in range(MOST_KINDS + 20)]
    told = Counter(kinds(users(*many, *many[-5:])))
    assert len(told) <= MOST_KINDS
    assert {kind_of(stored) for stored in many[-5:]} <= set(told)
