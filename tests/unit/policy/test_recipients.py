"""Where addresses lead."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.policy.recipients import MAX_ALIAS_DEPTH, Destination, Recipients, ServedDomain


def address(text: str) -> EmailAddress:
    return EmailAddress.parse(text)


class Realm:
    """Users and aliases from a table."""

    name = "test"

    def __init__(self, users: dict[str, list[str]], aliases: dict[str, list[str]]) -> None:
        self.users = [User(address(user), aliases=tuple(map(address, own))) for user, own in users.items()]
        self.aliases = {address(alias): tuple(map(address, targets)) for alias, targets in aliases.items()}

    async def find_user(self, wanted: EmailAddress) -> User | None:
        return next((user for user in self.users if user.address == wanted), None)

    async def user_of_alias(self, wanted: EmailAddress) -> User | None:
        return next((user for user in self.users if wanted in user.aliases), None)

    async def alias(self, wanted: EmailAddress) -> tuple[EmailAddress, ...] | None:
        return self.aliases.get(wanted)

    async def authenticate(self, wanted: EmailAddress, password: bytes) -> User:
        raise NotImplementedError


def resolve(text: str, aliases: dict[str, list[str]], catch_all: str | None = None) -> Destination:
    realm = Realm({"alice@a.example": ["own@a.example"], "bob@a.example": [], "x+y@a.example": []}, aliases)
    caught = address(catch_all) if catch_all else None
    recipients = Recipients({"a.example": ServedDomain(realm, caught)})
    results: list[Destination] = []
    Deferred.fromCoroutine(recipients.resolve(address(text))).addCallback(results.append)
    return results[0]


@pytest.mark.parametrize(
    ("text", "mailboxes", "remote"),
    [
        ("alice@a.example", ["alice@a.example"], []),
        ("own@a.example", ["alice@a.example"], []),
        ("team@a.example", ["alice@a.example", "bob@a.example"], []),
        ("own+x@a.example", ["alice@a.example"], []),
        ("team+x@a.example", ["alice@a.example", "bob@a.example"], []),
        ("x+y@a.example", ["x+y@a.example"], []),
        ("nested@a.example", ["alice@a.example", "bob@a.example"], ["carol@b.example"]),
        ("loop@a.example", [], []),
        ("who@b.example", [], ["who@b.example"]),
        ("nobody@a.example", [], []),
    ],
)
def test_the_order_of_look_ups(text: str, mailboxes: list[str], remote: list[str]) -> None:
    aliases = {
        "team@a.example": ["alice@a.example", "bob@a.example"],
        "nested@a.example": ["team@a.example", "own@a.example", "carol@b.example"],
        "loop@a.example": ["pool@a.example"],
        "pool@a.example": ["loop@a.example"],
    }
    found = resolve(text, aliases)
    assert found == Destination(tuple(map(address, mailboxes)), tuple(map(address, remote)))


def test_the_catch_all_takes_what_nobody_has_and_is_told() -> None:
    assert resolve("any@a.example", {}, "bob@a.example") == Destination((address("bob@a.example"),), (), True)
    assert resolve("own@a.example", {}, "bob@a.example") == Destination((address("alice@a.example"),))


def test_a_chain_of_aliases_has_a_bound() -> None:
    chain = {f"a{step}@a.example": [f"a{step + 1}@a.example"] for step in range(MAX_ALIAS_DEPTH + 5)}
    assert resolve("a0@a.example", chain) == Destination()
