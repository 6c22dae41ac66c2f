"""Who must wait after failed logins, as it is told to operators; and whom that is forgiven."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.auth.guessing.acquaintances import Acquaintances
from mailbox_d.auth.guessing.guesses import Guesses, GuessLimits
from mailbox_d.control.driver import InReactor
from mailbox_d.control.login_jobs import LoginRoom, LoginTally, LoginWork
from mailbox_d.wire.control.login_requests import LoginRequest, LoginVerb
from mailbox_d.wire.control.objects import BadRequest

ANN, BOB = "ann@example.org", "bob@example.org"
LIMITS = GuessLimits(per_address=3, per_network=6, per_user=1)


class Site:
    """Guesses whose clock stands still, and an operator who asks."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.guesses = Guesses(LIMITS, Acquaintances(10), self.clock.seconds)

    def fail(self, user: str, host: str, times: int = 1) -> None:
        for _ in range(times):
            self.guesses.attempt(user, host).fail()

    def ask(self, verb: LoginVerb, whom: str | None = None, *, all: bool = False) -> list[dict[str, Any]]:
        tally = LoginTally()
        work = LoginRoom(self.guesses).work(LoginRequest(verb, whom, all))
        return [*map(dict, map(tally.answer, told(work))), dict(tally.end())]

    def waits(self, whom: str | None = None, *, all: bool = False) -> list[tuple[str, str, float]]:
        *answers, end = self.ask(LoginVerb.WAITS, whom, all=all)
        assert end["status"] == 0 and end["told"] == len(answers)
        return [(each["kind"], each["name"], each["seconds"]) for each in answers]


def told(work: LoginWork) -> list[Any]:
    """All that the work tells; what it wants from the reactor is done here."""
    answers, given = [], None
    while True:
        try:
            step = work.send(given)
        except StopIteration:
            return answers
        given = None
        if isinstance(step, InReactor):
            given = done(step)
        else:
            answers.append(step)


def done(step: InReactor) -> Any:
    results: list[Any] = []
    Deferred.fromCoroutine(step.work()).addCallback(results.append)  # type: ignore[arg-type]
    return results[0]


@pytest.fixture
def site() -> Site:
    return Site()


def test_nobody_waits_before_anybody_failed(site: Site) -> None:
    assert site.waits() == []


def test_those_who_must_wait_are_told_and_for_how_long(site: Site) -> None:
    site.fail(BOB, "192.0.2.1", 2)
    site.fail(ANN, "198.51.100.7")
    assert site.waits() == [("user", BOB, 2.0)]
    site.clock.advance(1.5)
    assert site.waits() == [("user", BOB, 0.5)]


def test_all_are_told_where_all_are_wanted(site: Site) -> None:
    site.fail(BOB, "192.0.2.1", 2)
    expected = [("address", "192.0.2.1/32", 0), ("network", "192.0.2.0/24", 0), ("user", BOB, 2)]
    assert site.waits(all=True) == expected
    assert site.waits("192.0.2.1") == expected[:2]
    assert site.waits(BOB.upper()) == expected[2:]
    assert site.waits(ANN) == []


def test_where_a_user_was_before_is_told_apart(site: Site) -> None:
    site.guesses.succeeded(BOB, "192.0.2.1")
    site.fail(BOB, "192.0.2.1", 2)
    assert site.waits(BOB) == [("user from a known address", f"192.0.2.1/32 {BOB}", 2.0)]


@pytest.mark.parametrize(("whom", "forgiven"), [(BOB, ["user"]), ("192.0.2.1", ["address", "network"])])
def test_what_is_forgiven_is_told_and_counts_no_more(site: Site, whom: str, forgiven: list[str]) -> None:
    site.fail(BOB, "192.0.2.1", 10)
    *answers, end = site.ask(LoginVerb.FORGIVE, whom)
    assert [each["kind"] for each in answers] == forgiven
    assert (end["status"], end["forgiven"]) == (0, len(forgiven))
    assert site.waits(whom) == []
    assert site.ask(LoginVerb.FORGIVE, whom) == [
        {"answer": "missing", "name": whom},
        {"answer": "end", "status": 1, "told": 0, "forgiven": 0},
    ]


def test_a_user_who_is_forgiven_may_try_from_known_addresses_too(site: Site) -> None:
    site.guesses.succeeded(BOB, "192.0.2.1")
    site.fail(BOB, "192.0.2.1", 2)
    site.fail(BOB, "198.51.100.1", 2)
    assert site.guesses.attempt(BOB, "192.0.2.1").is_too_early
    assert site.guesses.attempt(BOB, "198.51.100.1").is_too_early
    site.ask(LoginVerb.FORGIVE, BOB)
    assert not site.guesses.attempt(BOB, "192.0.2.1").is_too_early
    assert not site.guesses.attempt(BOB, "198.51.100.1").is_too_early


def test_many_are_looked_at_a_page_at_a_time(site: Site) -> None:
    for number in range(1201):
        site.fail(f"user{number}@example.org", f"10.{number // 250}.{number % 250}.1", 2)
    steps = list(_pages(LoginRoom(site.guesses).work(LoginRequest(LoginVerb.WAITS))))
    assert max(steps) <= 500 and sum(steps) == 3 * 1201


def _pages(work: LoginWork) -> list[int]:
    """How many standings each turn of the reactor looked at."""
    pages, given = [], None
    while True:
        try:
            step = work.send(given)
        except StopIteration:
            return pages
        given = done(step) if isinstance(step, InReactor) else None
        if isinstance(given, list):
            pages.append(len(given))


@pytest.mark.parametrize("whom", ["bob", "a b", "192.0.2.1/24", "@example.org"])
def test_what_is_neither_user_nor_address_is_refused(site: Site, whom: str) -> None:
    with pytest.raises(BadRequest, match="Name a user"):
        site.ask(LoginVerb.WAITS, whom)
