"""SASL on the server's side, as SMTP's AUTH (RFC 4954) and IMAP's AUTHENTICATE (RFC 9051 section 6.2.2) both need it.

Sans-IO: a mechanism takes what stood on the wire, in base64, and answers with the next challenge or with credentials.
An object serves one exchange; after credentials or an error it is thrown away.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
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
    """The exchange failed before there were credentials."""


class UnknownMechanism(SaslError):
    """A mechanism that is not offered."""


class Cancelled(SaslError):
    """The client gave up with `*`."""


class MalformedResponse(SaslError):
    """A response that is not base64, too long, or not what the mechanism prescribes."""


class OtherIdentity(AuthenticationFailed, SaslError):
    """The client asked to act as somebody else: to be answered as a wrong password is."""


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
    """Who the client says it is, and the proof: neither is empty, neither contains NUL, both were UTF-8."""

    authcid: str
    password: bytes = field(repr=False)


Step: TypeAlias = Challenge | Credentials


class Mechanism(Protocol):
    """One exchange of one mechanism. Both methods raise `SaslError`, and nothing else whatever the client sent."""

    name: ClassVar[str]

    def start(self, initial: bytes | None) -> Step:
        """Begin, with the initial response as it stood behind the mechanism's name, or None without one."""

    def step(self, response: bytes) -> Step:
        """Go on with the client's line, without its line end."""


class Plain:
    """PLAIN (RFC 4616): `[authzid] NUL authcid NUL password` in one response."""

    name: ClassVar[str] = "PLAIN"

    def __init__(self, limit: int = MAX_RESPONSE) -> None:
        self._limit = limit

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self._credentials(decode_initial(initial, self._limit))

    def step(self, response: bytes) -> Step:
        return self._credentials(decode_response(response, self._limit))

    def _credentials(self, message: bytes) -> Credentials:
        parts = message.split(b"\0")
        if len(parts) != 3:
            raise MalformedResponse("The response does not consist of three parts")
        authzid, authcid = _text(parts[0]), _filled(_text(parts[1]))
        _filled(_text(parts[2]))
        if authzid and not _same_identity(authzid, authcid):
            raise OtherIdentity("Authentication failed", cause="authzid differs from authcid")
        return Credentials(authcid, parts[2])


class Login:
    """LOGIN (draft-murchison-sasl-login): the user's name, then the password, each in a response of its own."""

    name: ClassVar[str] = "LOGIN"

    def __init__(self, limit: int = MAX_RESPONSE) -> None:
        self._limit = limit
        self._authcid: str | None = None

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"Username:") if initial is None else self._take(decode_initial(initial, self._limit))

    def step(self, response: bytes) -> Step:
        return self._take(decode_response(response, self._limit))

    def _take(self, message: bytes) -> Step:
        text = _filled(_text(message))
        if "\0" in text:
            raise MalformedResponse("The response contains NUL")
        if self._authcid is None:
            self._authcid = text
            return Challenge(b"Password:")
        return Credentials(self._authcid, message)


MECHANISMS: Mapping[str, type[Plain] | type[Login]] = MappingProxyType({kind.name: kind for kind in (Plain, Login)})
"""Every mechanism by its name, in the order in which to offer them."""


def mechanism(name: str, limit: int = MAX_RESPONSE) -> Mechanism:
    """A new exchange of the mechanism of that name, in any case. Raises `UnknownMechanism`.

    `limit` bounds each response, in octets of base64.
    """
    kind = MECHANISMS.get(name.upper())
    if kind is None:
        raise UnknownMechanism("This authentication mechanism is not offered")
    return kind(limit)


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
    try:
        message = base64.b64decode(response, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedResponse("The response is not base64", cause=str(error)) from error
    if base64.b64encode(message) != response:  # spare bits that are not zero (RFC 4648 section 3.5)
        raise MalformedResponse("The response is not base64")
    return message


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedResponse("The response is not UTF-8") from error


def _filled(text: str) -> str:
    if not text:
        raise MalformedResponse("User name and password cannot be empty")
    return text


def _same_identity(authzid: str, authcid: str) -> bool:
    try:
        return EmailAddress.parse(authzid) == EmailAddress.parse(authcid)
    except AddressError:
        return authzid == authcid
