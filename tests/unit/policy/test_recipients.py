"""Where addresses lead."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.policy.recipients import MAX_ALIAS_DEPTH, Destination, Recipients, ServedDomain, TooManyTargets


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

    async def authenticate(self, wanted: EmailAddress, password: bytes, service: object) -> User:
        raise NotImplementedError


def resolve(
    text: str, aliases: dict[str, list[str]], catch_all: str | None = None, most_targets: int = 1000
) -> Destination:
    realm = Realm({"alice@a.example": ["own@a.example"], "bob@a.example": [], "x+y@a.example": []}, aliases)
    caught = address(catch_all) if catch_all else None
    recipients = Recipients({"a.example": ServedDomain(realm, caught)}, most_targets=most_targets)
    results: list[Destination] = []
    raised: list[Failure] = []
    Deferred.fromCoroutine(recipients.resolve(address(text))).addCallback(results.append).addErrback(raised.append)
    for failure in raised:
        failure.raiseException()
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
    assert (found.mailboxes, found.remote) == (tuple(map(address, mailboxes)), tuple(map(address, remote)))


def test_the_catch_all_takes_what_nobody_has_and_is_told() -> None:
    assert resolve("any@a.example", {}, "bob@a.example") == Destination((address("bob@a.example"),), (), True)
    assert resolve("own@a.example", {}, "bob@a.example") == Destination((address("alice@a.example"),))


def test_a_chain_of_aliases_has_a_bound() -> None:
    """No target is left out in silence: whoever could be told of it would not know."""
    length = MAX_ALIAS_DEPTH - 1
    chain = {f"a{step}@a.example": [f"a{step + 1}@a.example"] for step in range(length)}
    chain[f"a{length - 1}@a.example"] = ["alice@a.example"]
    assert resolve("a0@a.example", chain).mailboxes == (address("alice@a.example"),)
    chain["more@a.example"] = ["bob@a.example", "further@a.example"]
    chain["further@a.example"] = ["a0@a.example"]
    with pytest.raises(TooManyTargets):
        resolve("more@a.example", chain)


def test_of_an_address_elsewhere_is_known_which_of_ours_leads_to_it() -> None:
    aliases = {
        "team@a.example": ["alice@a.example", "away@a.example", "dave@c.example"],
        "away@a.example": ["carol@b.example", "dave@c.example"],
    }
    found = resolve("team+x@a.example", aliases)
    assert found.mailboxes == (address("alice@a.example"),)
    assert found.via == {
        address("dave@c.example"): address("team@a.example"),
        address("carol@b.example"): address("away@a.example"),
    }
    assert resolve("dave@c.example", aliases).via == {}


def test_one_way_has_one_name_whatever_a_sender_writes() -> None:
    """Else a message to many forms of one address would be forwarded as often."""
    aliases = {"away@a.example": ["carol@b.example"], "z+y@a.example": ["dave@b.example"]}
    ways = {tuple(resolve(f"away{suffix}@a.example", aliases).via.values()) for suffix in ("", "+1", "+2")}
    assert ways == {(address("away@a.example"),)}
    assert tuple(resolve("z+y@a.example", aliases).via.values()) == (address("z+y@a.example"),)
    caught = {tuple(resolve(f"any{n}@a.example", {}, "carol@b.example").via.values()) for n in range(3)}
    assert len(caught) == 1


def test_a_catch_all_may_lead_elsewhere() -> None:
    found = resolve("any@a.example", {}, "carol@b.example")
    assert found.remote == (address("carol@b.example"),)
    assert found.via == {address("carol@b.example"): address("postmaster@a.example")}
    assert found.by_catch_all


def test_attack_120_an_address_leads_to_so_many_and_no_more() -> None:
    many = {"all@a.example": [f"u{number}@b.example" for number in range(30)]}
    assert len(resolve("all@a.example", many, most_targets=30).remote) == 30
    with pytest.raises(TooManyTargets) as caught:
        resolve("all@a.example", many, most_targets=29)
    assert "all@a.example" in caught.value.cause
    assert "@" not in caught.value.public


def test_attack_120_aliases_that_multiply() -> None:
    layers = {
        f"a{layer}.{number}@a.example": [f"a{layer + 1}.{target}@a.example" for target in range(10)]
        for layer in range(8)
        for number in range(10)
    }
    assert resolve("a0.0@a.example", layers, most_targets=80).is_nobody
    with pytest.raises(TooManyTargets):
        resolve("a0.0@a.example", layers, most_targets=79)
