"""Encoded words in header fields (RFC 2047), read leniently, in work that is linear in the octets."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final

from mailbox_d.mime.charsets import decoder_of

_WORD: Final = re.compile(rb"=\?([!-<>@-~]{1,60}+)\?([BbQq])\?([!->@-~]*+)\?=")


def decoded_words(value: bytes) -> str:
    """A field's value as text: encoded words decoded, blanks between two of them dropped; other octets are UTF-8.

    What cannot be decoded is U+FFFD, a word in an unknown charset is read as ASCII.
    """
    if b"=?" not in value:
        return value.decode("utf-8", "replace")
    return "".join(_decoded(charset, b"".join(pieces)) for charset, pieces in _runs(value))


def _runs(value: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Octets with their charset; words in one charset that follow each other may share a character."""
    run: tuple[str, list[bytes]] = ("utf-8", [])
    after_word = False
    place = 0
    for word in _WORD.finditer(value):
        between = value[place : word.start()]
        place = word.end()
        if between.strip(b" \t") or (between and not after_word):
            yield run
            run = ("utf-8", [between])
        charset = decoder_of(word[1].partition(b"*")[0])
        if not after_word or charset != run[0] or between.strip(b" \t"):
            yield run
            run = (charset, [])
        run[1].append(_content(word[2], word[3]))
        after_word = True
    yield run
    yield "utf-8", [value[place:]]


def _content(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"Qq":
        return binascii.a2b_qp(text, header=True)
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""


def _decoded(charset: str, octets: bytes) -> str:
    return octets.decode(charset, "replace")
