"""PLAIN and LOGIN: what clients send, and what strangers send instead."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.errors import AuthenticationFailed
from mailbox_d.wire.sasl.exchange import (
    MAX_RESPONSE,
    Cancelled,
    Challenge,
    Credentials,
    MalformedResponse,
    OtherIdentity,
)
from mailbox_d.wire.sasl.passwords import Login, Plain


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


ALICE = Credentials("alice@example.org", b"pass")


@pytest.mark.parametrize("authzid", [b"", b"alice@example.org", b"ALICE@Example.Org"])
def test_plain_with_an_initial_response(authzid: bytes) -> None:
    assert Plain().start(b64(authzid + b"\0alice@example.org\0pass")) == ALICE


def test_plain_without_an_initial_response_asks_with_an_empty_challenge() -> None:
    exchange = Plain()
    first = exchange.start(None)
    assert first == Challenge(b"")
    assert first.line == b""
    assert exchange.step(b64(b"\0alice@example.org\0pass")) == ALICE


def test_login_asks_for_name_and_password() -> None:
    exchange = Login()
    first = exchange.start(None)
    assert isinstance(first, Challenge)
    assert first.line == b"VXNlcm5hbWU6"
    second = exchange.step(b64(b"alice@example.org"))
    assert isinstance(second, Challenge)
    assert second.line == b"UGFzc3dvcmQ6"
    assert exchange.step(b64(b"pass")) == ALICE


def test_login_takes_the_name_as_initial_response() -> None:
    exchange = Login()
    assert exchange.start(b64(b"alice@example.org")) == Challenge(b"Password:")
    assert exchange.step(b64(b"pass")) == ALICE


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"alice@example.org",
        b"alice@example.org\0pass",
        b"\0alice@example.org\0pass\0",
        b"\0alice@example.org\0pa\0ss",
        b"\0\0\0",
        b"\0\0",
        b"\0\0pass",
        b"\0alice@example.org\0",
        b"\0alice\xff@example.org\0pass",
        b"\0alice@example.org\0pass\xff",
        b"\xff\0alice@example.org\0pass",
    ],
)
@pytest.mark.parametrize("initial", [True, False])
def test_attack_33_plain_messages_that_are_malformed(message: bytes, initial: bool) -> None:
    exchange = Plain()
    if initial:
        with pytest.raises(MalformedResponse):
            exchange.start(b64(message) or b"=")
    else:
        exchange.start(None)
        with pytest.raises(MalformedResponse):
            exchange.step(b64(message))


@pytest.mark.parametrize("message", [b"", b"\0", b"a\0b", b"\xff", b"\xc3"])
def test_attack_33_login_names_and_passwords_that_are_malformed(message: bytes) -> None:
    with pytest.raises(MalformedResponse):
        Login().start(b64(message) or b"=")
    exchange = Login()
    exchange.start(b64(b"alice@example.org"))
    with pytest.raises(MalformedResponse):
        exchange.step(b64(message))


def test_a_star_cancels_between_name_and_password() -> None:
    exchange = Login()
    exchange.start(b64(b"alice@example.org"))
    with pytest.raises(Cancelled):
        exchange.step(b"*")


def test_attack_33_a_response_is_bounded() -> None:
    longest = b64(b"\0a@b\0" + b"x" * (MAX_RESPONSE // 4 * 3 - 5))
    assert len(longest) == MAX_RESPONSE
    assert isinstance(Plain().start(longest), Credentials)
    with pytest.raises(MalformedResponse):
        Plain().start(longest + b"eHh4")
    with pytest.raises(MalformedResponse):
        Login(limit=8).start(b64(b"alice@example.org"))


@pytest.mark.parametrize("authzid", ["bob@example.org", "root", "alice", "alice@example.net", "alice+x@example.org"])
def test_attack_34_another_identity_is_refused_as_a_wrong_password_is(authzid: str) -> None:
    with pytest.raises(OtherIdentity) as refusal:
        Plain().start(b64(authzid.encode() + b"\0alice@example.org\0pass"))
    assert isinstance(refusal.value, AuthenticationFailed)
    assert authzid not in refusal.value.public


def test_names_that_are_no_address_are_the_same_only_when_written_alike() -> None:
    assert Plain().start(b64(b"root\0root\0pass")) == Credentials("root", b"pass")
    with pytest.raises(OtherIdentity):
        Plain().start(b64(b"Root\0root\0pass"))


def test_a_password_is_not_shown() -> None:
    assert "pass" not in repr(ALICE)


@given(
    user=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    password=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)
def test_every_name_and_password_comes_through(user: str, password: str) -> None:
    expected = Credentials(user, password.encode())
    assert Plain().start(b64(b"\0" + user.encode() + b"\0" + password.encode())) == expected
    exchange = Login()
    exchange.start(b64(user.encode()))
    assert exchange.step(b64(password.encode())) == expected
