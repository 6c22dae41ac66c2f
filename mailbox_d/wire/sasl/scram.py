"""SCRAM-SHA-256 (RFC 5802, RFC 7677), and with channel binding SCRAM-SHA-256-PLUS: no password goes over the wire.

The server has keys that were made of the password and are not worth as much as it; whoever drives the exchange fetches
them in the middle of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from mailbox_d.wire.sasl.exchange import (
    MAX_RESPONSE,
    Challenge,
    MalformedResponse,
    Proven,
    Step,
    WantsKeys,
    WrongProof,
    as_text,
    check_identity,
    decode_base64,
    decode_initial,
    decode_response,
    filled,
)
from mailbox_d.wire.sasl.gs2 import Gs2Header, read_gs2_header, read_name

NO_BINDINGS: Mapping[str, bytes] = MappingProxyType({})
_NONCE_OCTETS = 24
_CLIENT_FIRST = re.compile(r"n=([^,\0]+),r=([!-+\--~]{1,512})((?:,[A-Za-z]=[^,\0]+)*)")
_CLIENT_FINAL = re.compile(r"c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*", re.ASCII)
_PROOF = re.compile(r"(.*),p=([A-Za-z0-9+/=]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What is kept of a password (RFC 5802 section 3)."""

    iterations: int
    salt: bytes
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


class ScramSha256:
    """One exchange. `bindings`: the connection's channel bindings by their names, none outside of TLS."""

    name: ClassVar[str] = "SCRAM-SHA-256"
    refusal: ClassVar[bytes] = b""
    binds: ClassVar[bool] = False
    """Whether the exchange is bound to the connection."""

    def __init__(
        self, limit: int = MAX_RESPONSE, bindings: Mapping[str, bytes] = NO_BINDINGS, nonce: str | None = None
    ) -> None:
        """`nonce`: the server's part of it, for tests."""
        self._limit = limit
        self._bindings = bindings
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(_NONCE_OCTETS)).decode("ascii")
        self._first: _ClientFirst | None = None
        self._keys: ScramKeys | None = None
        self._is_known = False
        self._server_first = ""
        self._is_proven = False

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self._take(decode_initial(initial, self._limit))

    def step(self, response: bytes) -> Step:
        return self._take(decode_response(response, self._limit))

    def keys(self, keys: ScramKeys, *, known: bool) -> Challenge:
        """Go on with a user's keys. Where they are not `known` the keys are made up, and the proof is wrong in the end:
        until then everything looks as it does for others."""
        assert self._first is not None
        self._keys, self._is_known = keys, known
        salt = base64.b64encode(keys.salt).decode("ascii")
        self._server_first = f"r={self._first.nonce}{self._nonce},s={salt},i={keys.iterations}"
        return Challenge(self._server_first.encode("ascii"))

    def _take(self, message: bytes) -> Step:
        if self._is_proven:
            return self._finish(message)
        if self._first is None:
            self._first = first = _read_client_first(as_text(message))
            self._check_header(first.header)
            return WantsKeys(first.user)
        return self._prove(as_text(message), self._first)

    def _check_header(self, header: Gs2Header) -> None:
        """Whether the exchange is bound as its name says, and nobody on the way took the better one off the list."""
        if (header.flag == "p") is not self.binds:
            raise MalformedResponse("The channel binding is not what the mechanism prescribes")
        if header.flag == "p" and header.binding not in self._bindings:
            raise MalformedResponse("This kind of channel binding is not served")
        if header.flag == "y" and self._bindings:  # RFC 5802 section 6
            raise WrongProof("Authentication failed", cause="the client saw no mechanism with channel binding")

    def _prove(self, message: str, first: _ClientFirst) -> Challenge:
        """Check the client's proof; then the server's own is the challenge."""
        keys = self._keys
        assert keys is not None
        without_proof, proof = self._client_final(message, first)
        said = ",".join((first.bare, self._server_first, without_proof)).encode("utf-8")
        client_key = _xor(proof, _hmac(keys.stored_key, said))
        is_right = hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)
        if not is_right or not self._is_known:
            raise WrongProof("Authentication failed", cause="the proof is wrong")
        self._is_proven = True
        return Challenge(b"v=" + base64.b64encode(_hmac(keys.server_key, said)))

    def _client_final(self, message: str, first: _ClientFirst) -> tuple[str, bytes]:
        """The message without its proof, and the proof."""
        whole = _PROOF.fullmatch(message)
        match = _CLIENT_FINAL.fullmatch(whole[1]) if whole is not None else None
        if whole is None or match is None:
            raise MalformedResponse("The response is not what the mechanism prescribes")
        proof = decode_base64(whole[2].encode("ascii"))
        if len(proof) != hashlib.sha256().digest_size:
            raise MalformedResponse("The proof is not as long as the mechanism prescribes")
        bound = first.header.octets + self._bindings.get(first.header.binding, b"")
        if not hmac.compare_digest(decode_base64(match[1].encode("ascii")), bound):
            raise WrongProof("Authentication failed", cause="the channel binding is another one")
        if match[2] != first.nonce + self._nonce:
            raise WrongProof("Authentication failed", cause="the nonce is another one")
        return whole[1], proof

    def _finish(self, message: bytes) -> Proven:
        """The client has seen our proof; there is nothing more to say."""
        assert self._first is not None and self._keys is not None
        if message:
            raise MalformedResponse("Nothing was to follow")
        return Proven(self._first.user, self._keys.stored_key)


class ScramSha256Plus(ScramSha256):
    """The same, bound to the TLS connection (RFC 5929, RFC 9266): nobody between the two can use it."""

    name: ClassVar[str] = "SCRAM-SHA-256-PLUS"
    binds: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class _ClientFirst:
    """The client's first message: `bare` is what follows the header."""

    header: Gs2Header
    bare: str
    user: str
    nonce: str


def _read_client_first(message: str) -> _ClientFirst:
    header, bare = read_gs2_header(message)
    match = _CLIENT_FIRST.fullmatch(bare)
    if match is None:  # also for `m=`, an extension that nobody may pass over
        raise MalformedResponse("The response is not what the mechanism prescribes")
    user = filled(read_name(match[1]))
    check_identity(header.authzid, user)
    return _ClientFirst(header, bare, user, match[2])


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
