"""The issuer of a site's tokens, as it is configured, and how it is asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError

from mailbox_d.address import EmailAddress
from mailbox_d.auth.tokens.claims import Expected
from mailbox_d.auth.tokens.introspection import IntrospectedTokens, KeptAnswers, Question
from mailbox_d.auth.tokens.keys import KeptKeys
from mailbox_d.auth.tokens.signed import SignedTokens
from mailbox_d.config.faults import ConfigurationError, Fault, Refusal
from mailbox_d.config.files import read_regular_file
from mailbox_d.config.tokens import Introspection, Jwt, Tokens
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.net.https_client import HttpsClient, NoAnswer
from mailbox_d.net.lanes import Lanes, sleep

KEY_SET_MAX = 256 * 1024
ANSWER_MAX = 64 * 1024
SECRET_MAX = 4096
"""Octets of a key set, of an issuer's answer, and of the password by which it knows us."""


class TokenChecker:
    """Checks tokens, each within so many seconds, of which the wait for a place among the questions to the issuer, or
    for the next look at its keys, is a part. What is under way in a lane is not broken off."""

    def __init__(self, tokens: SignedTokens | IntrospectedTokens, reactor: Any, *, timeout: float) -> None:
        self._tokens = tokens
        self._reactor = reactor
        self._timeout = timeout

    async def address_of(self, token: str) -> EmailAddress:
        """The address that a token proves. Raises `TokenRefused`, `AuthenticationUnavailable`."""
        checking = Deferred.fromCoroutine(self._tokens.address_of(token))
        checking.addTimeout(self._timeout, self._reactor)
        try:
            return await checking
        except (TimeoutError, CancelledError):
            raise _unavailable("it takes too long to check a token") from None


def token_checker(settings: Tokens, lanes: Lanes, reactor: Any) -> TokenChecker:
    """What checks tokens as `settings` say. Reads files; raises `ConfigurationError`."""
    return TokenChecker(_tokens(settings, lanes, reactor), reactor, timeout=settings.timeout)


def _tokens(settings: Tokens, lanes: Lanes, reactor: Any) -> SignedTokens | IntrospectedTokens:
    if settings.jwt is not None:
        return _signed(settings, settings.jwt, lanes, reactor)
    assert settings.introspection is not None
    return _introspected(settings, settings.introspection, reactor)


def _signed(settings: Tokens, jwt: Jwt, lanes: Lanes, reactor: Any) -> SignedTokens:
    run = lanes.hashing.run
    fetch, pause = _key_set(settings, jwt, lanes, reactor), partial(sleep, reactor)
    keys = KeptKeys(fetch, run, time.monotonic, pause, refresh=jwt.keys_refresh)
    expected = Expected(settings.address_claim, jwt.issuer, jwt.audience, settings.leeway)
    return SignedTokens(keys, expected, jwt.algorithms, run, time.time)


def _key_set(settings: Tokens, jwt: Jwt, lanes: Lanes, reactor: Any) -> Callable[[], Awaitable[bytes]]:
    if jwt.keys_file is not None:
        path = jwt.keys_file
        return lambda: _read_keys(path, lanes)
    assert jwt.keys_url is not None
    client = _client(reactor, jwt.keys_url, jwt.ca, octets=KEY_SET_MAX, timeout=settings.timeout)
    return lambda: _asked(client, None)


def _introspected(settings: Tokens, issuer: Introspection, reactor: Any) -> IntrospectedTokens:
    client = _client(reactor, issuer.url, issuer.ca, octets=ANSWER_MAX, timeout=settings.timeout)
    return IntrospectedTokens(
        lambda question: _asked(client, question),
        (issuer.client_id, _secret(issuer.client_secret_file)),
        Expected(settings.address_claim, None, issuer.audience, settings.leeway),
        time.time,
        good=KeptAnswers(time.monotonic, seconds=settings.cache),
        bad=KeptAnswers(time.monotonic, seconds=settings.cache),
    )


async def _read_keys(path: Path, lanes: Lanes) -> bytes:
    try:
        return await lanes.files.run(read_regular_file, path, KEY_SET_MAX)
    except Refusal as refusal:
        raise _unavailable(f"{path}: {refusal.problem}") from None


async def _asked(client: HttpsClient, question: Question | None) -> bytes:
    try:
        return await (client.ask() if question is None else client.ask(question.body, question.headers))
    except NoAnswer as error:
        raise _unavailable(str(error)) from None


def _unavailable(cause: str) -> AuthenticationUnavailable:
    return AuthenticationUnavailable("Authentication is not possible now", cause=cause)


def _client(reactor: Any, url: str, ca: Path | None, *, octets: int, timeout: float) -> HttpsClient:
    try:
        return HttpsClient(reactor, url, ca, octets=octets, timeout=timeout)
    except (OSError, ValueError) as error:
        raise _fault(str(ca or url), f"it cannot be used: {error}") from None


def _secret(path: Path) -> str:
    try:
        return read_regular_file(path, SECRET_MAX).decode().strip("\r\n")
    except Refusal as refusal:
        raise _fault(str(path), refusal.problem) from None
    except UnicodeDecodeError:
        raise _fault(str(path), "this is no text in UTF-8") from None


def _fault(path: str, problem: str) -> ConfigurationError:
    return ConfigurationError([Fault(path, 1, 1, "", problem)])
