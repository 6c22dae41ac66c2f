"""A message with 8-bit text, converted for a server that takes none (RFC 6152 section 3).

Each body that holds what such a server does not take is given another transfer encoding, and nothing else is changed:
not what is signed or encrypted, no body that can go as it is. What of a multipart is no part, before its first
delimiter and behind its last, means nothing: octets above 127 become `?` there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from io import BytesIO

from mailbox_d.errors import MailError, UnknownEncoding
from mailbox_d.mime.decode import OCTETS_A_READ, Read, decoded
from mailbox_d.mime.fields import split_fields
from mailbox_d.mime.parameters import PLAIN_TEXT, content_type
from mailbox_d.mime.scanner import StructureScanner
from mailbox_d.mime.structure import MimeLimits, Part
from mailbox_d.mime.transfer_encoding import Base64, BodyCensus, Encoder, QuotedPrintable


class NotConvertible(MailError):
    """A message that cannot be made 7-bit without a loss. `status`: the enhanced status code (RFC 3463, RFC 6531)."""

    def __init__(self, public: str, status: str = "5.6.3") -> None:
        super().__init__(public)
        self.status = status


def converted(octets: int, read: Read, limits: MimeLimits | None = None) -> Iterator[bytes]:
    """The message of so many octets in 7 bits, in pieces. Raises `NotConvertible`, before anything is told.

    Between two pieces no more than 64 KiB are read, so that others may have their turn; empty ones come while the
    message is looked at.
    """
    limits = limits or MimeLimits()
    scanner = StructureScanner(limits)
    for place in range(0, octets, OCTETS_A_READ):
        scanner.feed(read(place, min(OCTETS_A_READ, octets - place)))
        yield b""
    changes = yield from _changes(scanner.finish(), read, limits)
    place = 0
    for change in changes:
        yield from _unchanged(place, change.part.header_start, read)
        yield change.header
        place = change.part.body_start
        if change.encoder is not None:
            yield from _encoded(change.part, change.encoder, read)
            place = change.part.body_end
            if place == octets and isinstance(change.encoder, Base64):
                yield b"\r\n"
    yield from _unchanged(place, octets, read)


@dataclass(frozen=True, slots=True)
class _Change:
    """A part with another header, and with its body in another encoding if there is an encoder."""

    part: Part
    header: bytes
    encoder: Encoder | None = None


_WANTED = {b"content-type": "content_type", b"content-transfer-encoding": "encoding", b"mime-version": "version"}
_ENCODING = b"content-transfer-encoding"
_UNENCODED = (b"8bit", b"binary")
_SEALED = (b"signed", b"encrypted")
_TABLE = bytes(octet if octet < 128 else ord("?") for octet in range(256))
_UNREADABLE_PER_TEXT = 6
"""Text of which every sixth octet is above 127 is shorter in base64."""


def _changes(message: Part, read: Read, limits: MimeLimits) -> Generator[bytes, None, list[_Change]]:
    """What is to be changed, in the order of the message; nothing is told but empty pieces."""
    changes: list[_Change] = []
    headers = parts = 0
    waiting = [message]
    while waiting:
        part = waiting.pop()
        headers += part.body_start - part.header_start
        parts += 1
        header = _header(part, read, limits)
        within = () if _is_sealed(part) else part.children or ((part.message,) if part.message else ())
        census = BodyCensus() if within else (yield from _census(part, read))
        if not within and _is_unfit(part, census):
            changes.append(_encode(part, header, census))
        elif part.encoding in _UNENCODED:
            changes.append(_Change(part, _with_encoding(header, b"7bit")))
        waiting.extend(reversed(within))
    if changes and (headers > limits.headers_kept or parts >= limits.parts):
        raise NotConvertible("The message has 8-bit text and too many parts to be converted")
    return changes


def _header(part: Part, read: Read, limits: MimeLimits) -> bytes:
    """A part's header, whole: one that is too long was not understood."""
    length = part.body_start - part.header_start
    if length > limits.header_kept:
        raise NotConvertible("The message has 8-bit text and a header that is too long to be converted")
    header = read(part.header_start, length)
    if not header.isascii():
        raise NotConvertible("The message has 8-bit text in a header", "5.6.7")
    return header


