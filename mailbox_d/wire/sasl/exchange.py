"""What the exchanges of all mechanisms have in common: challenges, proofs, errors, and base64."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeAlias

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError, AuthenticationFailed, MailError

MAX_RESPONSE = 12288
"""Octets of one response in base64 (RFC 4954 section 4)."""

CANCEL = b"*"
"""What a client sends instead of a response to end the exchange (RFC 4954 section 4, RFC 9051 section 6.2.2)."""

EMPTY_INITIAL = b"="
"""An initial response without any octets (RFC 4954 section 4, RFC 4959 section 3)."""


class SaslError(MailError):
    """The exchange failed before there was a proof."""


class UnknownMechanism(SaslError):
    """A mechanism that is not offered."""


class PrivacyWanted(UnknownMechanism):
    """A mechanism that is offered inside TLS alone, outside of it."""


class Cancelled(SaslError):
    """The client gave up with `*`."""


class MalformedResponse(SaslError):
    """A response that is not base64, too long, or not what the mechanism prescribes."""


class WrongProof(AuthenticationFailed, SaslError):
    """What the client showed proves nothing: to be answered as a wrong password is."""


class OtherIdentity(WrongProof):
    """The client asked to act as somebody else."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What to ask the client next; `data` is not yet in base64."""

    data: bytes

    @property
    def line(self) -> bytes:
        """The challenge in base64, as it goes behind `334 ` or `+ `."""
        return base64.b64encode(self.data)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the client says it is, and a password: neither is empty, neither contains NUL, both were UTF-8."""

    authcid: str
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token of an issuer (RFC 6750), and for whom the client says that it is; `authcid` may be empty."""

    authcid: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ByCertificate:
    """The client's certificate, which it showed in the TLS handshake, says who it is. `authzid`, as whom it wants to
    act, may be empty."""

    authcid: str
    authzid: str


@dataclass(frozen=True, slots=True)
class WantsKeys:
    """The exchange cannot go on without this user's keys (`Scram.keys`)."""

    authcid: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The mechanism itself has seen the proof: this is the user, and the key (RFC 5802 section 3) that it was held
    against."""

    authcid: str
    stored_key: bytes = field(default=b"", repr=False, compare=False)


Proof: TypeAlias = Credentials | BearerToken | ByCertificate | Proven
Step: TypeAlias = Challenge | WantsKeys | Proof


class Mechanism(Protocol):
    """One exchange of one mechanism. Its methods raise `SaslError`, and nothing else whatever the client sent."""

    name: ClassVar[str]
    refusal: ClassVar[bytes]
    """What is told the client as a challenge, where the proof is wrong; empty for nothing. Its answer says nothing."""

    def start(self, initial: bytes | None) -> Step:
        """Begin, with the initial response as it stood behind the mechanism's name, or None without one."""

    def step(self, response: bytes) -> Step:
        """Go on with the client's line, without its line end."""


class OneResponse:
    """A mechanism whose client has one thing to say, at once or behind an empty challenge."""

    refusal: ClassVar[bytes] = b""

    def __init__(self, limit: int = MAX_RESPONSE) -> None:
        self._limit = limit

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self._take(decode_initial(initial, self._limit))

    def step(self, response: bytes) -> Step:
        return self._take(decode_response(response, self._limit))

    def _take(self, message: bytes) -> Step:
        """What the response, no longer in base64, comes to."""
        raise NotImplementedError


def decode_initial(initial: bytes, limit: int = MAX_RESPONSE) -> bytes:
    """The octets of an initial response, in which `=` stands for none at all. Raises `SaslError`."""
    return b"" if initial == EMPTY_INITIAL else decode_response(initial, limit)


def decode_response(response: bytes, limit: int = MAX_RESPONSE) -> bytes:
    """The octets of a response: base64 as RFC 4648 section 4 makes it, nothing left out or put in.

    Raises `Cancelled` for `*`, otherwise `MalformedResponse`.
    """
    if response == CANCEL:
        raise Cancelled("Authentication cancelled")
    if len(response) > limit:
        raise MalformedResponse("The response is too long")
    return decode_base64(response)


def decode_base64(text: bytes) -> bytes:
    """The octets that base64 stands for, in its one form. Raises `MalformedResponse`."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedResponse("The response is not base64", cause=str(error)) from error
    if base64.b64encode(octets) != text:  # spare bits that are not zero (RFC 4648 section 3.5)
        raise MalformedResponse("The response is not base64")
    return octets


def as_text(octets: bytes) -> str:
    """Raises `MalformedResponse` for what is not UTF-8."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedResponse("The response is not UTF-8") from error


def filled(text: str) -> str:
    """Raises `MalformedResponse` for nothing, and for NUL."""
    if not text:
        raise MalformedResponse("User name and password cannot be empty")
    if "\0" in text:
        raise MalformedResponse("The response contains NUL")
    return text


def check_identity(authzid: str, authcid: str) -> None:
    """Nobody acts as somebody else. Raises `OtherIdentity`."""
    if authzid and not is_same_identity(authzid, authcid):
        raise OtherIdentity("Authentication failed", cause="authzid differs from authcid")


def is_same_identity(one: str, other: str) -> bool:
    """Whether two names are of one user."""
    try:
        return EmailAddress.parse(one) == EmailAddress.parse(other)
    except AddressError:
        return one == other
