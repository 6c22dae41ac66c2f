"""What FETCH asks for (RFC 3501 section 6.4.5, BINARY from RFC 3516): the attributes as values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

from mailbox_d.wire.imap.cursor import Cursor, GrammarLimits, number
from mailbox_d.wire.imap.errors import BadSyntax, TooMuchAsked


class FetchItem(Enum):
    """An attribute that is a name and nothing more; the value is how the response names it."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    INTERNALDATE = b"INTERNALDATE"
    RFC822_SIZE = b"RFC822.SIZE"
    MODSEQ = b"MODSEQ"
    """RFC 7162 section 3.1.4.2."""
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"


class SectionText(Enum):
    """Which part of an entity a section is (RFC 3501 `section-text`)."""

    ALL = b""
    HEADER = b"HEADER"
    HEADER_FIELDS = b"HEADER.FIELDS"
    HEADER_FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


@dataclass(frozen=True, slots=True)
class Section:
    """What stands in the brackets of `BODY[…]`: the numbers of a part, what of it, and names of header fields."""

    part: tuple[int, ...] = ()
    text: SectionText = SectionText.ALL
    fields: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class BodySection:
    """Octets of a message: a section, or part of one.

    `name` is how the response names it where that is not `BODY[section]`: RFC822 and its kin.
    """

    section: Section
    peek: bool = False
    partial: tuple[int, int] | None = None
    """The first octet and the greatest number of octets."""
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class BinarySection:
    """Octets of a part without its transfer encoding (RFC 3516 section 4.2)."""

    part: tuple[int, ...] = ()
    peek: bool = False
    partial: tuple[int, int] | None = None
    """The first octet and the greatest number of octets."""


@dataclass(frozen=True, slots=True)
class BinarySize:
    """How many octets a part has without its transfer encoding (RFC 3516 section 4.2)."""

    part: tuple[int, ...] = ()


FetchAttribute: TypeAlias = FetchItem | BodySection | BinarySection | BinarySize

_NAME = re.compile(rb"[A-Za-z0-9.]++")
_SECTION = re.compile(rb"[A-Za-z0-9.]*+")
_PARTIAL = re.compile(rb"<([0-9]++)\.([0-9]++)>")
_CACHED_LENGTH = 256

_ITEMS: Final = {item.value: item for item in FetchItem}
_FAST = (FetchItem.FLAGS, FetchItem.INTERNALDATE, FetchItem.RFC822_SIZE)
_MACROS: Final[dict[bytes, tuple[FetchAttribute, ...]]] = {
    b"ALL": (*_FAST, FetchItem.ENVELOPE),
    b"FAST": _FAST,
    b"FULL": (*_FAST, FetchItem.ENVELOPE, FetchItem.BODY),
}
_RFC822: Final[dict[bytes, FetchAttribute]] = {
    b"RFC822": BodySection(Section(), name=b"RFC822"),
    b"RFC822.HEADER": BodySection(Section(text=SectionText.HEADER), peek=True, name=b"RFC822.HEADER"),
    b"RFC822.TEXT": BodySection(Section(text=SectionText.TEXT), name=b"RFC822.TEXT"),
}
_SECTION_TEXTS: Final = {text.value: text for text in SectionText}


def parse_fetch_attributes(cursor: Cursor) -> tuple[FetchAttribute, ...]:
    """The attributes up to the end of the command, none twice. Raises `BadSyntax`, `TooMuchAsked`."""
    written = cursor.text[cursor.at :]
    if len(written) > _CACHED_LENGTH or b"\0" in written:
        return _attributes(cursor)
    cursor.at = len(cursor.text)
    return _cached(written, cursor.limits)


@lru_cache(maxsize=512)
def _cached(written: bytes, limits: GrammarLimits) -> tuple[FetchAttribute, ...]:
    cursor = Cursor(written, limits=limits)
    attributes = _attributes(cursor)
    cursor.end()
    return attributes


