"""Whose keys an exchange of SCRAM is held against: users' own, or made-up ones that look just as theirs do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from zope.interface import Interface

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.lasting_secret import LastingSecret
from mailbox_d.auth.portal import LoginRefused, ProofOfUser, build_portal, scram_keys
from mailbox_d.auth.realm import RunInLane, Service, User
from mailbox_d.auth.scram_keys import keys_text, make_keys
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.wire.sasl.exchange import Challenge, Proven, WantsKeys
from mailbox_d.wire.sasl.scram import ScramKeys, ScramSha256
from tests.unit.relay.at_once import at_once, done
from tests.unit.wire.sasl.scram_client import Client, b64

T = TypeVar("T")

KEYS = make_keys(b"pass", b"a salt of twenty-two..", 5000)
SCRAM = f'{{password: "{{SCRAM-SHA-256}}{keys_text(KEYS)}"}}'
STRANGERS = [f"stranger{number}@example.org" for number in range(20)]


def directory(folder: Path, secret: LastingSecret | None = None, run: RunInLane = at_once, **users: str) -> Directory:
    """Users of example.org, each as the file has it."""
    path = folder / "users.yaml"
    lines = "".join(f"  {name}@example.org: {entry}\n" for name, entry in users.items())
    path.write_text(f"users:\n{lines}")
    realm = YamlRealm("staff", path, read_users(path), read=at_once, verify=run, clock=lambda: 0.0, secret=secret)
    return Directory({"example.org": realm})


def keys(served: Directory, name: str, service: Service = Service.IMAP) -> tuple[ScramKeys, bool]:
    found: tuple[ScramKeys, bool] = done(scram_keys(served, name, service))
    return found


def test_stored_keys_are_given_as_they_are(tmp_path: Path) -> None:
    served = directory(tmp_path, alice=SCRAM)
    assert keys(served, "Alice@example.org") == (KEYS, True)


def test_keys_of_a_password_have_one_salt_each_time(tmp_path: Path) -> None:
    served = directory(tmp_path, alice='{password: "{PLAIN}pass"}')
    first, known = keys(served, "alice@example.org")
    assert known
    assert first == make_keys(b"pass", first.salt)
    assert keys(served, "alice@example.org") == (first, True)


@pytest.mark.parametrize("entry", [SCRAM, '{password: "{PLAIN}pass"}'])
@pytest.mark.parametrize("name", [*STRANGERS[:3], "alice@example.net", "no address"])
def test_attack_80_strangers_keys_look_as_the_users_do(tmp_path: Path, entry: str, name: str) -> None:
    served = directory(tmp_path, alice=entry)
    user_s, _ = keys(served, "alice@example.org")
    stranger_s, known = keys(served, name)
    assert not known
    assert (stranger_s.iterations, len(stranger_s.salt)) == (user_s.iterations, len(user_s.salt))
    assert stranger_s.salt == keys(served, name)[0].salt != user_s.salt


def test_each_stranger_has_a_salt_of_their_own(tmp_path: Path) -> None:
    served = directory(tmp_path, alice=SCRAM)
    assert len({keys(served, name)[0].salt for name in STRANGERS}) == len(STRANGERS)


def test_salts_are_the_same_after_a_restart(tmp_path: Path) -> None:
    secret = LastingSecret()
    users = {"alice": SCRAM, "bob": '{password: "{PLAIN}pass"}'}
    before, after = (directory(tmp_path, secret, **users) for _ in range(2))
    for name in (*STRANGERS, "bob@example.org"):
        assert keys(before, name)[0].salt == keys(after, name)[0].salt
    assert keys(directory(tmp_path, **users), STRANGERS[0])[0].salt != keys(before, STRANGERS[0])[0].salt


def test_an_invisible_password_has_no_keys(tmp_path: Path) -> None:
    """They would be those of each other one."""
    served = directory(tmp_path, alice='{password: "{PLAIN}\u00ad"}')
    assert keys(served, "alice@example.org")[1] is False
    assert keys(served, "alice@example.org")[0].salt == keys(served, "alice@example.org")[0].salt


def test_attack_80_strangers_look_the_same_while_users_come_and_go(tmp_path: Path) -> None:
    """Users do: whoever looks otherwise another day is none."""
    secret = LastingSecret()
    more = '{password: "{SCRAM-SHA-256}' + keys_text(make_keys(b"x", b"a salt of sixteen", 10_000)) + '"}'
    users = {f"u{number}": SCRAM if number % 2 else more for number in range(40)}
    strangers = [f"stranger{number}@example.org" for number in range(200)]
    seen = set()
    for day in range(8):
        users[f"new{day}"] = SCRAM
        users.pop(f"u{day}")
        served = directory(tmp_path, secret, **users)
        seen.add(tuple((shown.iterations, shown.salt) for shown, _ in (keys(served, name) for name in strangers)))
    assert len(seen) == 1
    assert len({iterations for iterations, _ in seen.pop()}) == 2


def test_strangers_look_like_all_kinds_of_users(tmp_path: Path) -> None:
    served = directory(tmp_path, alice=SCRAM, bob='{password: "{PLAIN}pass"}')
    assert {keys(served, name)[0].iterations for name in STRANGERS} == {4096, 5000}


def test_who_may_not_log_in_has_keys_that_prove_nothing(tmp_path: Path) -> None:
    """The server's proof would tell whoever has the password that it is right."""
    off, mail = SCRAM[:-1] + ", enabled: false}", SCRAM[:-1] + ", services: [imap]}"
    served = directory(tmp_path, alice=off, bob=mail)
    assert keys(served, "alice@example.org") == (KEYS, False)
    assert keys(served, "bob@example.org", Service.IMAP) == (KEYS, True)
    assert keys(served, "bob@example.org", Service.POP3) == (KEYS, False)


