"""Attack 36: who may try, from where, and whom that shuts out."""

from __future__ import annotations

from functools import partial

import pytest
from twisted.internet.task import Clock

from mailbox_d.auth.guessing.acquaintances import Acquaintances
from mailbox_d.auth.guessing.guesses import Guesses, GuessLimits, Kind

LIMITS = GuessLimits(per_address=3, per_network=6, per_user=4)
ANN = "ann@example.org"


class Town:
    """Guesses whose clock stands still."""

    def __init__(self, limits: GuessLimits = LIMITS) -> None:
        self.clock = Clock()
        self.guesses = Guesses(limits, Acquaintances(10), self.clock.seconds, lambda host: host == "192.0.2.200")

    def may(self, user: str, host: str) -> bool:
        return not self.guesses.attempt(user, host).is_too_early

    def fail(self, times: int, user: str, host: str) -> int:
        """Try so often; how many of these were looked at."""
        tried = 0
        for _ in range(times):
            attempt = self.guesses.attempt(user, host)
            if attempt.begin():
                attempt.fail()
                attempt.end()
                tried += 1
        return tried


@pytest.fixture
def town() -> Town:
    return Town()


def test_one_address_over_all_users(town: Town) -> None:
    assert sum(town.fail(1, f"user{number}@example.org", "192.0.2.1") for number in range(100)) == 4
    assert not town.may(ANN, "192.0.2.1")
    assert town.may(ANN, "192.0.2.2")
    town.clock.advance(2)
    assert town.may(ANN, "192.0.2.1")


@pytest.mark.parametrize("pattern", ["192.0.2.{}", "2001:db8:0:{}::1"])
def test_many_addresses_of_one_network(town: Town, pattern: str) -> None:
    tried = sum(town.fail(1, f"u{number}@example.org", pattern.format(number)) for number in range(100))
    assert tried == 7
    assert town.may(ANN, "198.51.100.1")


def test_addresses_of_one_ipv6_host_are_one(town: Town) -> None:
    assert sum(town.fail(1, f"u{number}@example.org", f"2001:db8::{number}") for number in range(100)) == 4


@pytest.mark.parametrize("user", [ANN, "nobody@elsewhere.example"])
def test_a_thousand_networks_for_one_user(town: Town, user: str) -> None:
    assert sum(town.fail(1, user, f"10.{number // 250}.{number % 250}.1") for number in range(1000)) == 5
    assert not town.may(user, "192.0.2.1")


def test_attack_96_all_ways_to_write_a_user_are_one(town: Town) -> None:
    names = ["Ann@example.org", "ANN@EXAMPLE.ORG", "\uff41nn@example.org", '"ann"@example.org', "ann@example.org"]
    assert sum(town.fail(1, name, f"10.0.{number}.1") for number, name in enumerate(names * 2)) == 5


@pytest.mark.parametrize("user", ["", "no address", "a@b@c", "x" * 10_000 + "@example.org", "\udc80@example.org"])
def test_what_is_no_user_name_counts_for_the_address(town: Town, user: str) -> None:
    assert town.fail(10, user, "192.0.2.1") == 4
    assert town.may(user, "198.51.100.1")


def test_guesses_elsewhere_shut_nobody_out_from_where_they_have_been(town: Town) -> None:
    town.guesses.succeeded("Ann@example.org", "192.0.2.1")
    for number in range(100):
        town.fail(1, ANN, f"10.0.{number}.1")
        town.fail(1, f"u{number}@example.org", f"192.0.2.{number + 10}")
    assert town.may(ANN, "192.0.2.1")
    assert not town.may(ANN, "192.0.2.2")
    assert not town.may("bob@example.org", "192.0.2.1")


def test_guesses_of_others_at_an_office_shut_out_none_who_are_known_there(town: Town) -> None:
    town.guesses.succeeded(ANN, "192.0.2.1")
    for number in range(100):
        town.fail(1, f"u{number}@example.org", "192.0.2.1")
    assert town.may(ANN, "192.0.2.1")
    assert not town.may("bob@example.org", "192.0.2.1")


def test_failures_of_who_is_known_there_count_for_the_address(town: Town) -> None:
    town.guesses.succeeded(ANN, "192.0.2.1")
    assert town.fail(100, ANN, "192.0.2.1") == 5
    assert not town.may("bob@example.org", "192.0.2.1")


def test_who_is_known_there_may_not_guess_all_the_same(town: Town) -> None:
    town.guesses.succeeded(ANN, "192.0.2.200")
    assert town.fail(100, ANN, "192.0.2.200") == 5
    assert town.may(ANN, "198.51.100.1")  # a program at home with an old password shuts nobody out elsewhere


def test_an_exempt_address_counts_for_users_alone(town: Town) -> None:
    assert sum(town.fail(1, f"u{number}@example.org", "192.0.2.200") for number in range(100)) == 100
    assert town.fail(10, ANN, "192.0.2.200") == 5
    assert town.may("bob@example.org", "192.0.2.201")


def test_a_peer_without_address_counts_for_users_alone(town: Town) -> None:
    assert sum(town.fail(1, f"u{number}@example.org", "local") for number in range(100)) == 100
    assert town.fail(10, ANN, "local") == 5


def test_guesses_elsewhere_shut_nobody_out_of_a_webmail_on_a_unix_socket(town: Town) -> None:
    town.guesses.succeeded(ANN, "local")
    for number in range(100):
        town.fail(1, ANN, f"10.0.{number}.1")
    assert town.may(ANN, "local") and not town.may(ANN, "192.0.2.1")
    assert town.fail(10, ANN, "local") == 5
    assert (Kind.ACQUAINTED, f"local {ANN}") in town.guesses.names_of(ANN)


def test_logins_that_succeed_cost_nothing(town: Town) -> None:
    for number in range(1000):
        attempt = town.guesses.attempt(f"u{number}@example.org", "192.0.2.1")
        assert attempt.begin()
        town.guesses.succeeded(f"u{number}@example.org", "192.0.2.1")
        attempt.end()


def test_tries_at_the_same_moment_are_bounded(town: Town) -> None:
    attempts = [town.guesses.attempt(ANN, f"10.0.{number}.1") for number in range(200)]
    assert sum(attempt.begin() for attempt in attempts) == 50
    assert attempts[100].is_one_too_many and not attempts[100].is_too_early
    attempts[0].end()
    attempts[0].end()
    assert sum(attempt.begin() for attempt in attempts[50:]) == 1


def test_what_succeeds_is_over_and_takes_back_one_failure_where_its_user_is_known(town: Town) -> None:
    town.guesses.succeeded(ANN, "192.0.2.1")
    for host, tried in (("192.0.2.1", 5), ("198.51.100.1", 4)):  # a stranger's address has its own count
        assert town.fail(9, ANN, host) == tried
        town.clock.advance(2)
        attempt = town.guesses.attempt(ANN, host)
        assert attempt.begin()
        other = town.guesses.attempt(ANN, host)
        assert not other.begin() and not other.is_too_early
        called: list[None] = []
        other.when_over(partial(called.append, None))
        assert not called
        attempt.succeed()
        assert called and other.begin()
        other.succeed()
    (known, unknown) = (town.guesses.counts()[kind] for kind in (Kind.ACQUAINTED, Kind.USER))
    assert known.failures(known.names()[0]) == pytest.approx(3, abs=0.1)
    assert unknown.failures(ANN) == pytest.approx(4, abs=0.1)
