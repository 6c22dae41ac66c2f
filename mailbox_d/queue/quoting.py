"""Strangers' words in a report: made fit for a line, a field or a MIME part, whatever they hold."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from mailbox_d.printable import one_line

QUOTED = 2000
"""Characters that are quoted of one server's reply, or of one field."""

QUOTED_IN_ALL, QUOTED_LEAST = 100_000, 200
"""The same of all replies of a report together; where there are very many, of each at least."""

LINE = 76
"""Characters of a line, as far as words allow."""

LONGEST_WORD = 900
"""Octets of a word in a line."""

LONGEST_LINE = 998
"""Octets of a line without its CRLF (RFC 5322 section 2.1.1)."""

_XTEXT_OCTET = re.compile(rb"\+([0-9A-F]{2})")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


def quoted_of_each(count: int) -> int:
    """Characters that are quoted of each of so many replies."""
    return max(QUOTED_LEAST, min(QUOTED, QUOTED_IN_ALL // max(count, 1)))


def words(text: str, *, ascii_only: bool, most: int = QUOTED) -> str:
    """Text as one line without blanks at its ends or side by side, `most` characters of it; what is not ASCII becomes
    `\\x{HEX}` (RFC 6533 section 3) where that is asked for."""
    line = " ".join(one_line(text, most).split())
    return as_ascii(line) if ascii_only else line


def as_ascii(text: str) -> str:
    """Every other character as `\\x{HEX}`."""
    return text if text.isascii() else "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in text)


def field(name: str, value: str) -> str:
    """A header field, or one of a delivery status: folded, with its CRLF."""
    return "\r\n ".join(fill(f"{name}: {value}")) + "\r\n"


def address_field(name: str, value: str) -> str:
    """A field of one address, which is not folded, as blanks in it count; an address is 254 octets at most."""
    return f"{name}: {value}\r\n"


def fill(text: str, width: int = LINE) -> Iterator[str]:
    """Lines of up to `width` characters, or of one longer word; no line is empty, for that would end a header."""
    line = ""
    for word in _cut_words(text):
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line


def _cut_words(text: str) -> Iterator[str]:
    """Words; one that no line could hold in pieces."""
    for word in text.split():
        if len(word.encode("utf-8", "replace")) <= LONGEST_WORD:
            yield word
        else:
            yield from (word[place : place + LONGEST_WORD // 4] for place in range(0, len(word), LONGEST_WORD // 4))


def decode_xtext(text: str) -> str:
    """What stands behind xtext (RFC 3461 section 4); the text itself where that could not be shown on a line."""
    octets = _XTEXT_OCTET.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode("utf-8", "replace"))
    try:
        decoded = octets.decode()
    except UnicodeDecodeError:
        return text
    return decoded if decoded.isprintable() else text


def is_seven_bit(octets: bytes) -> bool:
    """Whether octets may stand in a MIME part as 7bit (RFC 2045 section 2.7)."""
    return octets.isascii() and is_eight_bit(octets)


def is_eight_bit(octets: bytes) -> bool:
    """Whether octets may stand in a MIME part as 8bit: no NUL, no lone CR or LF, no line that is too long."""
    return _BARE.search(octets) is None and max(map(len, octets.split(b"\r\n"))) <= LONGEST_LINE


def quoted_printable(octets: bytes) -> bytes:
    """Octets with CRLF line ends in quoted-printable (RFC 2045 section 6.7)."""
    lines = octets.split(b"\r\n")
    return b"\r\n".join(binascii.b2a_qp(line, istext=False).replace(b"\n", b"\r\n") for line in lines)
