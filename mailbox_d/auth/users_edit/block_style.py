"""Cuts of a text for mappings and lists in block style: whole lines come and go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailbox_d.auth.users_edit.changes import CannotEdit
from mailbox_d.auth.users_edit.places import (
    AnyPlace,
    EntryPlace,
    ListPlace,
    MappingPlace,
    column,
    line_end,
    line_start,
    newline_of,
    next_line,
)
from mailbox_d.auth.users_edit.rendering import entry_lines, in_line, scalar
from mailbox_d.config.source import Plain

DEFAULT_WIDTH = 2
"""Spaces of indentation, where the file shows no other."""

_BLANK_OR_COMMENT = re.compile(r"[ ]*(#[^\r\n]*)?")
_REST = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?")


@dataclass(frozen=True, slots=True)
class Cut:
    """What stands between two places of a text becomes something else."""

    start: int
    end: int
    new: str = ""


def add_entry(text: str, root: AnyPlace, mapping: MappingPlace, key: str, value: Plain) -> list[Cut]:
    """Behind the last entry of a mapping that has one, in the style of that one."""
    indent = column(text, mapping.start)
    last = list(mapping.entries.values())[-1]
    if isinstance(last.value, MappingPlace) and last.value.flow and last.value.entries:
        lines = [f"{' ' * indent}{scalar(key)}: {in_line(value)}"]
    else:
        lines = entry_lines(key, value, indent, _width_of(text, mapping) or usual_width(text, root))
    return [_lines_behind(text, end_of_entry(text, last.end, indent), lines)]


def fill_empty(text: str, root: AnyPlace, owner: EntryPlace, key: str, value: Plain) -> list[Cut] | None:
    """The first entry of `owner: {}`, which becomes a block; None where that stands in no line of its own."""
    empty, indent = owner.value, column(text, owner.start)
    begin = line_start(text, owner.start)
    end = line_end(text, empty.end)
    if text[begin : owner.start].strip(" ") or "\n" in text[owner.key.end : end] or "\r" in text[owner.key.end : end]:
        return None
    if not _REST.fullmatch(text, empty.end, end):
        return None
    width = usual_width(text, root)
    blank = len(text[: empty.start]) - len(text[: empty.start].rstrip(" "))
    lines = entry_lines(key, value, indent + width, width)
    return [Cut(empty.start - blank, empty.end), _lines_behind(text, end, lines)]


def append_items(text: str, items: ListPlace, values: Sequence[Plain]) -> list[Cut]:
    """Behind the last item of a list that has one, a line for each."""
    indent = column(text, items.start)
    lines = [f"{' ' * indent}- {in_line(value)}" for value in values]
    return [_lines_behind(text, end_of_entry(text, items.end, indent), lines)]


def remove_lines(text: str, start: int, end: int) -> Cut:
    """All lines of an entry that begins at `start`, comments within it, and those directly above, indented as it is."""
    indent, begin = column(text, start), line_start(text, start)
    if text[begin:start].strip(" "):
        raise CannotEdit("this entry is no line of its own: change it by hand")
    return Cut(_with_comments_above(text, begin, indent), next_line(text, end_of_entry(text, end, indent)))


def remove_item(text: str, items: ListPlace, index: int) -> list[Cut]:
    """An item that is not the only one, with its dash."""
    before = items.items[index - 1].end if index else items.start
    dash = text.find("-", before, items.items[index].start) if index else items.start
    while dash >= 0 and text[line_start(text, dash) : dash].strip(" "):  # a dash in a comment
        dash = text.find("-", dash + 1, items.items[index].start)
    if dash < 0:
        raise CannotEdit("this item is no line of its own: change it by hand")
    return [remove_lines(text, dash, items.items[index].end)]


def put_behind_key(text: str, entry: EntryPlace, new: str) -> list[Cut]:
    """A value on the key's line, in the place of a block below it."""
    colon = text.find(":", entry.key.end, entry.value.start)
    below = line_start(text, entry.value.start)
    if colon < 0 or below <= colon:
        raise CannotEdit("the value of this entry stands where it cannot be replaced: change it by hand")
    end = end_of_entry(text, entry.value.end, column(text, entry.start))
    return [Cut(colon + 1, colon + 1, f" {new}"), Cut(below, next_line(text, end))]


def end_of_entry(text: str, end: int, indent: int) -> int:
    """Where the last line of an entry ends, comments behind it included that are indented deeper than it is."""
    end = line_end(text, end)
    at = end
    while (begin := next_line(text, at)) < len(text):
        at = line_end(text, begin)
        found = _BLANK_OR_COMMENT.fullmatch(text, begin, at)
        if found is None or (found[1] and found.start(1) - begin <= indent):
            break
        end = at if found[1] else end
    return end


def usual_width(text: str, root: AnyPlace) -> int:
    """By how much this file indents."""
    return (_width_of(text, root) if isinstance(root, MappingPlace) else 0) or DEFAULT_WIDTH


def _width_of(text: str, mapping: MappingPlace) -> int:
    """By how much the entries' own entries are indented; 0 where there are none in block style."""
    if mapping.flow:
        return 0
    for entry in mapping.entries.values():
        inner = entry.value
        if isinstance(inner, MappingPlace) and not inner.flow:
            return column(text, inner.start) - column(text, mapping.start)
    return 0


def _lines_behind(text: str, at: int, lines: list[str]) -> Cut:
    """Lines behind the one that ends at `at`."""
    newline = newline_of(text)
    return Cut(at, at, "".join(newline + line for line in lines))


def _with_comments_above(text: str, begin: int, indent: int) -> int:
    while begin > 0:
        above = line_start(text, begin - (2 if text[:begin].endswith("\r\n") else 1))
        line = text[above:begin]
        if not line.startswith(" " * indent + "#"):
            break
        begin = above
    return begin
