"""What FETCH tells of a small message's header and structure, in one go: for many messages that are asked for at once.

It tells what `contents.OpenMessage` tells, and remembers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailbox_d.imap.fetch.bodystructure import bodystructure
from mailbox_d.imap.fetch.envelope import envelope
from mailbox_d.mime.fields import select_fields
from mailbox_d.mime.scanner import scan_whole
from mailbox_d.mime.structure import MimeLimits, Part
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.fetch import BodySection, FetchAttribute, FetchItem, Section, SectionText

END_OF_HEADER = re.compile(rb"\n\r?\n")

_STRUCTURES = (FetchItem.BODY, FetchItem.BODYSTRUCTURE)
_FIELDS = (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)


class Glance:
    """Attributes of which all are about the structure, or the message's own header."""

    def __init__(self, attributes: Sequence[FetchAttribute], limits: MimeLimits) -> None:
        """Raises `ValueError` for any other."""
        if not all(map(_is_of_header_or_structure, attributes)):
            raise ValueError
        self._limits = limits
        self._of_all = any(attribute in _STRUCTURES for attribute in attributes)
        self._wanted = [
            (responses.section_name(each), each.section) if isinstance(each, BodySection) else each
            for each in attributes
        ]

    def of(self, octets: bytes, most: int) -> bytes | None:
        """What they are of a message, with a space between two; None if that is more than `most` octets."""
        part: Part | None = None
        told: list[bytes] = []
        for wanted in self._wanted:
            if isinstance(wanted, tuple):
                told.append(self._section(octets, *wanted))
            else:
                part = part or scan_whole(octets if self._of_all else _header(octets), self._limits)
                told.append(_of_part(part, wanted))
            most -= len(told[-1])
            if most < 0:
                return None
        return b" ".join(told)

    def _section(self, octets: bytes, name: bytes, section: Section) -> bytes:
        header = _header(octets)
        if section.text in _FIELDS:
            others = section.text is SectionText.HEADER_FIELDS_NOT
            header = select_fields(header[: self._limits.header], section.fields, others=others)
        return b"%b %b%b" % (name, responses.literal_start(len(header)), header)


def _is_of_header_or_structure(attribute: FetchAttribute) -> bool:
    if isinstance(attribute, BodySection):
        section = attribute.section
        is_header = section.text is SectionText.HEADER or section.text in _FIELDS
        return is_header and not section.part and attribute.partial is None
    return attribute is FetchItem.ENVELOPE or attribute in _STRUCTURES


def _of_part(part: Part, attribute: FetchAttribute) -> bytes:
    if attribute is FetchItem.ENVELOPE:
        return b"ENVELOPE " + envelope(part.envelope)
    if attribute is FetchItem.BODYSTRUCTURE:
        return b"BODYSTRUCTURE " + bodystructure(part, extended=True)
    return b"BODY " + bodystructure(part, extended=False)


def _header(octets: bytes) -> bytes:
    """The header with the empty line that ends it; all of the message if there is none."""
    if octets[:1] == b"\n" or octets[:2] == b"\r\n":
        return octets[: octets.index(b"\n") + 1]
    found = END_OF_HEADER.search(octets)
    return octets if found is None else octets[: found.end()]
