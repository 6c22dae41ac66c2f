"""Cuts of a text for mappings and lists in flow style: within brackets, on one line or on several."""

from __future__ import annotations

import re

from mailbox_d.auth.users_edit.block_style import Cut, remove_lines
from mailbox_d.auth.users_edit.places import AnyPlace, ListPlace, MappingPlace, Place, line_end, line_start, newline_of

_REST_OF_LINE = re.compile(r"[ \t]*(,?)[ \t]*(?:(?<=[ \t,])#[^\r\n]*)?")
_COMMA_BEHIND = re.compile(r"\s*,[ \t]*")
_COMMA_BEFORE = re.compile(r"\s*,\s*")


def add(text: str, collection: MappingPlace | ListPlace, new: str) -> list[Cut]:
    """Behind the last part of a mapping or list: on a line of its own where that one has one."""
    parts = parts_of(collection)
    if not parts:
        return [Cut(collection.start + 1, collection.start + 1, new)]
    last = parts[-1]
    rest = _own_line(text, last)
    if rest is None or line_end(text, collection.start) == line_end(text, last.start):
        return [Cut(last.end, last.end, f", {new}")]
    margin = " " * (last.start - line_start(text, last.start))
    end = line_end(text, last.end)
    comma, behind = ("", ",") if rest[1] else (",", "")
    return [Cut(last.end, end, f"{comma}{text[last.end : end]}{newline_of(text)}{margin}{new}{behind}")]


def remove(text: str, collection: MappingPlace | ListPlace, index: int) -> list[Cut]:
    """A part with its comma, or with its lines where it has lines of its own."""
    parts = parts_of(collection)
    part = parts[index]
    if _own_line(text, part):
        return [remove_lines(text, part.start, part.end)]
    if comma := _COMMA_BEHIND.match(text, part.end):
        return [Cut(part.start, comma.end())]
    before = parts[index - 1].end if index else part.start
    return [Cut(before if _COMMA_BEFORE.fullmatch(text, before, part.start) else part.start, part.end)]


def parts_of(collection: MappingPlace | ListPlace) -> tuple[AnyPlace, ...]:
    """The entries of a mapping, the items of a list."""
    return collection.items if isinstance(collection, ListPlace) else tuple(collection.entries.values())


def _own_line(text: str, part: Place) -> re.Match[str] | None:
    """The rest of the last line of a part that shares its lines with no other."""
    if text[line_start(text, part.start) : part.start].strip(" "):
        return None
    return _REST_OF_LINE.fullmatch(text, part.end, line_end(text, part.end))
