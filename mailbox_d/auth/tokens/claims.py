"""What a token says, and what must be true of it (RFC 7519 section 4.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mailbox_d.address import MAX_PATH, EmailAddress
from mailbox_d.errors import AddressError, AuthenticationFailed

MAX_TOKEN = 8192
"""Characters; those of issuers that are known have some hundreds to 4,000."""

_END_OF_TIME = 1 << 48
"""Seconds since 1970; NaN, infinity and numbers of a thousand digits are no time."""

_SHORT = 20
"""Characters; no text that is good in a claim has more, but for an address, an issuer or an audience."""

Claims: TypeAlias = Mapping[str, Any]


class TokenRefused(AuthenticationFailed):
    """The token proves nothing, whatever the reason; the reason is for the log."""

    def __init__(self, cause: str) -> None:
        super().__init__("Authentication failed", cause=cause)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `issuer` and `audience`: None where it does not matter; `leeway`: seconds by which the
    issuer's clock may differ; `address_claim`: which claim is the user's address."""

    address_claim: str = "email"
    issuer: str | None = None
    audience: str | None = None
    leeway: float = 30.0


def read_claims(text: bytes) -> Claims:
    """The claims in an object of JSON. Raises `ValueError`, also for depth that nobody needs."""
    try:
        claims = json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(claims, dict):
        raise ValueError("not an object")
    return claims


def expiry(claims: Claims) -> float:
    """When a token ends, in seconds since 1970. Raises `TokenRefused` where it does not say."""
    return _time(claims, "exp")


def looked_at(claims: Claims, expected: Expected) -> Claims:
    """Of what an issuer says of a token only that which is looked at, some hundreds of octets at most: it may say much
    more. Whatever is good in it stays so, and what is not is not."""
    names = "exp", "nbf", "cnf", "token_type", "email_verified"
    kept = {name: _bounded(claims[name], _SHORT) for name in names if name in claims}
    kept[expected.address_claim] = _bounded(claims.get(expected.address_claim), MAX_PATH)
    if expected.issuer is not None and claims.get("iss") == expected.issuer:
        kept["iss"] = expected.issuer
    if expected.audience is not None and expected.audience in _audiences(claims):
        kept["aud"] = expected.audience
    return kept


def check_claims(claims: Claims, expected: Expected, now: float) -> None:
    """Hold what a token says against what it must say; `now` in seconds since 1970. What is null is not said. Raises
    `TokenRefused`."""
    if expected.issuer is not None and claims.get("iss") != expected.issuer:
        raise TokenRefused("the token is of another issuer")
    if expected.audience is not None and expected.audience not in _audiences(claims):
        raise TokenRefused("the token is for somebody else")
    if claims.get("exp") is not None and expiry(claims) + expected.leeway <= now:
        raise TokenRefused("the token has expired")
    if claims.get("nbf") is not None and _time(claims, "nbf") - expected.leeway > now:
        raise TokenRefused("the token is not valid yet")
    if claims.get("cnf") is not None:  # RFC 7800: of use only with a key that we have not seen
        raise TokenRefused("the token is bound to a key")


def address_of(claims: Claims, expected: Expected) -> EmailAddress:
    """The address that a token proves. Raises `TokenRefused`, also where the issuer has not verified it."""
    text = claims.get(expected.address_claim)
    if not isinstance(text, str) or len(text) > MAX_PATH:
        raise TokenRefused(f"the token has no {expected.address_claim}")
    if expected.address_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise TokenRefused("the issuer has not verified the address")
    try:
        return EmailAddress.parse_as_spelt(text)
    except (AddressError, UnicodeError):
        raise TokenRefused(f"the token's {expected.address_claim} is no address as it is spelt") from None


def _audiences(claims: Claims) -> list[Any]:
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _bounded(value: Any, most: int) -> Any:
    """The value, or false for what is neither null, nor a time, nor a text of so many characters."""
    is_text = isinstance(value, str) and len(value) <= most
    is_number = isinstance(value, float) or (isinstance(value, int) and 0 <= value < _END_OF_TIME)
    return value if value is None or is_text or is_number else False


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        raise TokenRefused(f"the token's {name} is no time")
    return float(value)
