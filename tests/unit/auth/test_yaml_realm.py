"""A realm over a users file: look-ups, logins, and a file that changes, breaks and vanishes meanwhile."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, globalLogPublisher

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import NOBODYS_PASSWORD, HashCost, StoredPassword, hash_password
from mailbox_d.auth.realm import Service
from mailbox_d.auth.upgrades import HashUpgrades
from mailbox_d.auth.users_file import UsersFileLimits, read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.config.file_identity import identify
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable

T = TypeVar("T")

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.net")
SMITH = EmailAddress.parse("a.smith@example.org")
SALES = EmailAddress.parse("sales@example.org")
NOBODY = EmailAddress.parse("nobody@example.org")

HASH = hash_password(b"pass", HashCost(1, 8, 1))
OTHER_HASH = hash_password(b"word", HashCost(1, 8, 1))


def users_yaml(password: str = HASH, extra: str = "") -> str:
    return f"""
users:
  alice@example.org: {{password: "{password}", quota: 1 GiB, aliases: [a.smith@example.org]}}
  bob@example.net: {{password: "{OTHER_HASH}", enabled: false}}
{extra}
aliases:
  sales@example.org: [alice@example.org, bob@example.net]
"""


class Site:
    """A realm with its file, a clock that stands, and a record of the work that went through the lanes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "users.yaml"
        self.now = 1000.0
        self.read: list[str] = []
        self.verified: list[StoredPassword] = []
        self.log: list[dict[str, Any]] = []
        self.path.write_text(users_yaml())
        known = identify(self.path)
        self.realm = YamlRealm(
            "staff",
            self.path,
            read_users(self.path),
            known,
            read=self.run_reading,
            verify=self.run_verifying,
            clock=lambda: self.now,
        )

    async def run_reading(self, work: Callable[..., T], /, *args: object) -> T:
        self.read.append(work.__name__)
        return work(*args)

    async def run_verifying(self, work: Callable[..., T], /, *args: object) -> T:
        self.verified.append(work.__self__)  # type: ignore[attr-defined]
        return work(*args)

    def write(self, text: str) -> None:
        """Replace the file as an editor does."""
        beside = self.path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.path)

    def refusal(self, address: EmailAddress, password: bytes) -> AuthenticationFailed:
        with pytest.raises(AuthenticationFailed) as error:
            result(self.realm.authenticate(address, password, Service.IMAP))
        return error.value

    def logged(self, level: LogLevel) -> list[dict[str, Any]]:
        return [event for event in self.log if event["log_level"] == level]


@pytest.fixture
def site(tmp_path: Path) -> Any:
    site = Site(tmp_path)
    globalLogPublisher.addObserver(site.log.append)
    yield site
    globalLogPublisher.removeObserver(site.log.append)


def result(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that waits for nothing gives."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(outcome.append)
    assert outcome, "the work waits for something"
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]  # type: ignore[no-any-return]


def test_each_kind_of_address_is_found_in_its_place_alone(site: Site) -> None:
    alice = result(site.realm.find_user(ALICE))
    assert alice is not None
    assert (alice.address, alice.quota, alice.aliases) == (ALICE, 1 << 30, (SMITH,))
    assert result(site.realm.user_of_alias(SMITH)) is alice
    assert result(site.realm.alias(SALES)) == (ALICE, BOB)
    assert result(site.realm.find_user(SMITH)) is None
    assert result(site.realm.find_user(SALES)) is None
    assert result(site.realm.user_of_alias(ALICE)) is None
    assert result(site.realm.alias(SMITH)) is None
    assert result(site.realm.find_user(EmailAddress.parse("alice+x@example.org"))) is None


def test_what_is_known_of_a_user_is_told_at_once(site: Site) -> None:
    site.write(users_yaml().replace("quota: 1 GiB", "quota: 2 GiB"))
    before = site.realm.known_user(ALICE)
    result(site.realm.refresh())
    after = site.realm.known_user(ALICE)
    assert before is not None and after is not None
    assert (before.quota, after.quota) == (1 << 30, 2 << 30)
    assert site.realm.known_user(SMITH) is None


def test_the_right_password_gives_the_user(site: Site) -> None:
    assert (
        result(site.realm.authenticate(EmailAddress.parse("Alice@EXAMPLE.org"), b"pass", Service.IMAP)).user.address
        == ALICE
    )


