"""EXTERNAL (RFC 4422 appendix A): the certificate that the client showed says who it is."""

from __future__ import annotations

from typing import ClassVar

from mailbox_d.wire.sasl.exchange import (
    ByCertificate,
    OneResponse,
    as_text,
    filled,
)


class External(OneResponse):
    """The one response is empty, or whom the client wants to act as."""

    name: ClassVar[str] = "EXTERNAL"

    def _take(self, message: bytes) -> ByCertificate:
        return ByCertificate(filled(as_text(message)) if message else "")
