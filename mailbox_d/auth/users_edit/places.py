"""Where each value of a YAML text stands: from which character to which, and in which style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import yaml
from yaml.events import (
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from mailbox_d.auth.users_edit.changes import CannotEdit
from mailbox_d.config.faults import KeyPath

_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Place:
    """From where to where a value's own text goes: comments and line ends behind it are not in it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MappingPlace(Place):
    """A mapping; its entries in their order."""

    flow: bool
    entries: dict[str, EntryPlace]


@dataclass(frozen=True, slots=True)
class ListPlace(Place):
    """A list; its items in their order."""

    flow: bool
    items: tuple[AnyPlace, ...]


@dataclass(frozen=True, slots=True)
class EntryPlace(Place):
    """An entry of a mapping, from the key to the end of the value."""

    key: Place
    value: AnyPlace


AnyPlace: TypeAlias = "Place | MappingPlace | ListPlace"


def find_places(text: str) -> AnyPlace:
    """The place of the text's document. It has been read before, so that it is within limits and has no faults."""
    events: Iterator[Event] = iter(yaml.parse(text, Loader=_LOADER))
    for event in events:
        if isinstance(event, NodeEvent):
            return _node(event, events, text)
    return Place(0, 0)


def place_at(root: AnyPlace, path: KeyPath) -> AnyPlace:
    """The place of the value at a path. Raises `CannotEdit` where there is none."""
    place = root
    for step in path:
        if isinstance(place, MappingPlace) and isinstance(step, str) and step in place.entries:
            place = place.entries[step].value
        elif isinstance(place, ListPlace) and isinstance(step, int) and step < len(place.items):
            place = place.items[step]
        else:
            raise CannotEdit("there is nothing at this place of the file")
    return place


def entry_at(root: AnyPlace, path: KeyPath) -> EntryPlace:
    """The entry of a mapping that a path leads to. Raises `CannotEdit` where there is none."""
    above = place_at(root, path[:-1])
    if not isinstance(above, MappingPlace) or (entry := above.entries.get(str(path[-1]))) is None:
        raise CannotEdit("there is nothing at this place of the file")
    return entry


def _node(event: Event, events: Iterator[Event], text: str) -> AnyPlace:
    if isinstance(event, MappingStartEvent):
        return _mapping(event, events, text)
    if isinstance(event, SequenceStartEvent):
        return _list(event, events, text)
    start, end = _start(event), _end(event)
    if isinstance(event, ScalarEvent) and event.style in ("|", ">"):
        end = start + len(text[start:end].rstrip())
    return Place(start, end)


def _mapping(began: MappingStartEvent, events: Iterator[Event], text: str) -> MappingPlace:
    start = _start(began)
    end, entries = start, dict[str, EntryPlace]()
    for event in events:
        if isinstance(event, MappingEndEvent):
            end = _end(event) if began.flow_style else end
            break
        key = Place(_start(event), _end(event))
        value = _node(next(events), events, text)
        end = max(key.end, value.end)
        entries[str(getattr(event, "value", ""))] = EntryPlace(key.start, end, key, value)
    return MappingPlace(start, end, bool(began.flow_style), entries)


def _list(began: SequenceStartEvent, events: Iterator[Event], text: str) -> ListPlace:
    start = _start(began)
    end, items = start, list[AnyPlace]()
    for event in events:
        if isinstance(event, SequenceEndEvent):
            end = _end(event) if began.flow_style else end
            break
        item = _node(event, events, text)
        end = item.end
        items.append(item)
    return ListPlace(start, end, bool(began.flow_style), tuple(items))


def _start(event: Event) -> int:
    return event.start_mark.index if event.start_mark is not None else 0


def _end(event: Event) -> int:
    return event.end_mark.index if event.end_mark is not None else 0


def line_start(text: str, at: int) -> int:
    """Where the line begins that holds a place."""
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def line_end(text: str, at: int) -> int:
    """Where the line that holds a place ends, before its line end."""
    found = _LINE_END.search(text, at)
    return found.start() if found else len(text)


def next_line(text: str, at: int) -> int:
    """Where the line begins behind the one that holds a place; the text's end where there is none."""
    found = _LINE_END.search(text, at)
    return found.end() if found else len(text)


def column(text: str, at: int) -> int:
    """How far from the line's beginning a place is, in characters."""
    return at - line_start(text, at)


def newline_of(text: str) -> str:
    """How lines of this text end: as its first one does."""
    found = _LINE_END.search(text)
    return found[0] if found else "\n"