def _attributes(cursor: Cursor) -> tuple[FetchAttribute, ...]:
    if not cursor.accept(b"("):
        macro = _MACROS.get(cursor.text[cursor.at :].upper())
        if macro is None:
            return (_attribute(cursor),)
        cursor.rest()
        return macro
    attributes = {_attribute(cursor): None}
    while cursor.accept(b" "):
        attributes[_attribute(cursor)] = None
        if len(attributes) > cursor.limits.fetch_attributes:
            raise TooMuchAsked(
                f"At most {cursor.limits.fetch_attributes} attributes at once: ask for some, then others"
            )
    cursor.expect(b")")
    return tuple(attributes)


def _attribute(cursor: Cursor) -> FetchAttribute:
    name = cursor.take(_NAME, "a FETCH attribute").upper()
    if cursor.accept(b"["):
        parse = _BRACKETED.get(name)
        if parse is None:
            raise BadSyntax("This attribute has no sections")
        return parse(cursor)
    attribute = _ITEMS.get(name) or _RFC822.get(name)
    if attribute is None:
        raise BadSyntax("There is no such FETCH attribute")
    return attribute


def _body(peek: bool) -> Callable[[Cursor], FetchAttribute]:
    def parse(cursor: Cursor) -> FetchAttribute:
        section = _section(cursor)
        cursor.expect(b"]")
        return BodySection(section, peek, _partial(cursor))

    return parse


def _binary(peek: bool) -> Callable[[Cursor], FetchAttribute]:
    def parse(cursor: Cursor) -> FetchAttribute:
        part = _binary_part(cursor)
        return BinarySection(part, peek, _partial(cursor))

    return parse


def _binary_size(cursor: Cursor) -> FetchAttribute:
    return BinarySize(_binary_part(cursor))


def _binary_part(cursor: Cursor) -> tuple[int, ...]:
    section = _section(cursor)
    if section.text is not SectionText.ALL:
        raise BadSyntax("BINARY has parts and nothing else")
    cursor.expect(b"]")
    return section.part


_BRACKETED: Final[dict[bytes, Callable[[Cursor], FetchAttribute]]] = {
    b"BODY": _body(peek=False),
    b"BODY.PEEK": _body(peek=True),
    b"BINARY": _binary(peek=False),
    b"BINARY.PEEK": _binary(peek=True),
    b"BINARY.SIZE": _binary_size,
}


def _section(cursor: Cursor) -> Section:
    words = cursor.take(_SECTION, "a section").upper().split(b".")
    depth = next((index for index, word in enumerate(words) if not word.isdigit()), len(words))
    if depth > cursor.limits.section_depth:
        raise BadSyntax("The section lies too deep")
    part = tuple(map(_part_number, words[:depth]))
    text = _SECTION_TEXTS.get(b".".join(words[depth:]))
    if text is None or (depth < len(words) and not text.value and part) or (text is SectionText.MIME and not part):
        raise BadSyntax("There is no such section")
    if text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
        return Section(part, text, _field_names(cursor))
    return Section(part, text)


def _part_number(digits: bytes) -> int:
    value = number(digits)
    if not value:
        raise BadSyntax("Parts are numbered from 1")
    return value


def _field_names(cursor: Cursor) -> tuple[bytes, ...]:
    """RFC 3501 `header-list`."""
    cursor.space()
    cursor.expect(b"(")
    names = [cursor.astring()]
    while cursor.accept(b" "):
        names.append(cursor.astring())
        if len(names) > cursor.limits.field_names:
            raise TooMuchAsked(f"At most {cursor.limits.field_names} header fields at once")
    cursor.expect(b")")
    return tuple(names)


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    if not cursor.next_is(b"<"):
        return None
    match = _PARTIAL.match(cursor.text, cursor.at)
    if match is None:
        raise BadSyntax("Expected <first.count>")
    cursor.at = match.end()
    first, count = number(match[1]), number(match[2])
    if not count:
        raise BadSyntax("A partial fetch is of at least one octet")
    return first, count
