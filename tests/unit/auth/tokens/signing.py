"""An issuer for tests: it signs tokens, rightly and wrongly, and has a JWK set of its keys."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW = 1_800_000_000.0
ISSUER = "https://login.example.org/"
AUDIENCE = "mail"

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

_WRITERS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says; None takes a claim away."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300, "nbf": NOW - 5, "email": "alice@example.org"}
    return {name: value for name, value in (usual | changed).items() if value is not None}


@dataclass(frozen=True)
class Signer:
    """A private key with its algorithm and name."""

    algorithm: str = "ES256"
    key: Any = field(default=EC, repr=False)
    name: str = "first"

    def token(self, header: dict[str, Any] | None = None, **changed: Any) -> str:
        return jwt.encode(claims(**changed), self.key, self.algorithm, {"kid": self.name, **(header or {})})

    def jwk(self) -> dict[str, Any]:
        public = json.loads(_WRITERS[self.algorithm].to_jwk(self.key.public_key()))
        return {**public, "kid": self.name, "use": "sig"}


def key_set(*signers: Signer) -> bytes:
    return json.dumps({"keys": [signer.jwk() for signer in signers]}).encode()
