"""EXTERNAL (RFC 4422 appendix A): the certificate that the client showed says who it is."""

from __future__ import annotations

from typing import ClassVar

from mailbox_d.wire.sasl.exchange import (
    MAX_RESPONSE,
    ByCertificate,
    Challenge,
    Step,
    as_text,
    decode_initial,
    decode_response,
    filled,
)


class External:
    """The one response is empty, or whom the client wants to act as."""

    name: ClassVar[str] = "EXTERNAL"
    refusal: ClassVar[bytes] = b""

    def __init__(self, limit: int = MAX_RESPONSE) -> None:
        self._limit = limit

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self._identity(decode_initial(initial, self._limit))

    def step(self, response: bytes) -> Step:
        return self._identity(decode_response(response, self._limit))

    def _identity(self, message: bytes) -> ByCertificate:
        return ByCertificate(filled(as_text(message)) if message else "")
