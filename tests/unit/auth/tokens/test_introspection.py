"""Tokens about which their issuer is asked."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable
from typing import Any
from urllib.parse import parse_qs

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.auth.tokens.claims import Expected, TokenRefused
from mailbox_d.auth.tokens.introspection import AT_ONCE, IntrospectedTokens, KeptAnswers, Question
from mailbox_d.errors import AuthenticationUnavailable
from tests.unit.auth.tokens.signing import NOW

CACHE = 60.0


class Issuer:
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self, **said: Any) -> None:
        self.said: dict[str, Any] = {"active": True, "email": "alice@example.org", **said}
        self.raw: bytes | None = None
        self.down = False
        self.asked: list[Question] = []
        self.time = 1000.0
        self.now = NOW
        self.pending: list[Deferred[bytes]] | None = None
        self.good = KeptAnswers(lambda: self.time, seconds=CACHE, size=3)
        self.bad = KeptAnswers(lambda: self.time, seconds=CACHE, size=3)
        self.tokens = IntrospectedTokens(
            self._ask, ("mail:box", "p%ä w"), Expected(leeway=30.0), lambda: self.now, good=self.good, bad=self.bad
        )

    async def _ask(self, question: Question) -> bytes:
        self.asked.append(question)
        if self.down:
            raise AuthenticationUnavailable("x", cause="it is down")
        if self.pending is not None:
            self.pending.append(Deferred())
            return await self.pending[-1]
        return json.dumps(self.said).encode() if self.raw is None else self.raw

    def ask(self, token: str = "abc") -> str:
        return str(outcome(self.tokens.address_of(token)))


def outcome(work: Awaitable[Any]) -> Any:
    told: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(told.append)  # type: ignore[arg-type]
    if hasattr(told[0], "raiseException"):
        told[0].raiseException()
    return told[0]


def test_the_question_is_what_the_rfc_prescribes() -> None:
    issuer = Issuer()
    assert issuer.ask("a.b-c/d+e==") == "alice@example.org"
    (question,) = issuer.asked
    assert parse_qs(question.body.decode()) == {"token": ["a.b-c/d+e=="], "token_type_hint": ["access_token"]}
    kind, _, pair = question.headers["Authorization"].partition(" ")
    assert (kind, base64.b64decode(pair)) == ("Basic", b"mail%3Abox:p%25%C3%A4+w")
    assert "abc" not in repr(Question({"Authorization": "abc"}, b"abc"))


@pytest.mark.parametrize(
    "said",
    [
        {"active": False},
        {"exp": NOW - 31},
        {"nbf": NOW + 31},
        {"email": None},
        {"email_verified": False},
        {"token_type": "refresh_token"},
        {"token_type": "DPoP"},
        {"token_type": ""},
        {"token_type": []},
        {"email_verified": None},
        {"cnf": {"jkt": "x"}},
    ],
)
def test_what_is_no_good_token(said: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        Issuer(**said).ask()


@pytest.mark.parametrize("name", ["exp", "nbf", "cnf", "token_type", "aud", "iss", "scope"])
def test_what_is_null_is_not_said(name: str) -> None:
    assert Issuer(**{name: None}).ask() == "alice@example.org"


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"active": "true"}', b'{"active": 1}', b"<html>", b"[" * 9000, b'{"error": "x"}']
)
def test_an_answer_that_says_nothing_says_nothing_of_the_token(raw: bytes) -> None:
    issuer = Issuer()
    issuer.raw = raw
    with pytest.raises(AuthenticationUnavailable):
        issuer.ask()
    issuer.raw = None
    assert issuer.ask() == "alice@example.org"


def test_an_issuer_that_is_down_says_nothing_of_a_token() -> None:
    issuer = Issuer()
    issuer.down = True
    with pytest.raises(AuthenticationUnavailable):
        issuer.ask()
    issuer.down = False
    assert issuer.ask() == "alice@example.org"


def test_an_answer_counts_for_some_time() -> None:
    issuer = Issuer()
    issuer.ask()
    issuer.down = True
    issuer.time += CACHE - 1
    assert issuer.ask() == "alice@example.org"
    issuer.time += 1
    with pytest.raises(AuthenticationUnavailable):
        issuer.ask()


def test_a_token_ends_in_spite_of_an_answer_that_is_kept() -> None:
    issuer = Issuer(exp=NOW + 5)
    assert issuer.ask() == "alice@example.org"
    issuer.now += 36
    with pytest.raises(TokenRefused):
        issuer.ask()
    assert len(issuer.asked) == 1


def test_a_bad_token_is_asked_about_once() -> None:
    issuer = Issuer(active=False)
    for _ in range(3):
        with pytest.raises(TokenRefused):
            issuer.ask()
    assert len(issuer.asked) == 1


def test_what_is_kept_is_bounded_and_no_token() -> None:
    issuer = Issuer()
    for name in "abcdef":
        issuer.ask("secret-" + name)
    assert len(issuer.good) == 3
    assert "secret" not in repr(vars(issuer.good))
    issuer.ask("secret-f")
    assert len(issuer.asked) == 6
    issuer.said["active"] = False
    for name in "ghijkl":
        with pytest.raises(TokenRefused):
            issuer.ask(name)
    assert len(issuer.good) == len(issuer.bad) == 3


def test_of_an_answer_little_is_kept() -> None:
    """Issuers may tell of hundreds of groups, or whatever they like."""
    issuer = Issuer(groups=[f"/staff/department-{number}" for number in range(300)], x=[{}] * 9000)
    issuer.ask("abc")
    assert len(repr(vars(issuer.good))) < 2000
    assert issuer.ask("abc") == "alice@example.org"
    assert len(issuer.asked) == 1


def test_an_answer_that_says_nothing_but_active_is_kept_as_such() -> None:
    issuer = Issuer(email=None)
    for _ in range(2):
        with pytest.raises(TokenRefused, match="no email"):
            issuer.ask()
    assert len(issuer.asked) == len(issuer.good) == 1


def test_old_answers_go_when_another_comes() -> None:
    issuer = Issuer()
    issuer.ask("first")
    issuer.time += 1
    issuer.ask("second")
    issuer.time += CACHE - 1
    issuer.ask("third")
    assert len(issuer.good) == 2
    issuer.time += CACHE
    issuer.ask("fourth")
    assert len(issuer.good) == 1


def test_answers_may_count_for_no_time_at_all() -> None:
    issuer = Issuer()
    issuer.good = issuer.bad = KeptAnswers(lambda: issuer.time, seconds=0)
    tokens = IntrospectedTokens(issuer._ask, ("x", "x"), Expected(), lambda: NOW, good=issuer.good, bad=issuer.bad)
    assert str(outcome(tokens.address_of("abc"))) == "alice@example.org"
    assert len(issuer.good) == 0


@pytest.mark.parametrize("token", ["a" * 9000, "ä"])
def test_a_token_that_nobody_makes_is_not_asked_about(token: str) -> None:
    issuer = Issuer()
    with pytest.raises(TokenRefused):
        issuer.ask(token)
    assert not issuer.asked


def test_no_more_questions_are_open_than_may_be_and_none_is_asked_twice() -> None:
    issuer = Issuer()
    issuer.pending = []
    told: list[Any] = []
    for number in (*range(AT_ONCE), 0, 0):
        Deferred.fromCoroutine(issuer.tokens.address_of(f"t{number}")).addBoth(told.append)
    assert len(issuer.pending) == AT_ONCE
    issuer.pending[0].callback(json.dumps(issuer.said).encode())
    assert len(issuer.pending) == AT_ONCE
    assert list(map(str, told)) == ["alice@example.org"] * 3
