"""Which octets of a message a section of FETCH is (RFC 3501 section 6.4.5, RFC 3516 section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.mime.decoded_part import DecodedPart
from mailbox_d.mime.fields import select_fields
from mailbox_d.mime.structure import Part, section
from mailbox_d.wire.imap.fetch import BinarySection, BodySection, Section, SectionText


@dataclass(frozen=True, slots=True)
class Extent:
    """Octets as they stand in the message: the first, and how many."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """A part without its transfer encoding, or some octets of it."""

    part: DecodedPart
    start: int
    size: int


Octets: TypeAlias = bytes | Extent | Decoded

_FIELDS: Final = (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)


class OpenedMessage(Protocol):
    """What has to be known of a message to find a section in it; what costs work is found out when it is asked for."""

    size: int

    def header_size(self) -> int:
        """Octets of the message's own header."""

    def structure(self) -> Part:
        """What it is made of."""

    def read(self, offset: int, length: int) -> bytes:
        """Octets of it."""

    def decoded(self, part: Part) -> DecodedPart:
        """A part without its transfer encoding. Raises `UnknownEncoding`."""


def octets_of(message: OpenedMessage, attribute: BodySection, most_of_a_header: int) -> Octets | None:
    """The octets of a section, None if the message has no such part.

    Fields are chosen among the first `most_of_a_header` octets of a header.
    """
    extent = _extent(message, attribute.section)
    if extent is None:
        return None
    octets: Octets = extent
    if attribute.section.text in _FIELDS:
        header = message.read(extent.start, min(extent.size, most_of_a_header))
        others = attribute.section.text is SectionText.HEADER_FIELDS_NOT
        with PYTHON_WORK:
            octets = select_fields(header, attribute.section.fields, others=others)
    return _partial(octets, attribute.partial)


def binary_octets(message: OpenedMessage, attribute: BinarySection) -> Octets | None:
    """The octets of a part without its transfer encoding. Raises `UnknownEncoding`."""
    part = section(message.structure(), attribute.part)
    if part is None:
        return None
    if not attribute.part:
        return _partial(Extent(0, message.size), attribute.partial)
    decoded = message.decoded(part)
    return _partial(Decoded(decoded, 0, decoded.size), attribute.partial)


def _extent(message: OpenedMessage, wanted: Section) -> Extent | None:
    if not wanted.part:
        return _of_message(message, wanted.text)
    part = section(message.structure(), wanted.part)
    if part is None:
        return None
    if wanted.text is SectionText.ALL:
        return Extent(part.body_start, part.size)
    if wanted.text is SectionText.MIME:
        return Extent(part.header_start, part.body_start - part.header_start)
    inner = part.message
    if inner is None:
        return None
    if wanted.text is SectionText.TEXT:
        return Extent(inner.body_start, inner.size)
    return Extent(inner.header_start, inner.body_start - inner.header_start)


def _of_message(message: OpenedMessage, text: SectionText) -> Extent:
    if text is SectionText.ALL:
        return Extent(0, message.size)
    header = message.header_size()
    return Extent(header, message.size - header) if text is SectionText.TEXT else Extent(0, header)


def _partial(octets: Octets, partial: tuple[int, int] | None) -> Octets:
    """The octets of `<first.count>`; beyond the end there are none."""
    if partial is None:
        return octets
    first, count = partial
    if isinstance(octets, bytes):
        return octets[first : first + count]
    first = min(first, octets.size)
    size = min(count, octets.size - first)
    if isinstance(octets, Extent):
        return Extent(octets.start + first, size)
    return Decoded(octets.part, octets.start + first, size)
