"""The hash of a message's body for its signatures (RFC 6376 sections 3.4.3 and 3.7), made as the body comes in pieces.

`simple` changes nothing but the empty lines at a body's end. So a piece goes to the C library as it is, which hashes it
without holding the interpreter; Python only looks at the line ends with which the piece closes. `relaxed` would have to
rewrite every line here, and would forgive only servers that change blanks, which are gone from today's mail.
"""

from __future__ import annotations

import hashlib

_CRLF = b"\r\n"
_EMPTY_LINES = _CRLF * 32768


class BodyHash:
    """SHA-256 of a body with the `simple` canonicalisation; every way of cutting it into pieces gives the same."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._held = 0
        """Line ends that were not hashed yet, as nothing may come behind them."""
        self._cr = b""
        """A CR whose LF may come."""

    def feed(self, piece: bytes) -> None:
        """Take the next octets of the body."""
        data = self._cr + piece if self._cr else piece
        end = _ends_at(data)
        if end:
            self._release()
            self._hash.update(data[:end] if end < len(data) else data)
        self._held += (len(data) - end) // 2
        self._cr = b"\r" if (len(data) - end) % 2 else b""

    def finish(self) -> bytes:
        """The hash of all; a body without a last line end is given one, as is an empty body."""
        if self._cr:
            self._release()
            self._hash.update(self._cr)
        self._hash.update(_CRLF)
        return self._hash.digest()

    def _release(self) -> None:
        """Something came behind the line ends that were held."""
        octets = self._held * len(_CRLF)
        while octets:
            self._hash.update(_EMPTY_LINES[:octets])
            octets -= min(octets, len(_EMPTY_LINES))
        self._held = 0


def _ends_at(data: bytes) -> int:
    """Where the line ends begin with which octets close: CRLF after CRLF, perhaps a CR last."""
    start = len(data.rstrip(_CRLF))
    broken = max(data.rfind(b"\r\r", start), data.rfind(b"\n\n", start))
    start = max(start, broken + 1)
    return start + 1 if data.startswith(b"\n", start) else start