def test_attack_35_unknown_disabled_and_wrong_look_alike_and_each_cost_one_hash(site: Site) -> None:
    refusals = [
        site.refusal(ALICE, b"wrong"),
        site.refusal(NOBODY, b"pass"),
        site.refusal(BOB, b"word"),
        site.refusal(BOB, b"wrong"),
        site.refusal(SMITH, b"pass"),
        site.refusal(SALES, b"pass"),
    ]
    assert len({(refusal.public, refusal.temporary) for refusal in refusals}) == 1
    assert len(site.verified) == len(refusals)


def test_attack_35_a_disabled_users_right_password_is_not_cached(site: Site) -> None:
    for _ in range(3):
        site.refusal(BOB, b"word")
    assert len(site.verified) == 3


def test_attack_35_an_unknown_user_costs_what_one_of_the_realms_users_does_and_always_the_same(site: Site) -> None:
    site.write(users_yaml(extra='  eve@example.org: {password: "{SSHA}rDDH4335AuPvldTEjVh6cijXvEGsUtWx"}'))
    result(site.realm.refresh())
    users = {login.password.scheme for login in site.realm.users.logins.values()}
    names = [EmailAddress.parse(f"nobody{n}@example.org") for n in range(40)]
    for name in names * 2:
        site.refusal(name, b"pass")
    assert site.verified[:40] == site.verified[40:]
    assert {stored.scheme for stored in site.verified} == users == {"ARGON2ID", "SSHA"}


def test_attack_35_in_a_realm_without_users_a_hash_of_the_default_cost_is_made(site: Site) -> None:
    site.write("users: {}")
    result(site.realm.refresh())
    site.refusal(ALICE, b"pass")
    assert site.verified == [NOBODYS_PASSWORD]


def test_nobodys_password_is_hashed_to_the_end() -> None:
    assert NOBODYS_PASSWORD.verify(b"pass") is False
    assert StoredPassword.parse("{ARGON2ID}" + NOBODYS_PASSWORD.value.decode()) == NOBODYS_PASSWORD


def test_a_second_login_costs_no_hash(site: Site) -> None:
    result(site.realm.authenticate(ALICE, b"pass", Service.IMAP))
    result(site.realm.authenticate(ALICE, b"pass", Service.IMAP))
    assert len(site.verified) == 1
    site.now += 301
    result(site.realm.authenticate(ALICE, b"pass", Service.IMAP))
    assert len(site.verified) == 2


def test_attack_40_a_changed_password_ends_the_old_one_at_once(site: Site) -> None:
    result(site.realm.authenticate(ALICE, b"pass", Service.IMAP))
    site.write(users_yaml(OTHER_HASH))
    site.now += 1
    site.refusal(ALICE, b"pass")
    assert result(site.realm.authenticate(ALICE, b"word", Service.IMAP)).user.address == ALICE


def test_attack_40_a_removed_or_disabled_user_is_refused_at_once(site: Site) -> None:
    result(site.realm.authenticate(ALICE, b"pass", Service.IMAP))
    site.write(users_yaml().replace("quota: 1 GiB", "enabled: false"))
    site.now += 1
    site.refusal(ALICE, b"pass")
    site.write("users: {}")
    site.now += 1
    site.refusal(ALICE, b"pass")


APP_PASSWORDS = {name: hash_password(name.encode(), HashCost(1, 8, 1)) for name in ("phone", "laptop", "printer")}


def with_app_passwords(*, services: str = "", printer: str = "submission") -> str:
    """Alice's password is `pass`, those of her devices are their names; bob has one."""
    return f"""
users:
  alice@example.org:
    password: "{HASH}"
    {services}
    app_passwords:
      phone: {{password: "{APP_PASSWORDS["phone"]}", services: [imap]}}
      laptop: {{password: "{APP_PASSWORDS["laptop"]}"}}
      printer: {{password: "{APP_PASSWORDS["printer"]}", services: [{printer}]}}
  bob@example.net: {{password: "{OTHER_HASH}", app_passwords: {{x: {{password: "{HASH}", services: pop3}}}}}}
"""


@pytest.fixture
def devices(site: Site) -> Site:
    site.write(with_app_passwords())
    result(site.realm.refresh())
    return site


