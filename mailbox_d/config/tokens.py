"""The section on tokens, `login.tokens`: whose are believed, and how they are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Strict, model_validator

from mailbox_d.config.faults import Refusal
from mailbox_d.config.scalars import FilePath, HttpsUrl, Text
from mailbox_d.config.section import Section
from mailbox_d.config.units import DAY, HOUR, MINUTE, Duration

SignatureAlgorithm: TypeAlias = Literal["RS256", "ES256", "EdDSA"]


class Introspection(Section):
    """An issuer that is asked about every token (RFC 7662)."""

    url: Annotated[str, HttpsUrl()]
    """Where the issuer is asked: its `introspection_endpoint`."""

    client_id: Annotated[str, Text()]
    """The name by which the issuer knows this server."""

    client_secret_file: Annotated[Path, FilePath()]
    """A file with the password that goes with it."""

    ca: Annotated[Path, FilePath()] | None = None
    """The authorities that the issuer's certificate is checked against, in PEM; null: the system's."""

    audience: Annotated[str, Text()] | None = None
    """For whom a token must be (`aud`); null: what the issuer calls active is for this server."""


class Jwt(Section):
    """An issuer whose tokens say all themselves, and are signed (RFC 7519)."""

    issuer: Annotated[str, Text()]
    """What the tokens must say of who made them (`iss`), to the letter."""

    audience: Annotated[str, Text()]
    """For whom the tokens must be (`aud`)."""

    keys_file: Annotated[Path, FilePath()] | None = None
    """A file with the issuer's public keys: a JWK set (RFC 7517)."""

    keys_url: Annotated[str, HttpsUrl()] | None = None
    """Where the issuer has its keys: its `jwks_uri`."""

    keys_refresh: Annotated[float, Duration(least=MINUTE, most=DAY)] = HOUR
    """After which time the keys are fetched anew, or read. A key that is not known is looked for every 5 s at most."""

    ca: Annotated[Path, FilePath()] | None = None
    """The authorities that the certificate of `keys_url` is checked against, in PEM; null: the system's."""

    algorithms: Annotated[tuple[SignatureAlgorithm, ...], Strict(False)] = ("RS256", "ES256", "EdDSA")
    """How tokens may be signed."""

    @model_validator(mode="after")
    def _keys_from_one_place(self) -> Jwt:
        if (self.keys_file is None) == (self.keys_url is None):
            problem = "the keys are nowhere" if self.keys_file is None else "keys_file and keys_url are both given"
            raise Refusal(problem, "either keys_file or keys_url")
        if not self.algorithms:
            raise Refusal("no token can be signed", "an algorithm at least")
        return self


class Tokens(Section):
    """Tokens of an issuer, which prove an address; either `introspection` or `jwt` is given."""

    introspection: Introspection | None = None
    """An issuer that is asked about every token."""

    jwt: Jwt | None = None
    """An issuer whose tokens are checked here."""

    address_claim: Annotated[str, Text()] = "email"
    """What of a token is the user's address, such as `email` or `preferred_username`. It must be one that users cannot
    choose at the issuer."""

    leeway: Annotated[float, Duration(most=10 * MINUTE)] = 30.0
    """By how much the issuer's clock may differ from ours."""

    cache: Annotated[float, Duration(most=HOUR)] = MINUTE
    """How long an answer of the issuer counts, and so how long a token may be taken that is revoked."""

    timeout: Annotated[float, Duration(least=0.1, most=MINUTE)] = 10.0
    """Within which time the issuer must have answered, and a token must be checked; later, the login is temporary."""

    @model_validator(mode="after")
    def _exactly_one_issuer(self) -> Tokens:
        if (self.introspection is None) == (self.jwt is None):
            problem = "there is no issuer" if self.jwt is None else "introspection and jwt are both given"
            raise Refusal(problem, "either introspection or jwt")
        return self
