"""One exchange against a gate: whatever the mechanism, somebody is let in or the same thing is said."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from twisted.logger import capturedLogs

from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.net.login import FAILED, Admission, LoginGate, LoginPeer
from mailbox_d.net.sasl_session import SaslSession
from mailbox_d.wire.sasl.exchange import Cancelled, Challenge, MalformedResponse, UnknownMechanism
from mailbox_d.wire.sasl.mechanisms import MECHANISMS, Terms
from tests.dialogues.imap_server import filled_store, imap_service
from tests.unit.relay.at_once import done
from tests.unit.wire.sasl.scram_client import Client, b64

BOUND = {"tls-exporter": b"e" * 32}


@pytest.fixture
def gate() -> LoginGate:
    return imap_service(filled_store(), mechanisms=tuple(MECHANISMS)).gate


def exchange(gate: LoginGate, name: str) -> SaslSession:
    terms = Terms(is_tls=True, bindings=BOUND, certified="ann@example.org")
    return SaslSession(gate, name, LoginPeer("192.0.2.1", 0, terms))


def asked(step: Awaitable[Challenge | Admission]) -> bytes:
    challenge = done(step)
    assert isinstance(challenge, Challenge)
    return challenge.data


def test_plain_in_one_step(gate: LoginGate) -> None:
    assert isinstance(done(exchange(gate, "PLAIN").start(b64(b"\0ann@example.org\0secret"))), Admission)


@pytest.mark.parametrize(
    ("name", "header", "bound"),
    [("SCRAM-SHA-256", b"n,,", b""), ("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,", b"e" * 32)],
)
def test_scram_over_three_steps(gate: LoginGate, name: str, header: bytes, bound: bytes) -> None:
    client = Client(b"secret", header, bound, b"ann@example.org")
    session = exchange(gate, name)
    server_first = asked(session.start(b64(client.first)))
    assert client.believes(asked(session.step(b64(client.final(server_first)))))
    assert isinstance(done(session.step(b"")), Admission)


@pytest.mark.parametrize("user", [b"ann@example.org", b"nobody@example.org", b"no address"])
def test_scram_with_a_wrong_password_fails_at_the_end_whoever_it_is(gate: LoginGate, user: bytes) -> None:
    client = Client(b"guess", user=user)
    session = exchange(gate, "SCRAM-SHA-256")
    server_first = asked(session.start(b64(client.first)))
    with pytest.raises(AuthenticationFailed) as refusal:
        done(session.step(b64(client.final(server_first))))
    assert refusal.value.public == FAILED


def test_whose_proof_is_wrong_is_logged(gate: LoginGate) -> None:
    client = Client(b"guess", user=b"ann@example.org")
    session = exchange(gate, "SCRAM-SHA-256")
    server_first = asked(session.start(b64(client.first)))
    with capturedLogs() as events, pytest.raises(AuthenticationFailed):
        done(session.step(b64(client.final(server_first))))
    assert [event["user"] for event in events] == ["ann@example.org"]


def test_a_password_that_would_be_right_for_keys_that_are_made_up_is_wrong(gate: LoginGate) -> None:
    client = Client(b"secret", user=b"nobody@example.org")
    session = exchange(gate, "SCRAM-SHA-256")
    server_first = asked(session.start(b64(client.first)))
    with pytest.raises(AuthenticationFailed):
        done(session.step(b64(client.final(server_first))))


@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2"])
def test_who_shows_a_wrong_token_is_told_why_and_must_answer(gate: LoginGate, name: str) -> None:
    """RFC 7628 section 3.2.3."""
    message = {"OAUTHBEARER": b"n,,\1auth=Bearer x\1\1", "XOAUTH2": b"user=ann@example.org\1auth=Bearer x\1\1"}[name]
    session = exchange(gate, name)
    assert b'"status"' in asked(session.start(b64(message)))
    for line in (b64(b"\1"), b"", b"*", b"not base64"):
        with pytest.raises(AuthenticationFailed):
            done(session.step(line))


def test_another_identity_is_a_wrong_password(gate: LoginGate) -> None:
    with pytest.raises(AuthenticationFailed) as refusal:
        done(exchange(gate, "PLAIN").start(b64(b"bob@example.org\0ann@example.org\0secret")))
    assert refusal.value.public == FAILED


def test_what_cannot_be_checked_now_is_no_wrong_password(gate: LoginGate) -> None:
    with pytest.raises(AuthenticationUnavailable):
        done(exchange(gate, "PLAIN").start(b64(b"\0broken@example.org\0secret")))


def test_what_is_no_step_of_an_exchange(gate: LoginGate) -> None:
    with pytest.raises(MalformedResponse):
        done(exchange(gate, "PLAIN").start(b"not base64"))
    session = exchange(gate, "LOGIN")
    assert asked(session.start(None)) == b"Username:"
    with pytest.raises(Cancelled):
        done(session.step(b"*"))


def test_what_the_gate_does_not_serve_is_unknown() -> None:
    with pytest.raises(UnknownMechanism):
        exchange(imap_service(filled_store()).gate, "SCRAM-SHA-256")