def by(site: Site, password: bytes, service: Service) -> str:
    """As what alice comes in; "refused" where she does not."""
    try:
        return result(site.realm.authenticate(ALICE, password, service)).by or "herself"
    except AuthenticationFailed:
        return "refused"


@pytest.mark.parametrize(
    ("password", "imap", "pop3", "submission"),
    [
        (b"pass", "herself", "herself", "herself"),
        (b"phone", "phone", "refused", "refused"),
        (b"laptop", "laptop", "laptop", "laptop"),
        (b"printer", "refused", "refused", "printer"),
        (b"word", "refused", "refused", "refused"),
    ],
)
def test_an_app_password_is_good_for_its_services(
    devices: Site, password: bytes, imap: str, pop3: str, submission: str
) -> None:
    for _ in range(2):  # afterwards from the cache
        told = [by(devices, password, service) for service in (Service.IMAP, Service.POP3, Service.SUBMISSION)]
        assert told == [imap, pop3, submission]


def test_an_app_password_opens_nothing_that_its_user_may_not_use(devices: Site) -> None:
    assert by(devices, b"laptop", Service.SUBMISSION) == "laptop"
    devices.write(with_app_passwords(services="services: [imap]"))
    devices.now += 1
    assert by(devices, b"laptop", Service.SUBMISSION) == "refused"
    assert by(devices, b"laptop", Service.IMAP) == "laptop"


def test_attack_40_an_app_password_that_is_gone_or_may_less_is_refused_at_once(devices: Site) -> None:
    assert by(devices, b"printer", Service.SUBMISSION) == "printer"
    devices.write(with_app_passwords(printer="pop3"))
    devices.now += 1
    assert by(devices, b"printer", Service.SUBMISSION) == "refused"
    assert by(devices, b"printer", Service.POP3) == "printer"
    devices.write(users_yaml())
    devices.now += 1
    assert by(devices, b"printer", Service.POP3) == "refused"


def test_attack_35_whichever_password_fits_or_none_as_many_hashes_are_made(devices: Site) -> None:
    for password in (b"pass", b"phone", b"laptop", b"printer", b"wrong"):
        devices.verified.clear()
        by(devices, password, Service.IMAP)
        assert len(devices.verified) == 3


def test_attack_35_an_unknown_user_costs_as_many_hashes_as_one_of_the_realms_users(devices: Site) -> None:
    logins = devices.realm.users.logins
    costs = {tuple(stored for _, stored in login.passwords_for(Service.IMAP)) for login in logins.values()}
    seen = set()
    for n in range(40):
        devices.verified.clear()
        devices.refusal(EmailAddress.parse(f"nobody{n}@example.org"), b"pass")
        seen.add(tuple(devices.verified))
    assert seen == costs


def test_a_second_login_by_an_app_password_costs_no_hash(devices: Site) -> None:
    by(devices, b"laptop", Service.IMAP)
    devices.verified.clear()
    assert by(devices, b"laptop", Service.IMAP) == "laptop"
    assert devices.verified == []


def test_of_right_passwords_users_own_ones_are_looked_at_for_their_age(devices: Site) -> None:
    told: list[tuple[EmailAddress, bytes]] = []

    class Noting(HashUpgrades):
        def consider(self, address: EmailAddress, stored: StoredPassword, password: bytes) -> None:
            told.append((address, password))

    def replace(path: Path, address: EmailAddress, old: StoredPassword, new: str, /) -> None: ...

    lane = devices.run_verifying
    devices.realm = YamlRealm(
        "staff",
        devices.path,
        devices.realm.users,
        read=devices.run_reading,
        verify=lane,
        clock=lambda: devices.now,
        upgrades=Noting(devices.path, replace, hash=lane, edit=lane, clock=lambda: devices.now),
    )
    for password in (b"wrong", b"phone", b"pass", b"pass"):
        by(devices, password, Service.IMAP)
    devices.refusal(NOBODY, b"pass")
    devices.refusal(BOB, b"wrong")
    assert told == [(ALICE, b"pass")]


def test_the_file_is_looked_at_once_a_second_and_read_only_when_it_changed(site: Site) -> None:
    for _ in range(5):
        result(site.realm.find_user(ALICE))
    assert site.read == []
    site.now += 1
    for _ in range(5):
        result(site.realm.find_user(ALICE))
    assert site.read == ["identify"]
    site.write(users_yaml(extra=f'  carol@example.org: {{password: "{HASH}"}}'))
    site.now += 1
    assert result(site.realm.find_user(EmailAddress.parse("carol@example.org"))) is not None
    assert site.read == ["identify", "identify", "read_users", "StandIns"]


