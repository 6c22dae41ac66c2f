"""The mechanisms that send a token of an issuer: OAUTHBEARER (RFC 7628) and XOAUTH2, which came before it."""

from __future__ import annotations

import re
from typing import ClassVar

from mailbox_d.wire.sasl.exchange import (
    BearerToken,
    MalformedResponse,
    OneResponse,
    as_text,
    filled,
)
from mailbox_d.wire.sasl.gs2 import Gs2Header, read_gs2_header

_TOKEN = re.compile(r"bearer ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
"""RFC 6750 section 2.1."""

_KEY = re.compile(r"[A-Za-z]+", re.ASCII)
_PAIRS_MAX = 20


class OAuthBearer(OneResponse):
    """OAUTHBEARER: `n,a=alice@example.org,` and pairs, each behind an octet of 1; two of these end it."""

    name: ClassVar[str] = "OAUTHBEARER"
    refusal: ClassVar[bytes] = b'{"status":"invalid_token","scope":"mail"}'

    def _take(self, message: bytes) -> BearerToken:
        header, rest = read_gs2_header(as_text(message))
        if header.flag != "n":
            raise MalformedResponse("There is no channel binding with this mechanism")
        if not rest.startswith("\1"):
            raise MalformedResponse("The response is not what the mechanism prescribes")
        return BearerToken(_authzid(header), _bearer(_pairs(rest[1:])))


class XOAuth2(OneResponse):
    """XOAUTH2: `user=alice@example.org`, `auth=Bearer …`, each ended by an octet of 1, and one more at the end."""

    name: ClassVar[str] = "XOAUTH2"
    refusal: ClassVar[bytes] = b'{"status":"400","schemes":"bearer","scope":"mail"}'

    def _take(self, message: bytes) -> BearerToken:
        pairs = _pairs(as_text(message))
        return BearerToken(filled(pairs.get("user", "")), _bearer(pairs))


def _authzid(header: Gs2Header) -> str:
    return filled(header.authzid) if header.authzid else ""


def _pairs(text: str) -> dict[str, str]:
    """Pairs by their keys in lower case, each ended by an octet of 1, and one more behind the last."""
    *lines, last = text.removesuffix("\1").split("\1")
    if last or not text.endswith("\1") or len(lines) > _PAIRS_MAX:
        raise MalformedResponse("The response does not end as the mechanism prescribes")
    pairs: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or not _KEY.fullmatch(key) or key.lower() in pairs:
            raise MalformedResponse("The response does not consist of pairs")
        pairs[key.lower()] = value
    return pairs


def _bearer(pairs: dict[str, str]) -> str:
    match = _TOKEN.fullmatch(pairs.get("auth", ""))
    if match is None:
        raise MalformedResponse("The response has no bearer token")
    return match[1]
