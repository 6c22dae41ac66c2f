"""YAML as data alone: plain values, and the line and column of every one of them.

PyYAML's safe loader (libyaml where it was built with it) delivers events, and the values are put together here, so
that limits hold before memory is spent and nothing can be constructed but text, numbers, truth values, null, lists
and mappings with text keys. What would make a file mean something else than it seems to say is a fault with a place:
duplicate keys, aliases and anchors, tags, tabs in the indentation, keys that YAML 1.1 takes for truth values or
numbers (`no:`), and scalars such as `1:30` or `0644` that it takes for numbers of base 60 or 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from mailbox_d.config.faults import ConfigurationError, Fault, KeyPath, Refusal, Unreadable, dotted, shown
from mailbox_d.config.files import read_regular_file

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
"""What a document is made of."""


class Position(NamedTuple):
    """A place in a file, both counted from 1; columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a file may cost before it is refused."""

    size: int = 1 << 20
    """Octets of the file."""
    depth: int = 16
    """Mappings and lists within each other."""
    nodes: int = 200_000
    """Scalars, lists and mappings in all, keys included."""
    faults: int = 100
    """Faults after which reading stops."""


DEFAULT_LIMITS = DocumentLimits()


@dataclass(frozen=True, slots=True)
class Document:
    """A file's plain value and where each part of it stands.

    `faults` is what was found wrong without losing track of the structure; `read_document` never returns any.
    """

    file: str
    value: Plain
    faults: tuple[Fault, ...] = ()
    keys: Mapping[KeyPath, Position] = field(default_factory=dict, repr=False)
    values: Mapping[KeyPath, Position] = field(default_factory=dict, repr=False)
    texts: Mapping[KeyPath, str] = field(default_factory=dict, repr=False)

    def position(self, path: KeyPath) -> Position:
        """Where a key stands (a list's item: the item); for a path that is not there, its nearest ancestor."""
        return self._nearest(self.keys, path)

    def value_position(self, path: KeyPath) -> Position:
        """Where a value begins; for a path that is not there, its nearest ancestor."""
        return self._nearest(self.values, path) if path in self.values else self.position(path)

    def written(self, path: KeyPath) -> str | None:
        """How an unquoted number, truth value or null was written in the file; None for text, lists and mappings."""
        return self.texts.get(path)

    def fault(self, path: KeyPath, problem: str, expected: str = "", *, at_key: bool = False) -> Fault:
        """A fault of the value at a path, or of its key."""
        position = self.position(path) if at_key else self.value_position(path)
        return Fault(self.file, position.line, position.column, dotted(path), problem, expected)

    @staticmethod
    def _nearest(places: Mapping[KeyPath, Position], path: KeyPath) -> Position:
        for length in range(len(path), -1, -1):
            if (place := places.get(path[:length])) is not None:
                return place
        return Position(1, 1)


def read_document(path: Path, limits: DocumentLimits = DEFAULT_LIMITS) -> Document:
    """Read a YAML file. Raises `ConfigurationError` with every fault found, never anything else."""
    document = parse_document(read_text(path, limits), str(path), limits)
    if document.faults:
        raise ConfigurationError(document.faults)
    return document


def read_text(path: Path, limits: DocumentLimits = DEFAULT_LIMITS) -> str:
    """The text of a regular file of UTF-8, at most `limits.size` octets. Raises `ConfigurationError`, `Unreadable`
    where nothing of it can be had."""
    try:
        data = read_regular_file(path, limits.size)
    except Refusal as refusal:
        raise Unreadable([Fault(str(path), 1, 1, "", refusal.problem, "a readable YAML file")]) from None
    if len(data) > limits.size:
        raise _refusal(path, data[: limits.size], f"the file goes on after {limits.size} octets", "a smaller file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(path, data[: error.start], "an octet that is not UTF-8", "text in UTF-8") from None


def _refusal(path: Path, before: bytes, problem: str, expected: str) -> ConfigurationError:
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    return ConfigurationError([Fault(str(path), line, column, "", problem, expected)])


_TAB_INDENT = re.compile(r"^ *+(\t)", re.MULTILINE)
_UNPRINTABLE = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def parse_document(text: str, file: str, limits: DocumentLimits = DEFAULT_LIMITS) -> Document:
    """Compose a text. Faults that leave the structure clear are in the result; others raise `ConfigurationError`."""
    tabs = _characters(text, file, _TAB_INDENT, "a tab in the indentation", "spaces")
    odd = _characters(text, file, _UNPRINTABLE, "a character that cannot be printed", "text in UTF-8")
    if faults := list(islice(chain(tabs, odd), limits.faults)):
        raise ConfigurationError(faults)
    return _Composer(file, limits).compose(text)


def _characters(text: str, file: str, unwanted: re.Pattern[str], problem: str, expected: str) -> Iterator[Fault]:
    """A fault at each place where the pattern's group, or else its match, begins."""
    for found in unwanted.finditer(text):
        at = found.start(unwanted.groups)
        line = text.count("\n", 0, at) + 1
        yield Fault(file, line, at - text.rfind("\n", 0, at), "", problem, expected)


_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: Mapping[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_TRUE = frozenset({"true", "yes", "on"})


_SECRET = "password"
"""The key of values that no fault repeats."""


class _Stop(Exception):
    """Reading ends here; the reason is already among the faults."""


class _Composer:
    """Puts one document together from libyaml's events. Recursion is bounded by `limits.depth`."""

    def __init__(self, file: str, limits: DocumentLimits) -> None:
        self._file = file
        self._limits = limits
        self._nodes = 0
        self._faults: list[Fault] = []
        self._keys: dict[KeyPath, Position] = {}
        self._values: dict[KeyPath, Position] = {}
        self._texts: dict[KeyPath, str] = {}
        self._events: Iterator[Event] = iter(())

    def compose(self, text: str) -> Document:
        self._events = yaml.parse(text, Loader=_LOADER)
        try:
            value = self._document()
        except _Stop:
            raise ConfigurationError(self._faults) from None
        except yaml.MarkedYAMLError as error:
            raise ConfigurationError([*self._faults, _syntax_fault(self._file, error)]) from None
        except yaml.YAMLError:
            unreadable = Fault(self._file, 1, 1, "", "this cannot be read as YAML", "a YAML file in UTF-8")
            raise ConfigurationError([*self._faults, unreadable]) from None
        return Document(self._file, value, tuple(self._faults), self._keys, self._values, self._texts)

    def _document(self) -> Plain:
        value: Plain = None
        begun = False
        for event in self._events:
            if isinstance(event, NodeEvent):
                value = self._node(event, ())
            elif isinstance(event, DocumentStartEvent) and begun:
                self._fault(event, (), "a second document begins here", "one document in the file")
                raise _Stop
            begun = begun or isinstance(event, DocumentStartEvent)
        return value

    def _node(self, event: Event, path: KeyPath) -> Plain:
        self._count(event, path)
        self._values.setdefault(path, _position(event))
        if isinstance(event, ScalarEvent):
            self._refuse_properties(event, path)
            return self._scalar(event, path) if event.implicit[0] else str(event.value)
        if isinstance(event, AliasEvent):
            self._fault(event, path, f"the alias{_said(path, f'*{event.anchor}')} is not allowed", "the value itself")
            return None
        self._refuse_properties(event, path)
        if len(path) >= self._limits.depth:
            self._fault(event, path, f"more than {self._limits.depth} levels within each other", "a flatter file")
            raise _Stop
        return self._sequence(path) if isinstance(event, SequenceStartEvent) else self._mapping(path)

    def _sequence(self, path: KeyPath) -> list[Plain]:
        items: list[Plain] = []
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            item_path = (*path, len(items))
            self._keys.setdefault(item_path, _position(event))
            items.append(self._node(event, item_path))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Plain]:
        entries: dict[str, Plain] = {}
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            key, usable = self._key(event, path)
            value_path = (*path, key)
            if usable and key in entries:
                first = self._keys[value_path].line
                self._fault(event, value_path, f"this key is already on line {first}", "each key once")
            self._keys.setdefault(value_path, _position(event))
            value = self._node(next(self._events), value_path)
            if usable:
                entries.setdefault(key, value)
        return entries

    def _key(self, event: Event, path: KeyPath) -> tuple[str, bool]:
        """The text of a key, and whether it is text to YAML as well."""
        if not isinstance(event, ScalarEvent):
            self._fault(event, path, "a key that is a list, a mapping or an alias", "text as the key")
            raise _Stop
        self._count(event, path)
        self._refuse_properties(event, path)
        text = str(event.value)
        if not event.implicit[0] or (meaning := _meaning(text)) is None:
            return text, True
        problem = f"YAML reads the key{_said(path, shown(text))} as {meaning}"
        self._fault(event, path, problem, "text: put it in quotes")
        return text, False

    def _scalar(self, event: ScalarEvent, path: KeyPath) -> Plain:
        """The value of an unquoted scalar."""
        text = str(event.value)
        kind = _kind(text)
        if kind == "str":
            return text
        self._texts.setdefault(path, text)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in _TRUE
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _DECIMAL.fullmatch(text):
            return float(text)
        problem = f"YAML reads{_said(path, shown(text)) or ' this'} as {_meaning(text)}"
        self._fault(event, path, problem, "a plain decimal number, or text in quotes")
        return None

    def _refuse_properties(self, event: Event, path: KeyPath) -> None:
        if (anchor := getattr(event, "anchor", None)) is not None:
            self._fault(event, path, f"the anchor{_said(path, f'&{anchor}')} is not allowed", "the value alone")
        if (tag := getattr(event, "tag", None)) is not None:
            tag = tag.replace("tag:yaml.org,2002:", "!!")
            self._fault(event, path, f"the tag{_said(path, shown(tag))} is not allowed", "the value alone")

    def _count(self, event: Event, path: KeyPath) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            self._fault(event, path, f"more than {self._limits.nodes} values in the file", "a smaller file")
            raise _Stop

    def _fault(self, event: Event, path: KeyPath, problem: str, expected: str) -> None:
        told = path[: path.index(_SECRET) + 1] if _SECRET in path else path
        self._faults.append(Fault(self._file, *_position(event), dotted(told), problem, expected))
        if len(self._faults) >= self._limits.faults:
            raise _Stop


def _said(path: KeyPath, text: str) -> str:
    """A blank and the text as a fault repeats it; nothing where that may be a password, or a part of one."""
    return "" if _SECRET in path else f" {text}"


def _position(event: Event) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1) if mark is not None else Position(1, 1)


def _kind(text: str) -> str:
    """What YAML 1.1 takes an unquoted scalar for: str, null, bool, int, float, timestamp, merge or value."""
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return tag.rpartition(":")[2]
    return "str"


_MEANINGS = {
    "null": "nothing (null)",
    "bool": "a truth value",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "merge": "a command to merge",
    "value": "a default value",
}


def _meaning(text: str) -> str | None:
    """What YAML 1.1 takes an unquoted scalar for, in words; None for text."""
    return _MEANINGS.get(_kind(text))


_SYNTAX = {
    "mapping values are not allowed": ("a colon where no key can be", "one key a line; text with a colon in quotes"),
    "did not find expected key": (
        "a line that does not fit the lines above it",
        "the same indentation as its siblings",
    ),
    "could not find expected ':'": ("a line without a colon", "key: value"),
    "found character that cannot start": ("a character that no value can begin with", "the text in quotes"),
    "did not find expected ',' or ']'": ("a list that is not closed", '"," or "]"'),
    "did not find expected ',' or '}'": ("a mapping in braces that is not closed", '"," or "}"'),
    "found unexpected end of stream": ("a quote that is not closed", "a closing quote"),
    "found undefined tag handle": ("a tag, which is not allowed", "the value alone"),
    "found unknown escape character": ("a backslash that means nothing in double quotes", "single quotes, or \\\\"),
    "did not find expected '-' indicator": ("a line that does not fit the list above it", '"- " and the item'),
    "did not find expected node content": ("a comma or bracket where a value should be", "a value"),
    "did not find expected <document start>": ("text that belongs to nothing above it", "key: value"),
    "did not find expected alphabetic": ("a * or & that names nothing", "the text in quotes"),
    "mapping keys are not allowed": ("a key where none can be", "one key a line"),
    "found unexpected document indicator": ("a line of --- or ... within quotes", "a closing quote before it"),
    "directive": ("a line that begins with %", "the text in quotes"),
    "YAML document": ("a line that begins with %", "the text in quotes"),
    "block sequence entries are not allowed": ("a list's item where no list can be", "the list on lines of its own"),
}


_UNCLOSED = ("expected ',' or ']'", "expected ',' or '}'", "end of stream")
"""Of these the beginning is told: the end is where libyaml gave up."""


def _syntax_fault(file: str, error: yaml.MarkedYAMLError) -> Fault:
    """libyaml's complaint in our words, at the place where it lost track."""
    unclosed = any(phrase in (error.problem or "") for phrase in _UNCLOSED)
    mark = (error.context_mark if unclosed else None) or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    for phrase, (problem, expected) in _SYNTAX.items():
        if phrase in (error.problem or ""):
            return Fault(file, line, column, "", problem, expected)
    return Fault(file, line, column, "", "this is not YAML", "key: value, indented by spaces")
