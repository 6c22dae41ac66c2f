"""Tokens of which only their issuer knows what they are worth, and is asked (RFC 7662)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote_plus, urlencode

from twisted.internet.defer import Deferred, DeferredSemaphore

from mailbox_d.address import EmailAddress
from mailbox_d.auth.tokens.claims import (
    MAX_TOKEN,
    Claims,
    Expected,
    TokenRefused,
    address_of,
    check_claims,
    looked_at,
    read_claims,
)
from mailbox_d.errors import AuthenticationUnavailable

AT_ONCE = 16
"""Questions to an issuer that are open at a time."""

ANSWERS_KEPT = 10_000
"""Answers of either kind, of which the oldest go first; each is some hundreds of octets."""

NOT_ACTIVE: Claims = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask an issuer by POST."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class KeptAnswers:
    """What was said of tokens lately. A token is known by its HMAC under a key that lives as long as the object: none
    can be read from here. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float], *, seconds: float, size: int = ANSWERS_KEPT) -> None:
        self._clock = clock
        self._seconds = seconds
        self._size = size
        self._key = os.urandom(32)
        self._answers: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()

    def find(self, token: str) -> Claims | None:
        """What was said of a token, if it still counts."""
        name = self._name(token)
        until, claims = self._answers.get(name, (0.0, None))
        if claims is not None and until <= self._clock():
            del self._answers[name]
            return None
        return claims

    def keep(self, token: str, claims: Claims) -> None:
        """From now on, for as long as answers count."""
        name = self._name(token)
        self._answers[name] = (self._clock() + self._seconds, claims)
        self._answers.move_to_end(name)
        while len(self._answers) > self._size or self._oldest_until <= self._clock():
            self._answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def _oldest_until(self) -> float:
        """Until when the answer counts that was kept first; one that has just been kept may count no more."""
        until, _ = next(iter(self._answers.values()), (math.inf, None))
        return until

    def _name(self, token: str) -> bytes:
        return hmac.digest(self._key, token.encode("utf-8", "surrogatepass"), hashlib.sha256)


class IntrospectedTokens:
    """`ask` gives the issuer's answer, or raises `AuthenticationUnavailable`; `now` gives seconds since 1970."""

    def __init__(
        self,
        ask: Callable[[Question], Awaitable[bytes]],
        client: tuple[str, str],
        expected: Expected,
        now: Callable[[], float],
        *,
        good: KeptAnswers,
        bad: KeptAnswers,
    ) -> None:
        """`client`: the name and password by which the issuer knows us; `good`, `bad`: answers that are kept apart, so
        that tokens that anybody can make up drive no good one out."""
        self._ask = ask
        self._authorization = _basic(*client)
        self._expected = expected
        self._now = now
        self._good = good
        self._bad = bad
        self._open = DeferredSemaphore(AT_ONCE)

    async def address_of(self, token: str) -> EmailAddress:
        """The address that a token proves. Raises `TokenRefused`, `AuthenticationUnavailable`."""
        if len(token) > MAX_TOKEN or not token.isascii():
            raise TokenRefused("the token is too long")
        claims = self._known(token)
        if claims is None:
            claims = await self._open.run(lambda: Deferred.fromCoroutine(self._claims(token)))
        if not claims:
            raise TokenRefused("the issuer says that the token is not active")
        kind = claims.get("token_type")
        if kind is not None and str(kind).lower() not in ("bearer", "access_token"):
            raise TokenRefused("the token is no bearer token")
        check_claims(claims, self._expected, self._now())
        return address_of(claims, self._expected)

    def _known(self, token: str) -> Claims | None:
        good = self._good.find(token)
        return good if good is not None else self._bad.find(token)

    async def _claims(self, token: str) -> Claims:
        """What the issuer says of a token, none where it is not active."""
        known = self._known(token)  # somebody else may have asked while we waited
        if known is not None:
            return known
        claims = _read(await self._ask(self._question(token)), self._expected)
        (self._good if claims else self._bad).keep(token, claims)
        return claims

    def _question(self, token: str) -> Question:
        headers = {
            "Accept": "application/json",
            "Authorization": self._authorization,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return Question(headers, urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii"))


def _read(answer: bytes, expected: Expected) -> Claims:
    """What is to be kept of an answer, never empty where the token is active."""
    try:
        claims = read_claims(answer)
        active = claims["active"]
    except (ValueError, KeyError):
        active = None
    if not isinstance(active, bool):
        raise AuthenticationUnavailable(
            "Authentication is not possible now", cause="the issuer's answer does not say whether a token is active"
        )
    return looked_at(claims, expected) if active else NOT_ACTIVE


def _basic(name: str, password: str) -> str:
    """RFC 6749 section 2.3.1: each in the form of a form's field, then as RFC 7617 has it."""
    pair = f"{quote_plus(name)}:{quote_plus(password)}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
