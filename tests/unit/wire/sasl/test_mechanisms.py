"""What holds for every mechanism, and which of them a connection is offered."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.sasl.exchange import (
    BearerToken,
    ByCertificate,
    Cancelled,
    Challenge,
    Credentials,
    MalformedResponse,
    Mechanism,
    PrivacyWanted,
    SaslError,
    Step,
    UnknownMechanism,
    WantsKeys,
)
from mailbox_d.wire.sasl.mechanisms import MECHANISMS, Terms, mechanism, offered
from mailbox_d.wire.sasl.passwords import Login, Plain
from mailbox_d.wire.sasl.scram import ScramKeys, ScramSha256

BOUND = Terms(is_tls=True, bindings={"tls-exporter": b"x" * 32}, certified="ann@example.org")
KEYS = ScramKeys(4096, b"salt", b"s" * 32, b"k" * 32)


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def begun(name: str) -> Mechanism:
    return mechanism(name, MECHANISMS, BOUND)


@pytest.mark.parametrize(
    "line",
    [
        b"=",
        b"====",
        b"AGE",
        b"AGE=A",
        b"AGEAYg",
        b"AGEAYg=",
        b"AGEAYg===",
        b"AGEAYh==",  # spare bits
        b"AGEA Yg==",
        b" AGEAYg==",
        b"AGEAYg==\r",
        b"AGEA\nYg==",
        b"AGEAYg==AGEAYg==",
        b"A-_AYg==",
        b"\xff\xfe",
        b"\0",
        b"**",
        b"* ",
    ],
)
@pytest.mark.parametrize("name", MECHANISMS)
def test_attack_33_lines_that_are_not_base64(name: str, line: bytes) -> None:
    exchange = begun(name)
    exchange.start(None)
    with pytest.raises(MalformedResponse):
        exchange.step(line)


@pytest.mark.parametrize("name", MECHANISMS)
def test_attack_33_a_star_cancels(name: str) -> None:
    exchange = begun(name)
    exchange.start(None)
    with pytest.raises(Cancelled):
        exchange.step(b"*")


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN"])
def test_mechanisms_are_found_in_any_case(name: str) -> None:
    kind = {"PLAIN": Plain, "LOGIN": Login}[name]
    for written in (name, name.lower(), name.title()):
        assert isinstance(begun(written), kind)


@pytest.mark.parametrize("name", ["", "CRAM-MD5", "PLAIN ", "PLÄIN", "\0", "ANONYMOUS", "SCRAM-SHA-1"])
def test_other_mechanisms_are_unknown(name: str) -> None:
    with pytest.raises(UnknownMechanism):
        begun(name)


def test_what_is_not_served_is_not_offered_and_not_known() -> None:
    assert offered(["LOGIN", "PLAIN"], BOUND) == ("PLAIN", "LOGIN")
    with pytest.raises(UnknownMechanism):
        mechanism("XOAUTH2", ["PLAIN"], BOUND)


def test_scram_is_bound_where_there_is_something_to_bind_it_to() -> None:
    assert offered(["SCRAM-SHA-256"], BOUND) == ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
    assert offered(["SCRAM-SHA-256"], Terms()) == ("SCRAM-SHA-256",)
    with pytest.raises(UnknownMechanism):
        mechanism("SCRAM-SHA-256-PLUS", ["SCRAM-SHA-256"], Terms())


def test_external_is_for_those_who_showed_a_certificate() -> None:
    assert offered(["EXTERNAL", "PLAIN"], BOUND) == ("EXTERNAL", "PLAIN")
    assert offered(["EXTERNAL", "PLAIN"], Terms()) == ("PLAIN",)


@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2", "xoauth2"])
def test_a_token_is_for_tls_alone(name: str) -> None:
    """RFC 7628 section 4: whoever reads it can use it."""
    served = ["OAUTHBEARER", "XOAUTH2", "PLAIN"]
    assert offered(served, Terms(is_tls=True)) == ("OAUTHBEARER", "XOAUTH2", "PLAIN")
    assert offered(served, Terms()) == ("PLAIN",)
    with pytest.raises(PrivacyWanted):
        mechanism(name, served, Terms())
    with pytest.raises(UnknownMechanism) as refusal:
        mechanism(name, ["PLAIN"], Terms())
    assert not isinstance(refusal.value, PrivacyWanted)


wire_lines = (
    st.binary(max_size=60)
    | st.binary(max_size=60).map(b64)
    | st.sampled_from(
        [b"", b"*", b"=", b64(b"n,,n=a,r=b"), b64(b"n,a=a,\1auth=Bearer t\1\1"), b64(b"c=biws,r=b,p=eA==")]
    )
)


@given(name=st.sampled_from(list(MECHANISMS)), initial=st.none() | wire_lines, lines=st.lists(wire_lines, max_size=3))
def test_attack_33_whatever_is_sent_gives_a_step_or_a_sasl_error(
    name: str, initial: bytes | None, lines: list[bytes]
) -> None:
    exchange = begun(name)
    with contextlib.suppress(SaslError):
        step = with_keys(exchange, exchange.start(initial))
        for line in lines:
            assert isinstance(step, Challenge | Credentials | BearerToken | ByCertificate)
            step = with_keys(exchange, exchange.step(line))


def with_keys(exchange: Mechanism, step: Step) -> Step:
    if isinstance(step, WantsKeys):
        assert isinstance(exchange, ScramSha256)
        return exchange.keys(KEYS, known=True)
    return step
