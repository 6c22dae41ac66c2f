"""SMTP replies (RFC 5321 section 4.2) with enhanced status codes (RFC 2034, RFC 3463)."""

from __future__ import annotations

from dataclasses import dataclass

MAX_REPLY_LINE = 512
"""Octets of a reply line with its CRLF (RFC 5321 section 4.5.3.1.5)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its code, its enhanced status code (empty where none belongs), its lines of text."""

    code: int
    status: str
    text: str | tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        return self.code < 400

    def encode(self) -> bytes:
        """The reply as it goes over the wire; every line carries the codes."""
        lines = (self.text,) if isinstance(self.text, str) else self.text
        prefix = f"{self.status} " if self.status else ""
        last = len(lines) - 1
        return b"".join(
            _line(f"{self.code}{'-' if number < last else ' '}{prefix}{line}") for number, line in enumerate(lines)
        )


def _line(text: str) -> bytes:
    """One line: whatever is not printable ASCII is replaced, so that nothing quoted can end it early."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(character if " " <= character <= "~" else "?" for character in text)
    return text[: MAX_REPLY_LINE - 2].encode("ascii") + b"\r\n"
