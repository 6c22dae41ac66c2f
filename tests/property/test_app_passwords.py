"""Whoever logs in by whatever password to whatever service: what a realm says is what a few lines of logic say."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import HashCost, StoredPassword, hash_password
from mailbox_d.auth.realm import Service, User
from mailbox_d.auth.users_file import AppPassword, Login, Users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.errors import AuthenticationFailed
from tests.unit.relay.at_once import at_once, done

ALICE = EmailAddress.parse("alice@example.org")
PASSWORDS = (b"one", b"two", b"three")
STORED = {
    password: (
        StoredPassword("PLAIN", password),
        StoredPassword.parse(hash_password(password, HashCost(1, 8, 1))),
    )
    for password in PASSWORDS
}

services = st.frozensets(st.sampled_from(Service))
passwords = st.sampled_from(PASSWORDS)
further = st.lists(st.tuples(passwords, st.booleans(), services), max_size=4)
attempts = st.lists(st.tuples(passwords, st.sampled_from(Service)), min_size=1, max_size=12)


def realm_of(user: User, own: bytes, others: list[tuple[bytes, bool, frozenset[Service]]]) -> YamlRealm:
    app_passwords = tuple(
        AppPassword(f"a{number}", STORED[password][hashed], allowed)
        for number, (password, hashed, allowed) in enumerate(others)
    )
    login = Login(user, STORED[own][True], app_passwords)
    missing = Path("/nonexistent/users.yaml")
    users = Users({ALICE: login}, {}, {})
    return YamlRealm("staff", missing, users, read=at_once, verify=at_once, clock=lambda: 0.0)


@given(services, st.booleans(), passwords, further, attempts)
def test_who_comes_in_and_as_what(
    allowed: frozenset[Service],
    enabled: bool,
    own: bytes,
    others: list[tuple[bytes, bool, frozenset[Service]]],
    tries: list[tuple[bytes, Service]],
) -> None:
    realm = realm_of(User(ALICE, enabled=enabled, services=allowed), own, others)
    for password, service in tries:
        good = [""] * (password == own)
        good += [f"a{n}" for n, (other, _, allow) in enumerate(others) if other == password and service in allow]
        try:
            told = done(realm.authenticate(ALICE, password, service)).by
        except AuthenticationFailed:
            assert not (enabled and service in allowed and good)
        else:
            assert enabled and service in allowed and told in good
