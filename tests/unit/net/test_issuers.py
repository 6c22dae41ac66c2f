"""Tokens are checked in time, whatever an issuer does, and however many ask."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.auth.tokens.claims import Expected, TokenRefused
from mailbox_d.auth.tokens.introspection import AT_ONCE, IntrospectedTokens, KeptAnswers, Question
from mailbox_d.auth.tokens.keys import PAUSE, KeptKeys
from mailbox_d.auth.tokens.signed import SignedTokens
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.net.issuers import TokenChecker
from mailbox_d.net.lanes import InlineLane, sleep
from tests.unit.auth.tokens.signing import AUDIENCE, ISSUER, NOW, Signer, key_set

TIMEOUT = 10.0
EMAIL = "alice@example.org"
DEAD = 1e9


class Issuer:
    """Answers questions about tokens after `seconds` each: those that begin with `good` are Alice's."""

    def __init__(self, seconds: float) -> None:
        self.clock = Clock()
        self.seconds = seconds
        self.asked = 0
        self.good, self.bad = (KeptAnswers(self.clock.seconds, seconds=60) for _ in range(2))
        tokens = IntrospectedTokens(self._ask, ("x", "x"), Expected(), self.clock.seconds, good=self.good, bad=self.bad)
        self.checker = TokenChecker(tokens, self.clock, timeout=TIMEOUT)

    async def _ask(self, question: Question) -> bytes:
        self.asked += 1
        await sleep(self.clock, self.seconds)
        return json.dumps({"active": b"token=good" in question.body, "email": EMAIL}).encode()

    def login(self, token: str) -> list[Any]:
        return begun(self.checker, token)


def begun(checker: TokenChecker, token: str) -> list[Any]:
    """What comes of a login: empty until it is known, then an address or a Failure."""
    told: list[Any] = []
    Deferred.fromCoroutine(checker.address_of(token)).addBoth(told.append)
    return told


def test_who_waits_for_a_place_waits_no_longer_than_for_an_answer() -> None:
    issuer = Issuer(3.0)
    for number in range(4 * AT_ONCE):
        issuer.login(f"made-up-{number}")
    good = issuer.login("good")
    for _ in range(9):
        issuer.clock.advance(1.0)
        assert not good
    issuer.clock.advance(1.0)
    assert isinstance(good[0].value, AuthenticationUnavailable)
    asked = issuer.asked
    issuer.clock.pump([1.0] * 10)
    assert issuer.asked == asked  # about nobody who has left
    again = issuer.login("good")
    issuer.clock.advance(3.0)
    assert str(again[0]) == EMAIL


def test_an_answer_in_time_is_taken_and_leaves_nothing_behind() -> None:
    issuer = Issuer(9.0)
    good, bad = issuer.login("good"), issuer.login("bad")
    issuer.clock.advance(9.0)
    assert str(good[0]) == EMAIL
    assert isinstance(bad[0].value, TokenRefused)
    assert not issuer.clock.getDelayedCalls()


def test_an_issuer_that_says_nothing_gives_its_places_back() -> None:
    issuer = Issuer(DEAD)
    told = [issuer.login(f"good-{number}") for number in range(2 * AT_ONCE)]
    issuer.clock.advance(TIMEOUT)
    assert all(isinstance(one[0].value, AuthenticationUnavailable) for one in told)
    issuer.seconds = 1.0
    good = issuer.login("good")
    issuer.clock.advance(1.0)
    assert str(good[0]) == EMAIL


def test_who_waits_for_keys_is_told_in_time_and_the_look_goes_on() -> None:
    clock, lane = Clock(), InlineLane()
    answers: list[Deferred[bytes]] = []

    async def fetch() -> bytes:
        answers.append(Deferred())
        return await answers[-1]

    keys = KeptKeys(fetch, lane.run, clock.seconds, partial(sleep, clock), refresh=3600.0)
    tokens = SignedTokens(keys, Expected(issuer=ISSUER, audience=AUDIENCE), ("ES256",), lane.run, lambda: NOW)
    checker = TokenChecker(tokens, clock, timeout=PAUSE - 1)
    told = begun(checker, Signer().token())
    clock.advance(PAUSE - 1)
    assert isinstance(told[0].value, AuthenticationUnavailable)
    answers[0].callback(key_set(Signer()))
    assert str(begun(checker, Signer().token())[0]) == EMAIL
    made_up = begun(checker, Signer(name="made up").token())
    clock.advance(PAUSE - 1)
    assert isinstance(made_up[0].value, AuthenticationUnavailable)
    assert len(answers) == 1