def test_a_file_written_between_reading_and_the_first_look_is_noticed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    users = read_users(site.path)
    site.write("users: {}")
    realm = YamlRealm("staff", site.path, users, read=site.run_reading, verify=site.run_verifying, clock=lambda: 0.0)
    assert result(realm.find_user(ALICE)) is None


def test_a_change_of_the_same_size_in_the_same_file_is_noticed(site: Site) -> None:
    with site.path.open("r+") as file:
        file.write(users_yaml().replace("quota: 1 GiB", "quota: 2 GiB"))
    result(site.realm.refresh())
    alice = result(site.realm.find_user(ALICE))
    assert alice is not None
    assert alice.quota == 2 << 30


@pytest.mark.parametrize("broken", ["", "users:\n", "users: [", users_yaml("{MD5}x"), users_yaml() + "\tx", "\xff\0"])
def test_a_broken_file_is_refused_and_told_once_while_the_old_one_serves(site: Site, broken: str) -> None:
    site.write(broken)
    for _ in range(3):
        site.now += 1
        assert result(site.realm.find_user(ALICE)) is not None
    assert result(site.realm.authenticate(ALICE, b"pass", Service.IMAP)).user.address == ALICE
    (event,) = site.logged(LogLevel.error)
    assert f"{site.path}:" in event["faults"]
    assert site.read.count("read_users") == 1
    site.write("users: {}")
    site.now += 1
    assert result(site.realm.find_user(ALICE)) is None


def test_a_vanished_file_is_told_once_while_the_old_one_serves(site: Site) -> None:
    site.path.unlink()
    for _ in range(3):
        site.now += 1
        assert result(site.realm.find_user(ALICE)) is not None
    assert len(site.logged(LogLevel.error)) == 1
    site.path.write_text("users: {}")
    site.now += 1
    assert result(site.realm.find_user(ALICE)) is None


def test_a_line_in_the_log_is_bounded(site: Site) -> None:
    many = "".join(f"  u{n}@example.org: {{password: x}}\n" for n in range(50))
    site.write("users:\n" + many)
    result(site.realm.refresh())
    assert len(site.logged(LogLevel.error)[0]["faults"]) <= 1000


