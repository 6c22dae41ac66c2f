"""Modified UTF-7, in which IMAP and Maildir++ write mailbox names (RFC 3501 section 5.1.3).

Every name has exactly one form here: what is not in that form is refused, so two spellings of one name, or of a
character that means something to a file system, can never pass a check as different names.
"""

from __future__ import annotations

import binascii
import re

_TO_ENCODE = re.compile(r"[^\x20-\x7e]++|&")
_SHIFTED = re.compile(r"&([^-]*+)-")
_DIRECT = re.compile(rb"[\x20-\x7e]*+")


def encode(name: str) -> bytes:
    """A name as modified UTF-7. Raises `ValueError` for a lone surrogate."""
    if name.isascii() and name.isprintable() and "&" not in name:
        return name.encode("ascii")
    return _TO_ENCODE.sub(_shift, name).encode("ascii")


def decode(data: bytes) -> str:
    """A name from modified UTF-7. Raises `ValueError` for 8-bit octets, controls and forms `encode` does not give."""
    if not _DIRECT.fullmatch(data):
        raise ValueError("A name in modified UTF-7 is printable ASCII")
    text = data.decode("ascii")
    if "&" not in text:
        return text
    name = _SHIFTED.sub(_unshift, text)
    if encode(name) != data:
        raise ValueError("This is not the one modified UTF-7 form of a name")
    return name


def _shift(match: re.Match[str]) -> str:
    if match[0] == "&":
        return "&-"
    octets = match[0].encode("utf-16-be")
    return f"&{binascii.b2a_base64(octets, newline=False).decode('ascii').rstrip('=').replace('/', ',')}-"


def _unshift(match: re.Match[str]) -> str:
    shifted = match[1]
    if not shifted:
        return "&"
    padding = "=" * (-len(shifted) % 4)
    octets = binascii.a2b_base64(shifted.replace(",", "/") + padding)
    return octets.decode("utf-16-be")
