"""From octets on the wire to content: transfer encodings (RFC 2045 section 6) and charsets, leniently, in pieces."""

from __future__ import annotations

import binascii
import codecs
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeAlias

from mailbox_d.errors import UnknownEncoding
from mailbox_d.mime.charsets import decoder_of
from mailbox_d.mime.structure import Part

Read: TypeAlias = Callable[[int, int], bytes]
"""Octets of the message on the wire, by offset and length, as `WireReader.read` gives them."""

OCTETS_A_READ = 64 * 1024
"""Octets that are read at once; also the longest line of quoted-printable that is looked at as one."""

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _ALPHABET)


def decoded(part: Part, read: Read) -> Iterator[bytes]:
    """The body of a part without its transfer encoding, in pieces. Raises `UnknownEncoding` before the first.

    What is no base64 is passed over, padding within it too; what is no quoted-printable stays as it is.
    """
    match part.encoding:
        case b"7bit" | b"8bit" | b"binary":
            return _body(part, read)
        case b"base64":
            return _base64(_body(part, read))
        case b"quoted-printable":
            return _quoted_printable(_body(part, read))
        case _:
            raise UnknownEncoding("The transfer encoding of this part is not known")


_UNMARKED = {"utf-16": "utf-16-be", "utf-32": "utf-32-be"}
"""What text without a byte order mark is (RFC 2781 section 4.3)."""


def decoded_text(part: Part, read: Read) -> Iterator[str]:
    """The text of a part, in pieces; what its charset cannot say is U+FFFD.

    An unknown transfer encoding is taken for none, an unknown charset for UTF-8.
    """
    try:
        pieces = decoded(part, read)
    except UnknownEncoding:
        pieces = _body(part, read)
    charset = decoder_of(dict(part.parameters).get(b"charset", b"us-ascii").strip())
    return _in_charset(pieces, charset)


def _in_charset(pieces: Iterable[bytes], charset: str) -> Iterator[str]:
    """Some of Python's decoders fail in spite of "replace": the rest is then read by one that cannot."""
    decoder = codecs.getincrementaldecoder(charset)("replace")
    for piece, final in chain(((piece, False) for piece in pieces), [(b"", True)]):
        try:
            text = decoder.decode(piece, final)
        except UnicodeError:
            decoder = codecs.getincrementaldecoder(_UNMARKED.get(charset, "ascii"))("replace")
            text = decoder.decode(piece, final)
        yield text


def _body(part: Part, read: Read) -> Iterator[bytes]:
    """The octets of the body, fewer if the message has become shorter."""
    place = part.body_start
    while place < part.body_end:
        piece = read(place, min(OCTETS_A_READ, part.body_end - place))
        if not piece:
            return
        yield piece
        place += len(piece)


def _base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Whole groups of four as they come in; padding ends a group, behind it another text may begin."""
    rest = b""
    for piece in pieces:
        *ended, rest = (rest + piece.translate(None, _NOT_BASE64)).split(b"=")
        whole = len(rest) - len(rest) % 4
        yield b"".join(map(_last_group, ended)) + binascii.a2b_base64(rest[:whole])
        rest = rest[whole:]
    yield _last_group(rest)


def _last_group(text: bytes) -> bytes:
    """The octets of base64 without its padding; six bits alone are no octet."""
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _quoted_printable(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines as they come in; a line that is too long to wait for is cut where nothing is torn."""
    rest = b""
    for piece in pieces:
        data = rest + piece
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > OCTETS_A_READ:
            escape = data.rfind(b"=", len(data) - 3)
            cut = escape if escape >= 0 else len(data)
        yield _lines_decoded(data[:cut])
        rest = data[cut:]
    yield _lines_decoded(rest)


def _lines_decoded(lines: bytes) -> bytes:
    """Blanks at the end of a line were not written by the author (RFC 2045 section 6.7, rule 3)."""
    if b" \r\n" in lines or b"\t\r\n" in lines:
        lines = b"\r\n".join([line.rstrip(b" \t") for line in lines.split(b"\r\n")])
    return binascii.a2b_qp(lines)
