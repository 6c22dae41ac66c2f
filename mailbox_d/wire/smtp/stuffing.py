"""A message as DATA sends it (RFC 5321 section 4.5.2): dots stuffed, CRLF.CRLF at the end, no line end but CRLF."""

from __future__ import annotations

_CRLF = b"\r\n"


class BareNewline(Exception):
    """A CR or an LF stands alone, by which some servers would see commands where we see text (CVE-2023-51764)."""


class DotStuffer:
    """Fed a message in pieces, however they are cut, gives the octets for the wire. Of no use after `BareNewline`."""

    def __init__(self) -> None:
        self._begins_line = True
        self._held = b""
        """A CR at the end of what was fed: half of a CRLF, or alone."""

    def feed(self, piece: bytes) -> bytes:
        """The piece for the wire, but for a CR at its end, which waits for what follows. Raises `BareNewline`."""
        piece = self._held + piece
        self._held = b""
        if piece.endswith(b"\r"):
            piece, self._held = piece[:-1], b"\r"
        if not piece:
            return b""
        rest = piece.replace(_CRLF, b"")
        if b"\r" in rest or b"\n" in rest:
            raise BareNewline
        stuffed = piece.replace(b"\r\n.", b"\r\n..")
        if self._begins_line and piece.startswith(b"."):
            stuffed = b"." + stuffed
        self._begins_line = piece.endswith(_CRLF)
        return stuffed

    def end(self) -> bytes:
        """What ends the message; its last line is ended too, where that was not done. Raises `BareNewline`."""
        if self._held:
            raise BareNewline
        return b".\r\n" if self._begins_line else b"\r\n.\r\n"
