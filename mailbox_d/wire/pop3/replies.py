"""POP3 responses (RFC 1939 section 3) with response codes (RFC 2449 section 8, RFC 3206)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MAX_REPLY_LINE = 512
"""Octets of a response's first line with its CRLF (RFC 2449 section 4)."""

END: Final = b".\r\n"
"""The last line of a multi-line response."""


def ok(text: str) -> bytes:
    return _line(f"+OK {text}")


def err(text: str, code: str = "") -> bytes:
    """`code` without its brackets, such as `IN-USE`."""
    return _line(f"-ERR [{code}] {text}" if code else f"-ERR {text}")


def challenge(line: bytes) -> bytes:
    """What a SASL exchange asks next, in base64 already (RFC 5034 section 4)."""
    return b"+ " + line + b"\r\n"


def listing(first: bytes, lines: Iterable[bytes]) -> bytes:
    """A short multi-line response, whole. No line begins with a dot."""
    return first + b"".join(line + b"\r\n" for line in lines) + END


def scan_lines(rows: Iterable[tuple[int, int]]) -> bytes:
    """Lines of LIST: a message's number and its octets."""
    return b"".join(b"%d %d\r\n" % row for row in rows)


def unique_id_lines(rows: Iterable[tuple[int, bytes]]) -> bytes:
    """Lines of UIDL: a message's number and its unique id."""
    return b"".join(b"%d %b\r\n" % row for row in rows)


def _line(text: str) -> bytes:
    """One line: whatever is not printable ASCII is replaced, so that nothing quoted can end it early."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(character if " " <= character <= "~" else "?" for character in text)
    return text[: MAX_REPLY_LINE - 2].encode("ascii") + b"\r\n"
