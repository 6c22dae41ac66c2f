"""What a token must say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.auth.tokens.claims import (
    Claims,
    Expected,
    TokenRefused,
    address_of,
    check_claims,
    looked_at,
    read_claims,
)
from tests.unit.auth.tokens.signing import AUDIENCE, ISSUER, NOW, claims

EXPECTED = Expected(issuer=ISSUER, audience=AUDIENCE, leeway=30.0)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": ["calendar", AUDIENCE]},
        {"exp": NOW - 29},
        {"nbf": NOW + 29},
        {"nbf": None},
        {"email_verified": True},
        {"email_verified": "true"},
        {"email": "Alice@Example.ORG"},
    ],
)
def test_what_is_good(changed: dict[str, Any]) -> None:
    said = claims(**changed)
    check_claims(said, EXPECTED, NOW)
    assert address_of(said, EXPECTED) == EmailAddress.parse("alice@example.org")


@pytest.mark.parametrize("name", ["exp", "nbf", "cnf"])
def test_what_is_null_is_not_said(name: str) -> None:
    check_claims(claims() | {name: None}, EXPECTED, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://login.example.org"},
        {"iss": [ISSUER]},
        {"iss": None},
        {"aud": "mail2"},
        {"aud": "a mail b"},
        {"aud": None},
        {"aud": {AUDIENCE: 1}},
        {"exp": NOW - 31},
        {"exp": str(NOW + 300)},
        {"exp": True},
        {"exp": [NOW + 300]},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"nbf": NOW + 31},
        {"nbf": "soon"},
        {"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}},
    ],
)
def test_what_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        check_claims(claims(**changed), EXPECTED, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"email": None},
        {"email": "alice"},
        {"email": ["alice@example.org"]},
        {"email": "a" * 2000 + "@example.org"},
        {"email": "alice@example.org\0"},
        {"email": "\ud800@example.org"},
        {"email": "\uff41lice@example.org"},
        {"email": "alice@example\u3002org"},
        {"email": '"alice"@example.org'},
        {"email_verified": False},
        {"email_verified": "false"},
        {"email_verified": "True"},
        {"email_verified": []},
    ],
)
def test_what_is_no_address_that_counts(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        address_of(claims(**changed), EXPECTED)


def test_another_claim_may_be_the_address() -> None:
    said = claims(preferred_username="bob@example.net", email_verified=False)
    assert str(address_of(said, Expected("preferred_username"))) == "bob@example.net"


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'"x"', b"[" * 5000, b'{"a":' * 5000, b"\xff", b'{"exp":' + b"9" * 5000 + b"}"]
)
def test_what_is_no_object(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_claims(text)


NAMES = ["iss", "aud", "exp", "nbf", "email", "email_verified", "cnf"]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING), st.sampled_from([EXPECTED, Expected(), Expected("aud")]))
def test_what_is_looked_at_is_all_that_counts(changed: dict[str, Any], expected: Expected) -> None:
    said = read_claims(json.dumps(claims() | changed).encode())
    assert _outcome(looked_at(said, expected), expected) == _outcome(said, expected)


def _outcome(said: Claims, expected: Expected) -> str | None:
    try:
        check_claims(said, expected, NOW)
        return str(address_of(said, expected))
    except TokenRefused:
        return None


LONG: list[Any] = ["x" * 60_000, [{}] * 9000, {"x": ["y"] * 9000}, 10**4000, -(10**4000)]


@pytest.mark.parametrize("long", LONG, ids=["text", "list", "object", "number", "negative"])
def test_what_is_looked_at_is_little(long: Any) -> None:
    for name in (*NAMES, "token_type", "groups"):
        kept = looked_at(claims() | {name: long}, EXPECTED)
        assert len(repr(kept)) < 400
        assert "groups" not in kept
    kept = looked_at(claims(aud=[AUDIENCE, *map(str, range(9000))]), EXPECTED)
    assert len(repr(kept)) < 400
    check_claims(kept, EXPECTED, NOW)


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING))
def test_whatever_an_issuer_says_is_taken_or_refused(changed: dict[str, Any]) -> None:
    said = read_claims(json.dumps(claims() | changed).encode())
    try:
        check_claims(said, EXPECTED, NOW)
        address_of(said, EXPECTED)
    except TokenRefused:
        pass
    else:
        assert said["iss"] == ISSUER
