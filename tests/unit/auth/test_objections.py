"""Whether users who came in a while ago may still be there, as a users file has it that changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.passwords import HashCost, StoredPassword, hash_password
from mailbox_d.auth.portal import scram_keys
from mailbox_d.auth.realm import LoggedIn, Service, User
from mailbox_d.auth.scram_keys import keys_text, make_keys
from mailbox_d.auth.upgrades import HashUpgrades
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.errors import AuthenticationFailed
from tests.unit.relay.at_once import at_once, done

ALICE = EmailAddress.parse("alice@example.org")
BOB = "bob@example.org: {password: '{PLAIN}b'}"
WEAK = HashCost(1, 8, 1)
OWN, OTHER, PHONE = (hash_password(password, WEAK) for password in (b"pass", b"word", b"phone"))
KEYS, OTHER_KEYS = (f"{{SCRAM-SHA-256}}{keys_text(make_keys(password))}" for password in (b"pass", b"word"))


def alice(password: str = OWN, more: str = "", phone: str = f'phone: {{password: "{PHONE}", services: [imap]}}') -> str:
    return f'alice@example.org: {{password: "{password}"{more}, app_passwords: {{{phone}}}}}'


class Place:
    """A realm over a file, looked at each time."""

    def __init__(self, folder: Path, users: str = "", *, upgrades: HashUpgrades | None = None) -> None:
        self.path = folder / "users.yaml"
        self.edits = 0
        self.write(users or alice())
        self.realm = YamlRealm(
            "staff",
            self.path,
            read_users(self.path),
            read=at_once,
            verify=at_once,
            clock=lambda: 0.0,
            interval=0.0,
            upgrades=upgrades,
        )

    def write(self, *users: str) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text("users:\n" + "".join(f"  {user}\n" for user in users or ("{}",)))
        fresh.replace(self.path)

    def log_in(self, password: bytes, service: Service = Service.IMAP) -> LoggedIn:
        logged_in: LoggedIn = done(self.realm.authenticate(ALICE, password, service))
        return logged_in

    def objection(self, logged_in: LoggedIn, service: Service = Service.IMAP) -> str:
        told: str = done(self.realm.objection(logged_in, service))
        return told


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("password", [b"pass", b"phone"])
@pytest.mark.parametrize(
    "users",
    [
        (alice(),),
        (BOB, alice()),
        (alice(more=", quota: 1 GiB, senders: ['@example.com'], services: [imap]"),),
        (alice(phone=f'phone: {{password: "{PHONE}"}}, new: {{password: "{OTHER}"}}'),),
    ],
)
def test_what_is_no_change_of_how_they_came_is_no_objection(
    place: Place, password: bytes, users: tuple[str, ...]
) -> None:
    logged_in = place.log_in(password)
    place.write(*users)
    assert place.objection(logged_in) == ""


@pytest.mark.parametrize("password", [b"pass", b"phone"])
@pytest.mark.parametrize(
    ("users", "why"),
    [
        ((BOB,), "no such user"),
        ((alice(more=", enabled: false"),), "the user is disabled"),
        ((alice(more=", services: [pop3]"),), "the user may not use this service"),
    ],
)
def test_attack_40_who_is_taken_away_may_stay_by_no_password(
    place: Place, password: bytes, users: tuple[str, ...], why: str
) -> None:
    logged_in = place.log_in(password)
    place.write(*users)
    assert place.objection(logged_in) == why


@pytest.mark.parametrize("password", [b"pass", b"phone"])
def test_attack_40_another_password_is_an_objection_to_those_who_came_by_it_alone(
    place: Place, password: bytes
) -> None:
    logged_in = place.log_in(password)
    place.write(alice(OTHER))
    assert place.objection(logged_in) == ("the password is another one" if password == b"pass" else "")


@pytest.mark.parametrize("password", [b"pass", b"phone"])
@pytest.mark.parametrize(
    "phone",
    [
        "",
        f'phone: {{password: "{OTHER}", services: [imap]}}',
        f'phone: {{password: "{PHONE}", services: [pop3]}}',
        f'tablet: {{password: "{PHONE}", services: [imap]}}',
    ],
)
def test_attack_40_so_is_an_app_password_that_is_taken_away(place: Place, password: bytes, phone: str) -> None:
    logged_in = place.log_in(password)
    place.write(alice(phone=phone))
    assert place.objection(logged_in) == ("" if password == b"pass" else "the app password phone is no more")


def test_who_came_by_no_password_may_stay_whatever_it_is_now(place: Place) -> None:
    logged_in = LoggedIn(User(ALICE))
    place.write(alice(OTHER))
    assert place.objection(logged_in) == ""
    place.write(BOB)
    assert place.objection(logged_in) == "no such user"


def test_a_login_that_was_remembered_knows_what_is_stored_too(place: Place) -> None:
    assert place.log_in(b"phone") == place.log_in(b"phone")
    place.write(alice(phone=""))
    assert place.objection(LoggedIn(User(ALICE), "phone", StoredPassword.parse(PHONE)))


def test_a_file_with_a_fault_is_no_objection_and_no_edition(place: Place) -> None:
    logged_in, edition = place.log_in(b"pass"), place.realm.edition
    place.path.write_text("users: [")
    assert place.objection(logged_in) == ""
    place.path.unlink()
    assert place.objection(logged_in) == ""
    assert place.realm.edition == edition


def test_each_file_that_is_read_is_another_edition(place: Place) -> None:
    editions = [place.realm.edition]
    for users in ((alice(),), (alice(OTHER),), (BOB,)):
        place.write(*users)
        done(place.realm.look())
        done(place.realm.look())
        editions.append(place.realm.edition)
    assert len(set(editions)) == len(editions)


def test_a_password_that_was_stored_anew_at_login_is_no_other_one(tmp_path: Path) -> None:
    stored: list[str] = []

    def replace(path: Path, address: EmailAddress, old: StoredPassword, new: str, /) -> None:
        stored.append(new)
        place.write(alice(new))
        done(place.realm.look())  # as others may before the upgrade goes on
        assert place.objection(logged_in[0]) == ""

    logged_in = [LoggedIn(User(ALICE), stored=StoredPassword.parse(OWN))]
    upgrades = HashUpgrades(tmp_path / "users.yaml", replace, hash=at_once, edit=at_once, clock=lambda: 0.0)
    place = Place(tmp_path, upgrades=upgrades)
    assert place.log_in(b"pass") == logged_in[0]
    assert stored and place.objection(logged_in[0]) == ""
    assert place.objection(place.log_in(b"pass")) == ""
    place.write(alice(OTHER))
    assert place.objection(logged_in[0]) == "the password is another one"


def by_keys(place: Place, stored_key: bytes, service: Service = Service.IMAP) -> LoggedIn:
    directory = Directory({"example.org": place.realm})
    logged_in: LoggedIn = done(directory.by_keys(ALICE, stored_key, service))
    return logged_in


@pytest.mark.parametrize(("stored", "changed"), [(KEYS, OTHER_KEYS), ("{PLAIN}pass", "{PLAIN}word")])
def test_attack_40_keys_that_are_changed_during_the_exchange_let_nobody_in(
    tmp_path: Path, stored: str, changed: str
) -> None:
    place = Place(tmp_path, alice(stored))
    keys: Any = done(scram_keys(Directory({"example.org": place.realm}), str(ALICE), Service.IMAP))[0]
    logged_in = by_keys(place, keys.stored_key)
    assert logged_in == LoggedIn(logged_in.user, stored=StoredPassword.parse(stored))
    assert place.objection(logged_in) == ""
    place.write(alice(changed))
    assert place.objection(logged_in) == "the password is another one"
    with pytest.raises(AuthenticationFailed):
        by_keys(place, keys.stored_key)


@pytest.mark.parametrize("users", [(BOB,), (alice(KEYS, ", enabled: false"),), (alice(KEYS, ", services: [pop3]"),)])
def test_keys_let_nobody_in_who_may_not(tmp_path: Path, users: tuple[str, ...]) -> None:
    place = Place(tmp_path, *users)
    with pytest.raises(AuthenticationFailed):
        by_keys(place, make_keys(b"pass").stored_key)