def test_any_fault_of_ours_is_temporary_logged_and_not_told(tmp_path: Path) -> None:
    async def fail(work: Callable[..., T], /, *args: object) -> T:
        raise RuntimeError("no thread")

    served = directory(tmp_path, run=fail, alice='{password: "{PLAIN}pass"}')
    with capturedLogs() as events, pytest.raises(AuthenticationUnavailable) as refusal:
        keys(served, "alice@example.org")
    assert "no thread" not in refusal.value.public
    assert any("log_failure" in event for event in events)


class Exchange:
    """Alice's exchange with a directory, up to the server's proof; she may take her time until the end."""

    def __init__(self, served: Directory, password: bytes) -> None:
        self.served = served
        self.mechanism = ScramSha256()
        client = Client(password=password)
        assert self.mechanism.start(b64(client.first)) == WantsKeys("alice@example.org")
        shown, known = keys(served, "alice@example.org")
        final = self.mechanism.step(b64(client.final(self.mechanism.keys(shown, known=known).data)))
        assert isinstance(final, Challenge) and client.believes(final.data)

    def end(self) -> User:
        """The user who is let in."""

        async def avatar(user: User) -> User:
            return user

        proof = self.mechanism.step(b"")
        assert isinstance(proof, Proven)
        login: Any = ProofOfUser(proof, Service.IMAP)
        portal = build_portal(self.served, {IMail: avatar})
        _, user, _ = done(wait_for(portal.login(login, None, IMail)))
        assert isinstance(user, User)
        return user


class IMail(Interface):
    """What a service wants."""


async def wait_for(deferred: Deferred[Any]) -> Any:
    return await deferred


@pytest.mark.parametrize("entry", [SCRAM, '{password: "{PLAIN}pass"}'])
def test_who_takes_their_time_comes_in_by_the_password_of_then_if_it_is_theirs_still(
    tmp_path: Path, entry: str
) -> None:
    exchange = Exchange(directory(tmp_path, alice=entry), b"pass")
    assert exchange.end().address.key == "alice"


@pytest.mark.parametrize("before", [SCRAM, '{password: "{PLAIN}pass"}'])
@pytest.mark.parametrize(
    "after",
    [
        '{password: "{SCRAM-SHA-256}' + keys_text(make_keys(b"other")) + '"}',
        '{password: "{PLAIN}other"}',
        '{password: "{SSHA}rDDH4335AuPvldTEjVh6cijXvEGsUtWx"}',
        SCRAM[:-1] + ", enabled: false}",
        None,
    ],
    ids=["other keys", "other password", "no keys", "disabled", "removed"],
)
def test_attack_40_a_password_that_is_changed_during_the_exchange_lets_nobody_in(
    tmp_path: Path, before: str, after: str | None
) -> None:
    secret = LastingSecret()
    exchange = Exchange(directory(tmp_path, secret, alice=before), b"pass")
    exchange.served = directory(tmp_path, secret, bob=SCRAM, **({"alice": after} if after is not None else {}))
    with pytest.raises(LoginRefused):
        exchange.end()


def test_attack_40_keys_that_are_made_while_the_password_is_changed_are_nobodys(tmp_path: Path) -> None:
    waiting: Deferred[None] = Deferred()

    async def slow(work: Callable[..., T], /, *args: object) -> T:
        await waiting
        return work(*args)

    now = [0.0]
    path = tmp_path / "users.yaml"
    path.write_text('users:\n  alice@example.org: {password: "{PLAIN}pass"}\n')
    realm = YamlRealm("staff", path, read_users(path), read=at_once, verify=slow, clock=lambda: now[0])
    found = Deferred.fromCoroutine(realm.scram_keys(EmailAddress.parse("alice@example.org")))
    path.write_text('users:\n  alice@example.org: {password: "{PLAIN}another"}\n')
    done(realm.refresh())
    waiting.callback(None)
    assert found.result[1] is False  # type: ignore[index]
