"""xtext (RFC 3461 section 4) and its like for internationalized addresses (RFC 6533 section 3).

What a peer wrote in them ends up in reports and logs, so what it decodes to must be printable.
"""

from __future__ import annotations

import re

_XTEXT = re.compile(r"(?>(?:[!-*,-<>-~]|\+[0-9A-F]{2})*)")
_ESCAPED_OCTET = re.compile(rb"\+([0-9A-F]{2})")
_UNITEXT = re.compile(r"(?>(?:[!-*,-<>-\[\]-~\x80-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})*)")
_ESCAPED_POINT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_LAST_POINT = 0x10FFFF


def decode_xtext(text: str) -> str:
    """What xtext says: printable text, blanks included. Raises `ValueError`."""
    if not _XTEXT.fullmatch(text):
        raise ValueError("this is no xtext")
    octets = _ESCAPED_OCTET.sub(lambda escaped: bytes.fromhex(escaped[1].decode()), text.encode())
    decoded = octets.decode("utf-8")
    if not decoded.isprintable():
        raise ValueError("xtext stands for what cannot be printed")
    return decoded


def decode_unitext(text: str) -> str:
    r"""What utf-8-addr-unitext says, or utf-8-addr-xtext, where all beyond ASCII is `\x{…}`. Raises `ValueError`."""
    if not _UNITEXT.fullmatch(text):
        raise ValueError("this is no address in Unicode's xtext")
    points = [int(point, 16) for point in _ESCAPED_POINT.findall(text)]
    if any(point > _LAST_POINT for point in points):
        raise ValueError("there is no such character")
    decoded = _ESCAPED_POINT.sub(lambda escaped: chr(int(escaped[1], 16)), text)
    if not decoded.isprintable():
        raise ValueError("an address stands for what cannot be printed")
    return decoded


def as_seven_bit(unitext: str) -> str:
    """The same text as utf-8-addr-xtext, which every peer can be told."""
    return _BEYOND_ASCII.sub(lambda character: rf"\x{{{ord(character[0]):X}}}", unitext)
