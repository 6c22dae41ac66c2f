"""Tokens that say all themselves: signatures, and the issuer's keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from mailbox_d.auth.tokens.claims import Expected, TokenRefused
from mailbox_d.auth.tokens.keys import KEPT_MOST, PAUSE, KeptKeys
from mailbox_d.auth.tokens.signatures import TRIES_MAX, read_key_set
from mailbox_d.auth.tokens.signed import SignedTokens
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.net.lanes import sleep
from tests.unit.auth.tokens.signing import AUDIENCE, EC, ED, ISSUER, NOW, RSA, Signer, claims, key_set

EXPECTED = Expected(issuer=ISSUER, audience=AUDIENCE)
OTHER = ec.generate_private_key(ec.SECP256R1())
REFRESH = 3600.0


async def at_once(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


async def never(seconds: float) -> None:
    raise AssertionError("nobody waits")


class Issuer:
    """Has a key set, unless it is down; counts who asks."""

    def __init__(self, *signers: Signer, refresh: float = REFRESH) -> None:
        self.signers = signers
        self.down = False
        self.asked = 0
        self.clock = Clock()
        self.pending: list[Deferred[bytes]] | None = None
        keys = KeptKeys(self._fetch, at_once, self.clock.seconds, partial(sleep, self.clock), refresh=refresh)
        self.tokens = SignedTokens(keys, EXPECTED, ("RS256", "ES256", "EdDSA"), at_once, lambda: NOW)

    async def _fetch(self) -> bytes:
        self.asked += 1
        if self.down:
            raise AuthenticationUnavailable("x", cause="it is down")
        if self.pending is not None:
            waiting: Deferred[bytes] = Deferred()
            self.pending.append(waiting)
            return await waiting
        return key_set(*self.signers)

    def ask(self, token: str) -> str:
        return str(outcome(self.tokens.address_of(token)))

    def login(self, token: str) -> list[Any]:
        """What comes of one that may take time: empty until it is known, then an address or a Failure."""
        told: list[Any] = []
        Deferred.fromCoroutine(self.tokens.address_of(token)).addBoth(told.append)
        return told


def outcome(work: Awaitable[Any]) -> Any:
    told: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(told.append)  # type: ignore[arg-type]
    if hasattr(told[0], "raiseException"):
        told[0].raiseException()
    return told[0]


def unsigned(header: dict[str, Any], **changed: Any) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims(**changed)))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("signer", [Signer("RS256", RSA), Signer("ES256", EC), Signer("EdDSA", ED)])
def test_a_token_proves_the_address_in_it(signer: Signer) -> None:
    assert Issuer(signer).ask(signer.token()) == "alice@example.org"


def test_a_token_without_a_keys_name_is_tried_with_all_keys_of_its_kind() -> None:
    issuer = Issuer(Signer(key=OTHER, name="second"), Signer("RS256", RSA, "third"), Signer())
    assert issuer.ask(jwt.encode(claims(), EC, "ES256")) == "alice@example.org"


def test_a_token_is_for_nobody_who_did_not_sign_it() -> None:
    issuer = Issuer(Signer(), Signer("RS256", RSA, "second"))
    good = Signer().token()
    head, body, signature = good.split(".")
    forged = [
        Signer(key=OTHER).token(),
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{unsigned({}, email='bob@example.net').split('.')[1]}.{signature}",
        Signer(name="second").token(),  # the name of a key of another kind
        good + "." + signature,
        "a.b.c",
        "",
        "." * 5000,
        good + "A" * 9000,
    ]
    for token in forged:
        issuer.clock.advance(PAUSE)
        with pytest.raises(TokenRefused):
            issuer.ask(token)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "ES384", "RS512", "PS256", None, 1, ["ES256"]]
)
def test_only_algorithms_that_are_configured_are_taken(algorithm: Any) -> None:
    with pytest.raises(TokenRefused):
        Issuer(Signer()).ask(unsigned({"alg": algorithm, "kid": "first"}) + ".AAAA")


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_a_public_key_is_no_secret_to_sign_with(form: PublicFormat) -> None:
    start = unsigned({"alg": "HS256", "kid": "first"})
    secret = RSA.public_key().public_bytes(Encoding.PEM, form)
    mac = base64.urlsafe_b64encode(hmac.digest(secret, start.encode(), hashlib.sha256)).rstrip(b"=").decode()
    with pytest.raises(TokenRefused):
        Issuer(Signer("RS256", RSA)).ask(f"{start}.{mac}")


def test_an_algorithm_that_is_known_and_not_configured_is_refused() -> None:
    keys = KeptKeys(Issuer(Signer())._fetch, at_once, lambda: 0.0, never, refresh=REFRESH)
    tokens = SignedTokens(keys, EXPECTED, ("RS256",), at_once, lambda: NOW)
    with pytest.raises(TokenRefused):
        outcome(tokens.address_of(Signer().token()))


def test_a_shared_secret_proves_nothing_even_where_it_is_configured() -> None:
    keys = KeptKeys(Issuer(Signer())._fetch, at_once, lambda: 0.0, never, refresh=REFRESH)
    tokens = SignedTokens(keys, EXPECTED, ("ES256", "HS256"), at_once, lambda: NOW)
    with pytest.raises(TokenRefused):
        outcome(tokens.address_of(unsigned({"alg": "HS256", "kid": "first"}) + ".AAAA"))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["x"], "x": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},  # what is known to the library is so too
        {"crit": []},
        {"kid": 7},
        {"kid": None},
        {"kid": ["first"]},
    ],
)
def test_what_the_header_wants_and_nobody_knows_is_refused(header: dict[str, Any]) -> None:
    start = unsigned({"alg": "ES256", "kid": "first", **header})
    signature = jwt.algorithms.get_default_algorithms()["ES256"].sign(start.encode(), EC)
    with pytest.raises(TokenRefused):
        Issuer(Signer()).ask(f"{start}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


@pytest.mark.parametrize("header", [{"x": 1}, {"zip": "DEF"}, {"jku": "https://else.example/"}])
def test_what_the_header_says_besides_does_not_matter(header: dict[str, Any]) -> None:
    assert Issuer(Signer()).ask(Signer().token(header)) == "alice@example.org"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt", None, ""])
def test_a_token_for_access_or_of_no_said_kind_is_taken(kind: str | None) -> None:
    """An empty or null type is left out by the library that signs."""
    assert Issuer(Signer()).ask(Signer().token({"typ": kind})) == "alice@example.org"


@pytest.mark.parametrize(
    "kind",
    ["logout+jwt", "application/logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "at+jwt2", "x" * 1000, 1, ["JWT"]],
)
def test_a_token_for_another_purpose_is_refused(kind: Any) -> None:
    with pytest.raises(TokenRefused, match="for another purpose") as refused:
        Issuer(Signer()).ask(Signer().token({"typ": kind}))
    assert not isinstance(kind, str) or kind.lower().removeprefix("application/")[:100] in refused.value.cause
    assert len(refused.value.cause) < 200


def test_a_token_without_a_keys_name_is_tried_with_so_many_keys_and_no_more() -> None:
    others = [Signer(key=ec.generate_private_key(ec.SECP256R1()), name=f"n{n}") for n in range(TRIES_MAX)]
    last = jwt.encode(claims(), EC, "ES256")
    assert Issuer(*others[1:], Signer()).ask(last) == "alice@example.org"
    with pytest.raises(TokenRefused):
        Issuer(*others, Signer()).ask(last)
    assert Issuer(*others, Signer()).ask(Signer().token()) == "alice@example.org"


@pytest.mark.parametrize("changed", [{"iss": "x"}, {"aud": "x"}, {"exp": NOW - 60}, {"exp": None}, {"email": None}])
def test_a_signature_alone_is_not_enough(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        Issuer(Signer()).ask(Signer().token(**changed))


def test_keys_are_fetched_once_and_kept() -> None:
    issuer = Issuer(Signer())
    for _ in range(3):
        issuer.ask(Signer().token())
    assert issuer.asked == 1


NEW = Signer(key=OTHER, name="second")


def test_a_key_that_is_not_known_is_looked_for() -> None:
    issuer = Issuer(Signer())
    issuer.ask(Signer().token())
    issuer.signers = (NEW,)
    issuer.clock.advance(PAUSE)
    assert issuer.ask(NEW.token()) == "alice@example.org"
    assert issuer.asked == 2
    old = issuer.login(Signer().token())
    issuer.clock.advance(PAUSE)
    assert isinstance(old[0].value, TokenRefused)  # it is taken no more
    assert issuer.asked == 3


def test_a_new_key_is_found_whatever_names_strangers_make_up() -> None:
    """Their guesses are wrong, and count; the owner of a good token waits, and is never told that it is wrong."""
    issuer = Issuer(Signer())
    issuer.ask(Signer().token())
    issuer.clock.advance(PAUSE)
    with pytest.raises(TokenRefused):
        issuer.ask(Signer(key=OTHER, name="made up").token())
    issuer.signers = (Signer(), NEW)
    told = [issuer.login(Signer(key=OTHER, name=f"made up {number}").token()) for number in range(20)]
    good = issuer.login(NEW.token())
    assert not good
    assert issuer.asked == 2
    issuer.clock.advance(PAUSE)
    assert str(good[0]) == "alice@example.org"
    assert all(isinstance(one[0].value, TokenRefused) for one in told)
    assert issuer.asked == 3


def test_an_issuer_is_asked_no_more_often_than_there_are_pauses() -> None:
    issuer = Issuer(Signer())
    told = []
    for number in range(120):
        told += issuer.login(Signer(key=OTHER, name=f"made up {number}").token())
        issuer.clock.advance(PAUSE / 10)
    assert issuer.asked <= 13


def test_a_look_that_began_before_a_token_came_does_not_count_against_it() -> None:
    issuer = Issuer(Signer())
    issuer.pending = []
    issuer.login(Signer().token())
    good = issuer.login(NEW.token())
    issuer.pending[0].callback(key_set(Signer()))  # as it was when it was asked
    assert not good
    issuer.clock.advance(PAUSE)
    issuer.pending[1].callback(key_set(Signer(), NEW))
    assert str(good[0]) == "alice@example.org"


def test_who_gives_up_leaves_the_look_to_the_others() -> None:
    issuer = Issuer(Signer())
    issuer.pending = []
    login = Deferred.fromCoroutine(issuer.tokens.address_of(Signer().token()))
    other = issuer.login(Signer().token())
    login.addErrback(lambda failure: failure.trap(CancelledError))
    login.cancel()
    issuer.pending[0].callback(key_set(Signer()))
    assert str(other[0]) == "alice@example.org"
    assert issuer.asked == 1


@pytest.mark.parametrize("text", [b"", b"{}", b"<html>"])
def test_a_set_that_cannot_be_read_says_nothing_of_a_token(text: bytes) -> None:
    issuer = Issuer(Signer())
    issuer.pending = []
    told = issuer.login(Signer().token())
    issuer.pending[0].callback(text)
    assert isinstance(told[0].value, AuthenticationUnavailable)


def test_a_fault_that_nobody_thought_of_is_the_issuers_and_is_not_asked_for_at_each_login() -> None:
    issuer = Issuer(Signer())
    issuer.pending = []
    told = issuer.login(Signer().token())
    issuer.pending[0].errback(NotImplementedError("what is this"))
    assert isinstance(told[0].value, AuthenticationUnavailable)
    for _ in range(3):
        with pytest.raises(AuthenticationUnavailable, match="what is this"):
            issuer.ask(Signer().token())
    assert issuer.asked == 1
    issuer.pending = None
    issuer.clock.advance(PAUSE)
    assert issuer.ask(Signer().token()) == "alice@example.org"


def test_an_issuer_that_is_down_says_nothing_of_a_token() -> None:
    issuer = Issuer(Signer())
    issuer.down = True
    for _ in range(3):
        with pytest.raises(AuthenticationUnavailable):
            issuer.ask(Signer().token())
    assert issuer.asked == 1
    issuer.down = False
    issuer.clock.advance(PAUSE)
    assert issuer.ask(Signer().token()) == "alice@example.org"


def test_known_keys_count_while_the_issuer_is_down_but_not_for_ever() -> None:
    issuer = Issuer(Signer())
    issuer.ask(Signer().token())
    issuer.down = True
    issuer.clock.advance(REFRESH)
    assert issuer.ask(Signer().token()) == "alice@example.org"
    assert issuer.asked == 2
    with pytest.raises(AuthenticationUnavailable):
        issuer.ask(Signer(key=OTHER, name="second").token())
    issuer.clock.advance(KEPT_MOST)
    with pytest.raises(AuthenticationUnavailable):
        issuer.ask(Signer().token())


def test_nobody_waits_for_an_issuer_that_is_down_while_keys_count() -> None:
    issuer = Issuer(Signer())
    issuer.ask(Signer().token())
    issuer.down = True
    issuer.clock.advance(REFRESH)
    issuer.ask(Signer().token())
    issuer.down, issuer.pending = False, []
    issuer.clock.advance(2 * REFRESH)
    assert issuer.ask(Signer().token()) == "alice@example.org"
    assert len(issuer.pending) == 1


def test_a_key_that_was_taken_back_is_forgotten_in_time() -> None:
    issuer = Issuer(Signer())
    issuer.ask(Signer().token())
    issuer.signers = (Signer(key=OTHER, name="second"),)
    issuer.clock.advance(REFRESH)
    with pytest.raises(TokenRefused):
        issuer.ask(Signer().token())


def test_keys_that_are_old_are_fetched_behind_the_logins_back_once() -> None:
    issuer = Issuer(Signer())
    issuer.ask(Signer().token())
    issuer.pending = []
    issuer.clock.advance(REFRESH)
    assert [issuer.ask(Signer().token()) for _ in range(3)] == ["alice@example.org"] * 3
    assert len(issuer.pending) == 1
    issuer.pending[0].callback(key_set(NEW))
    assert issuer.ask(NEW.token()) == "alice@example.org"


@pytest.mark.parametrize(("refresh", "age"), [(REFRESH, 2 * REFRESH), (KEPT_MOST, KEPT_MOST)])
def test_keys_that_are_much_older_are_waited_for(refresh: float, age: float) -> None:
    issuer = Issuer(Signer(), refresh=refresh)
    issuer.ask(Signer().token())
    issuer.pending = []
    issuer.clock.advance(age)
    told = issuer.login(Signer().token())
    assert not told
    issuer.pending[0].callback(key_set(Signer()))
    assert str(told[0]) == "alice@example.org"


def test_many_who_come_at_once_wait_for_one_fetch() -> None:
    issuer = Issuer(Signer())
    issuer.pending = []
    told = [issuer.login(Signer().token()) for _ in range(5)]
    assert len(issuer.pending) == 1
    issuer.pending[0].callback(key_set(Signer()))
    assert [str(one[0]) for one in told] == ["alice@example.org"] * 5


WEAK = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, null, {}, {"kty": "EC"}, {"kty": "RSA", "n": "!", "e": 3}]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}]}',
        b"[" * 100_000,
        key_set(Signer("RS256", WEAK)),
        json.dumps({"keys": [Signer().jwk() | {"use": "enc"}]}).encode(),
        json.dumps({"keys": [Signer().jwk() | {"key_ops": ["encrypt"]}]}).encode(),
        json.dumps({"keys": [Signer().jwk() | {"key_ops": "verify"}]}).encode(),
        json.dumps({"keys": [Signer().jwk() | {"alg": "ES384"}]}).encode(),
        json.dumps({"keys": [Signer("RS256", RSA).jwk() | {"alg": "RS512"}]}).encode(),
        json.dumps({"keys": [Signer("RS256", RSA).jwk() | {"alg": "PS256"}]}).encode(),
        json.dumps({"keys": [Signer("RS256", RSA).jwk() | {"alg": "RSA-OAEP"}]}).encode(),
        json.dumps({"keys": [Signer("RS256", RSA).jwk() | {"alg": "ES256"}]}).encode(),
        json.dumps({"keys": [Signer().jwk() | {"kid": 7}]}).encode(),
    ],
)
def test_what_has_no_key_of_use(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_key_set(text)


@pytest.mark.parametrize(
    "odd",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "new"},
        {"kty": ["RSA"]},
        {"kty": "RSA", "alg": "none", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "alg": "none"},
        {"kty": "RSA", "alg": "HS256", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "alg": {}, "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"},
        {"kty": "RSA", "n": "\ud800", "e": "AQAB"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
    ],
)
def test_a_key_that_is_odd_or_of_another_kind_is_passed_over(odd: dict[str, Any]) -> None:
    assert [key.name for key in read_key_set(json.dumps({"keys": [odd, Signer().jwk()]}).encode())] == ["first"]


@pytest.mark.parametrize(
    "said", [{"alg": "ES256"}, {"alg": None}, {"key_ops": ["verify"]}, {"key_ops": ["x", "verify"]}]
)
def test_a_key_is_taken_for_what_it_says(said: dict[str, Any]) -> None:
    (key,) = read_key_set(json.dumps({"keys": [Signer().jwk() | said]}).encode())
    assert key.name == "first"
