"""From octets on the wire to content: transfer encodings (RFC 2045 section 6) and charsets, leniently, in pieces."""

from __future__ import annotations

import binascii
import codecs
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from mailbox_d.errors import UnknownEncoding
from mailbox_d.mime.charsets import decoder_of
from mailbox_d.mime.structure import Part

Read: TypeAlias = Callable[[int, int], bytes]
"""Octets of the message on the wire, by offset and length, as `WireReader.read` gives them."""

OCTETS_A_READ = 64 * 1024
"""Octets that are read at once; also the longest line of quoted-printable that is looked at as one."""

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _ALPHABET)


class Mark(NamedTuple):
    """A place within a part's body from which it can be decoded on: offsets are octets."""

    place: int
    """What is to be read next, in the message."""
    done: int = 0
    """Decoded octets before it."""
    rest: bytes = b""
    """What was read before it and is not decoded yet."""


def decoded(part: Part, read: Read) -> Iterator[bytes]:
    """The body of a part without its transfer encoding, in pieces. Raises `UnknownEncoding` before the first.

    What is no base64 is passed over, padding within it too; what is no quoted-printable stays as it is.
    """
    return (piece for piece, _ in decoded_from(Mark(part.body_start), part, read))


def decoded_from(mark: Mark, part: Part, read: Read) -> Iterator[tuple[bytes, Mark]]:
    """As `decoded`, from a mark on, and with each piece the mark behind it."""
    decoding = _DECODINGS.get(part.encoding)
    if decoding is None:
        raise UnknownEncoding("The transfer encoding of this part is not known")
    return _decoded(decoding, mark, part.body_end, read)


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
    return (piece for piece, _ in _decoded(_IDENTITY, Mark(part.body_start), part.body_end, read))


_Step: TypeAlias = Callable[[bytes], tuple[bytes, bytes]]
"""From octets that go on: what they are decoded, and the rest of them, to be seen again with what follows."""
_Last: TypeAlias = Callable[[bytes], bytes]
"""What a rest is, decoded, that nothing follows."""


def _decoded(decoding: tuple[_Step, _Last], mark: Mark, end: int, read: Read) -> Iterator[tuple[bytes, Mark]]:
    """What lies between a mark and the end; less if the message has become shorter."""
    step, last = decoding
    place, done, rest = mark.place, mark.done, mark.rest
    while place < end:
        data = read(place, min(OCTETS_A_READ, end - place))
        if not data:
            break
        place += len(data)
        piece, rest = step(rest + data)
        done += len(piece)
        yield piece, Mark(place, done, rest)
    if rest:
        piece = last(rest)
        yield piece, Mark(place, done + len(piece))


def _as_it_is(data: bytes) -> tuple[bytes, bytes]:
    return data, b""


def _base64(data: bytes) -> tuple[bytes, bytes]:
    """Whole groups of four as they come in; padding ends a group, behind it another text may begin."""
    *ended, rest = data.translate(None, _NOT_BASE64).split(b"=")
    whole = len(rest) - len(rest) % 4
    return b"".join(map(_last_group, ended)) + binascii.a2b_base64(rest[:whole]), rest[whole:]


def _last_group(text: bytes) -> bytes:
    """The octets of base64 without its padding; six bits alone are no octet."""
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _quoted_printable(data: bytes) -> tuple[bytes, bytes]:
    """Whole lines as they come in; a line that is too long to wait for is cut where nothing is torn."""
    cut = data.rfind(b"\n") + 1
    if len(data) - cut > OCTETS_A_READ:
        escape = data.rfind(b"=", len(data) - 3)
        cut = escape if escape >= 0 else len(data)
    return _lines_decoded(data[:cut]), data[cut:]


def _lines_decoded(lines: bytes) -> bytes:
    """Blanks at the end of a line were not written by the author (RFC 2045 section 6.7, rule 3)."""
    if b" \r\n" in lines or b"\t\r\n" in lines:
        lines = b"\r\n".join([line.rstrip(b" \t") for line in lines.split(b"\r\n")])
    return binascii.a2b_qp(lines)


_IDENTITY: Final = (_as_it_is, bytes)
_DECODINGS: Final[dict[bytes, tuple[_Step, _Last]]] = {
    b"7bit": _IDENTITY,
    b"8bit": _IDENTITY,
    b"binary": _IDENTITY,
    b"base64": (_base64, _last_group),
    b"quoted-printable": (_quoted_printable, _lines_decoded),
}