def _is_sealed(part: Part) -> bool:
    """Whether somebody would find out that a part within was changed (RFC 1847)."""
    return part.is_multipart and part.subtype in _SEALED


def _census(part: Part, read: Read) -> Generator[bytes, None, BodyCensus]:
    census = BodyCensus()
    for place in range(part.body_start, part.body_end, OCTETS_A_READ):
        census.feed(read(place, min(OCTETS_A_READ, part.body_end - place)))
        yield b""
    census.finish()
    return census


def _is_unfit(part: Part, census: BodyCensus) -> bool:
    """Whether a body must not go as it is; of what is sealed, lines too long are its author's affair."""
    return not census.is_seven_bit and not (_is_sealed(part) and not census.eight_bit)


def _encode(part: Part, header: bytes, census: BodyCensus) -> _Change:
    """Choose an encoding for a body. Raises `NotConvertible` where a part may have none (RFC 2046 section 5.2)."""
    if _is_sealed(part):
        raise NotConvertible("The message has 8-bit text that is signed or encrypted")
    values = split_fields(header, _WANTED)
    told = content_type(values["content_type"], 100) if "content_type" in values else PLAIN_TEXT
    if (part.type, part.subtype) != told[:2]:
        raise NotConvertible("The message has 8-bit text in a part that cannot be understood")
    if part.type == b"message" and part.subtype != b"global":
        raise NotConvertible("The message has 8-bit text in a part that may not be encoded")
    try:
        decoded(part, _nothing)
    except UnknownEncoding:
        raise NotConvertible("The message has 8-bit text in an encoding that is not known") from None
    encoder = _encoder(part, census)
    missing = [b"MIME-Version: 1.0\r\n"] if part.envelope is not None and "version" not in values else []
    if "content_type" not in values:
        missing.append(b"Content-Type: text/plain; charset=unknown-8bit\r\n")  # RFC 1428 section 3
    return _Change(part, _with_encoding(header, encoder.name, b"".join(missing)), encoder)


def _nothing(place: int, length: int) -> bytes:
    return b""


def _encoder(part: Part, census: BodyCensus) -> Encoder:
    is_text = part.type == b"text" and part.encoding not in (b"base64", b"quoted-printable")
    if is_text and census.is_lines and census.eight_bit * _UNREADABLE_PER_TEXT <= census.octets:
        return QuotedPrintable()
    return Base64()


def _with_encoding(header: bytes, name: bytes, missing: bytes = b"") -> bytes:
    """The header with this transfer encoding where it had one, or with it and what else is missing at its end."""
    field = b"Content-Transfer-Encoding: %s\r\n" % name
    kept: list[bytes] = []
    replaced = dropping = False
    for line in BytesIO(header):  # a line ends with LF, as for those who read the structure
        if line[:1] not in (b" ", b"\t"):
            dropping = line.partition(b":")[0].rstrip(b" \t").lower() == _ENCODING
            if dropping and not replaced:
                kept.append(field)
                replaced = True
        if not dropping:
            kept.append(line)
    if not replaced:
        missing += field
    end = len(kept) - 1 if kept and kept[-1] in (b"\r\n", b"\n") else len(kept)
    kept.insert(end, missing)
    return b"".join(kept)


def _encoded(part: Part, encoder: Encoder, read: Read) -> Iterator[bytes]:
    for piece in decoded(part, read):
        yield encoder.feed(piece)
    yield encoder.finish()


def _unchanged(start: int, end: int, read: Read) -> Iterator[bytes]:
    for place in range(start, end, OCTETS_A_READ):
        yield read(place, min(OCTETS_A_READ, end - place)).translate(_TABLE)
