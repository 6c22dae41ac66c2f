"""The mechanisms that send the password itself: PLAIN and LOGIN. Both are for TLS alone."""

from __future__ import annotations

from typing import ClassVar

from mailbox_d.wire.sasl.exchange import (
    MAX_RESPONSE,
    Challenge,
    Credentials,
    MalformedResponse,
    OneResponse,
    Step,
    as_text,
    check_identity,
    decode_initial,
    decode_response,
    filled,
)


class Plain(OneResponse):
    """PLAIN (RFC 4616): `[authzid] NUL authcid NUL password` in one response."""

    name: ClassVar[str] = "PLAIN"

    def _take(self, message: bytes) -> Credentials:
        parts = message.split(b"\0")
        if len(parts) != 3:
            raise MalformedResponse("The response does not consist of three parts")
        authzid, authcid = as_text(parts[0]), filled(as_text(parts[1]))
        filled(as_text(parts[2]))
        check_identity(authzid, authcid)
        return Credentials(authcid, parts[2])


class Login:
    """LOGIN (draft-murchison-sasl-login): the user's name, then the password, each in a response of its own."""

    name: ClassVar[str] = "LOGIN"
    refusal: ClassVar[bytes] = b""

    def __init__(self, limit: int = MAX_RESPONSE) -> None:
        self._limit = limit
        self._authcid: str | None = None

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"Username:") if initial is None else self._take(decode_initial(initial, self._limit))

    def step(self, response: bytes) -> Step:
        return self._take(decode_response(response, self._limit))

    def _take(self, message: bytes) -> Step:
        text = filled(as_text(message))
        if self._authcid is None:
            self._authcid = text
            return Challenge(b"Password:")
        return Credentials(self._authcid, message)