def test_any_fault_of_ours_in_reading_leaves_the_old_file_serving(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[float] = []

    def read_broken(path: Path, limits: UsersFileLimits) -> None:
        read.append(site.now)
        site.now += 3
        raise MemoryError

    monkeypatch.setattr("mailbox_d.auth.yaml_realm.read_users", read_broken)
    site.write("users: {}")
    for _ in range(100):
        site.now += 1
        assert result(site.realm.find_user(ALICE)) is not None
    assert len(site.logged(LogLevel.critical)) == 1
    assert [after - before for before, after in pairwise(read)] == [3 * 21 + 1] * (len(read) - 1) and len(read) == 2
    monkeypatch.undo()
    site.now += 100
    assert result(site.realm.find_user(ALICE)) is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_attack_40_a_change_that_cannot_be_read_at_first_holds_as_soon_as_it_can(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def open_nothing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    site.write(users_yaml().replace("quota: 1 GiB", "enabled: false"))
    monkeypatch.setattr("builtins.open", open_nothing)
    for _ in range(3):
        site.now += 1
        assert result(site.realm.authenticate(ALICE, b"pass", Service.IMAP))
    monkeypatch.undo()
    (event,) = site.logged(LogLevel.error)
    assert os.strerror(number) in event["faults"]
    site.now += 1
    site.refusal(ALICE, b"pass")
    assert site.read[-3:] == ["identify", "read_users", "StandIns"]


def test_each_trouble_is_told_anew(site: Site) -> None:
    for _ in range(2):
        site.path.unlink()
        result(site.realm.refresh())
        site.write("users: {}")
        result(site.realm.refresh())
    assert len(site.logged(LogLevel.error)) == 2


def test_a_lane_that_fails_to_look_leaves_the_old_file_serving(site: Site) -> None:
    async def stopped(work: Callable[..., T], /, *args: object) -> T:
        raise RuntimeError("the lane has stopped")

    realm = YamlRealm(
        "staff", site.path, site.realm.users, read=stopped, verify=site.run_verifying, clock=lambda: site.now
    )
    assert result(realm.find_user(ALICE)) is not None
    assert len(site.logged(LogLevel.critical)) == 1


def test_while_the_file_is_read_others_are_served_from_what_is_known(tmp_path: Path) -> None:
    site = Site(tmp_path)
    waiting: Deferred[None] = Deferred()

    async def slow(work: Callable[..., T], /, *args: object) -> T:
        await waiting
        return work(*args)

    realm = YamlRealm(
        "staff", site.path, site.realm.users, read=slow, verify=site.run_verifying, clock=lambda: site.now
    )
    site.write("users: {}")
    first = Deferred.fromCoroutine(realm.find_user(ALICE))
    assert result(realm.find_user(ALICE)) is not None
    assert not first.called
    waiting.callback(None)
    assert first.result is None


def test_a_lane_that_fails_is_no_wrong_password(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def unavailable(work: Callable[..., T], /, *args: object) -> Awaitable[T]:
        raise AuthenticationUnavailable("Not now")

    realm = YamlRealm(
        "staff",
        site.path,
        site.realm.users,
        identify(site.path),
        read=site.run_reading,
        verify=unavailable,
        clock=lambda: site.now,
    )
    for address in (ALICE, NOBODY):
        with pytest.raises(AuthenticationUnavailable):
            result(realm.authenticate(address, b"pass", Service.IMAP))


class SlowHashes:
    """A lane whose work waits until it is let go on, one after the other."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.waiting: list[Deferred[None]] = []
        self.realm = YamlRealm(
            "staff",
            site.path,
            site.realm.users,
            identify(site.path),
            read=site.run_reading,
            verify=self.run,
            clock=lambda: site.now,
        )

    async def run(self, work: Callable[..., T], /, *args: object) -> T:
        self.waiting.append(Deferred())
        await self.waiting[-1]
        return work(*args)

    def go_on(self) -> None:
        while self.waiting:
            self.waiting.pop(0).callback(None)

    def after_a_change(self, password: bytes, *texts: str) -> Any:
        """What comes of alice's login by IMAP where the file changes to each text in turn while a hash waits."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(self.realm.authenticate(ALICE, password, Service.IMAP)).addBoth(outcome.append)
        for text in texts:
            assert not outcome
            self.site.write(text)
            self.site.now += 1
            self.waiting.pop(0).callback(None)
        self.go_on()
        assert outcome, "the login waits for something"
        return outcome[0].value if hasattr(outcome[0], "value") else outcome[0]


@pytest.mark.parametrize(
    "text",
    [
        users_yaml().replace("quota: 1 GiB", "enabled: false"),
        users_yaml().replace("quota: 1 GiB", "services: [pop3]"),
        users_yaml(OTHER_HASH),
        "users: {}",
    ],
    ids=["disabled", "service taken away", "password changed", "removed"],
)
def test_attack_40_what_is_taken_away_while_the_hash_waits_lets_nobody_in(site: Site, text: str) -> None:
    slow = SlowHashes(site)
    assert isinstance(slow.after_a_change(b"pass", text), AuthenticationFailed)


def test_attack_40_an_app_password_that_is_revoked_while_its_hash_waits_lets_nobody_in(devices: Site) -> None:
    revoked = with_app_passwords().replace("phone:", "tablet:").replace(APP_PASSWORDS["phone"], OTHER_HASH)
    assert isinstance(SlowHashes(devices).after_a_change(b"phone", revoked), AuthenticationFailed)


def test_a_password_that_is_stored_anew_while_its_hash_waits_is_right_still(site: Site) -> None:
    """As another login of the same user has it done (`HashUpgrades`)."""
    again = hash_password(b"pass", HashCost(1, 8, 1))
    assert SlowHashes(site).after_a_change(b"pass", users_yaml(again)).user.address == ALICE


def test_a_user_who_changes_all_the_time_is_put_off(site: Site) -> None:
    texts = [users_yaml().replace("1 GiB", f"{n} GiB") for n in (2, 3, 4)]
    assert isinstance(SlowHashes(site).after_a_change(b"pass", *texts), AuthenticationUnavailable)
    site.write(users_yaml())
    site.now += 1
    assert isinstance(SlowHashes(site).after_a_change(b"pass", *texts[:2]).user.address, EmailAddress)
