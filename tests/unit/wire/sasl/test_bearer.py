"""OAUTHBEARER and XOAUTH2: tokens as clients send them, and everything else."""

from __future__ import annotations

import base64

import pytest

from mailbox_d.wire.sasl.bearer import OAuthBearer, XOAuth2
from mailbox_d.wire.sasl.exchange import BearerToken, Challenge, MalformedResponse

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def test_the_example_of_rfc_7628() -> None:
    message = f"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer {TOKEN}\1\1".encode()
    assert OAuthBearer().start(b64(message)) == BearerToken("user@example.com", TOKEN)
    exchange = OAuthBearer()
    assert exchange.start(None) == Challenge(b"")
    assert exchange.step(b64(message)) == BearerToken("user@example.com", TOKEN)


def test_whose_the_token_is_may_be_left_to_it() -> None:
    assert OAuthBearer().start(b64(b"n,,\1auth=Bearer x\1\1")) == BearerToken("", "x")


def test_the_example_of_xoauth2() -> None:
    message = f"user=someuser@example.com\1auth=Bearer {TOKEN}\1\1".encode()
    assert XOAuth2().start(b64(message)) == BearerToken("someuser@example.com", TOKEN)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\1",
        b"n,,",
        b"n,,\1",
        b"n,,\1\1",
        b"n,,auth=Bearer x\1\1",
        b"n,,\1auth=Bearer x\1",
        b"n,,\1auth=Bearer x",
        b"n,,\1auth=Bearer x\1\1\1",
        b"n,,\1auth=Bearer x\1\1more",
        b"n,,\1auth=Basic x\1\1",
        b"n,,\1auth=Bearer \1\1",
        b"n,,\1auth=Bearer x y\1\1",
        b"n,,\1auth=Bearer x\r\ny\1\1",
        b"n,,\1auth=Bearer x\1auth=Bearer y\1\1",
        b"n,,\1host\1auth=Bearer x\1\1",
        b"n,,\1" + b"".join(b"%s=x\1" % (b"a" * n) for n in range(1, 30)) + b"auth=Bearer x\1\1",
        b"y,,\1auth=Bearer x\1\1",
        b"p=tls-exporter,,\1auth=Bearer x\1\1",
        b"n,a=\xff,\1auth=Bearer x\1\1",
    ],
)
def test_messages_of_oauthbearer_that_are_malformed(message: bytes) -> None:
    with pytest.raises(MalformedResponse):
        OAuthBearer().start(b64(message) or b"=")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"user=a@b\1\1",
        b"auth=Bearer x\1\1",
        b"user=\1auth=Bearer x\1\1",
        b"user=a\0b\1auth=Bearer x\1\1",
        b"user=a@b\1auth=Bearer x\1",
        b"user=a@b\1user=c@d\1auth=Bearer x\1\1",
    ],
)
def test_messages_of_xoauth2_that_are_malformed(message: bytes) -> None:
    with pytest.raises(MalformedResponse):
        XOAuth2().start(b64(message) or b"=")


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(BearerToken("alice@example.org", "secret"))
