"""EXTERNAL (RFC 4422 appendix A): the certificate that the client showed says who it is."""

from __future__ import annotations

from typing import ClassVar

from mailbox_d.wire.sasl.exchange import MAX_RESPONSE, ByCertificate, OneResponse, as_text, filled


class External(OneResponse):
    """The one response is empty, or whom the client wants to act as. `certified`: whose certificate it has shown."""

    name: ClassVar[str] = "EXTERNAL"

    def __init__(self, certified: str, limit: int = MAX_RESPONSE) -> None:
        super().__init__(limit)
        self._certified = certified

    def _take(self, message: bytes) -> ByCertificate:
        return ByCertificate(self._certified, filled(as_text(message)) if message else "")
