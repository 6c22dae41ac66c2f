"""Signatures of tokens (RFC 7515), and the public keys that they are checked with (RFC 7517). All of it takes time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias, TypeGuard

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mailbox_d.auth.tokens.claims import MAX_TOKEN, Claims, TokenRefused, read_claims
from mailbox_d.printable import one_line

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

KIND_OF_KEY: Mapping[str, type[PublicKey]] = MappingProxyType(
    {"RS256": RSAPublicKey, "ES256": EllipticCurvePublicKey, "EdDSA": Ed25519PublicKey}
)
"""What the algorithms that there are sign with. None of them can be checked with a secret, nor without a key."""

KEYS_MAX = 64
"""Keys of one set that are read."""

TYPES = frozenset({"jwt", "at+jwt"})
"""What a token may say that it is, if it does (RFC 7519 section 5.1, RFC 9068 section 2.1). One for another purpose,
such as to log out, is signed with the same key."""

TRIES_MAX = 8
"""Keys that a token without a key's name is tried with."""

RSA_BITS = range(2048, 8193)
"""A longer key would take long, a shorter one is no proof (RFC 7518 section 3.3)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of an issuer, and its name, which may be empty."""

    name: str
    public: PublicKey


@dataclass(frozen=True, slots=True)
class Header:
    """How a token says that it is signed: the algorithm, and the key's name, empty where there is none."""

    algorithm: str
    key: str


def read_key_set(text: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set that are of use here; others are passed over. Raises `ValueError` where there are none."""
    try:
        entries = json.loads(text)["keys"]
    except (RecursionError, KeyError, TypeError):
        raise ValueError("this is no JWK set") from None
    if not isinstance(entries, list):
        raise ValueError("this is no JWK set")
    keys = tuple(_usable(entries[:KEYS_MAX]))
    if not keys:
        raise ValueError("none of the keys is a public key of a kind that is known")
    return keys


def read_header(token: str, algorithms: Collection[str]) -> Header:
    """What a token says of its signature; nothing of it is proved. Raises `TokenRefused`, also where a key's name is no
    text."""
    if len(token) > MAX_TOKEN:
        raise TokenRefused("the token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenRefused("this is no JWT") from None
    algorithm, key = header.get("alg"), header.get("kid", "")
    if algorithm not in algorithms or algorithm not in KIND_OF_KEY:
        raise TokenRefused("the token is signed by an algorithm that is not taken")
    if "crit" in header:
        raise TokenRefused("the token wants what is not known here")
    if (kind := _type(header)) not in TYPES:
        raise TokenRefused(f"the token is for another purpose: {one_line(kind[:100])}")
    return Header(str(algorithm), key)


def candidates(keys: Sequence[Key], header: Header) -> tuple[Key, ...]:
    """The keys that a token may have been signed with: of its algorithm's kind, and of the name that it gives."""
    kind = KIND_OF_KEY[header.algorithm]
    fit = [key for key in keys if isinstance(key.public, kind) and header.key in ("", key.name)]
    return tuple(fit[:TRIES_MAX])


def verify(token: str, header: Header, keys: Sequence[Key]) -> Claims:
    """What a token says that is signed with one of `keys`. Raises `TokenRefused`."""
    for key in keys:
        try:
            signed = jwt.PyJWS().decode(token, key.public, algorithms=[header.algorithm])
            return read_claims(signed)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            continue
    raise TokenRefused("the token is not signed by its issuer")


def _type(header: Mapping[str, Any]) -> str:
    """A media type, of which `application/` may be left out (RFC 7515 section 4.1.9); empty where it is no text."""
    said = header.get("typ", "JWT")
    return said.lower().removeprefix("application/") if isinstance(said, str) else ""


def _usable(entries: Sequence[Any]) -> Iterator[Key]:
    for entry in entries:
        if not isinstance(entry, dict) or not _is_for_signatures(entry):
            continue
        try:
            public = jwt.PyJWK(entry).key
        except Exception:  # whatever is odd about one key, the others count
            continue
        name = entry.get("kid", "")
        if isinstance(name, str) and _is_strong(public):
            yield Key(name, public)


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    """RFC 7517 sections 4.2 to 4.4. A key whose kind does not go with its algorithm cannot be read."""
    operations = entry.get("key_ops", ["verify"])
    is_to_verify = isinstance(operations, list) and "verify" in operations
    return entry.get("use", "sig") == "sig" and is_to_verify and entry.get("alg") in (None, *KIND_OF_KEY)


def _is_strong(key: object) -> TypeGuard[PublicKey]:
    if isinstance(key, RSAPublicKey):
        return key.key_size in RSA_BITS
    return isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    )
