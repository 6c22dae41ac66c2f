"""What SEARCH asks for (RFC 3501 section 6.4.4): keys as a tree of values whose depth has a bound.

The forms of the answer are RFC 4731's, the keys OLDER and YOUNGER RFC 5032's.

The parser keeps a stack of its own and does not recurse. Whoever walks the tree may, as its depth is bounded here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Final, TypeAlias

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.dates import parse_date
from mailbox_d.wire.imap.errors import BadCharset, BadSyntax, TooMuchAsked
from mailbox_d.wire.imap.sequence import SequenceSet, parse_sequence_set


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    """Messages with a flag, `\\Recent` among them, or with a keyword."""

    flag: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """Messages by sequence number."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class Uids:
    """Messages by UID."""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class Larger:
    """Messages of more than so many octets."""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """Messages of fewer than so many octets."""

    octets: int


class Clock(Enum):
    """Which date of a message is meant."""

    INTERNAL = "INTERNALDATE"
    SENT = "Date"


@dataclass(frozen=True, slots=True)
class Before:
    """Messages of an earlier day than this, without regard to time and zone."""

    clock: Clock
    day: date


@dataclass(frozen=True, slots=True)
class On:
    """Messages of this day."""

    clock: Clock
    day: date


@dataclass(frozen=True, slots=True)
class Younger:
    """Messages that came less than so many seconds ago (RFC 5032 section 3)."""

    seconds: int


@dataclass(frozen=True, slots=True)
class ChangedAt:
    """Messages that changed at this change or later (RFC 7162 section 3.1.5)."""

    mod_sequence: int


@dataclass(frozen=True, slots=True)
class Header:
    """Messages with a header field of this name that holds the text; any at all if the text is empty."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """Messages whose body holds the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Messages whose header or body holds the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """Messages that do not match."""

    key: SearchKey


@dataclass(frozen=True, slots=True)
class Or:
    """Messages that match either key."""

    first: SearchKey
    second: SearchKey


@dataclass(frozen=True, slots=True)
class And:
    """Messages that match every key; there are two at least."""

    keys: tuple[SearchKey, ...]


SearchKey: TypeAlias = (
    All
    | HasFlag
    | Numbers
    | Uids
    | Larger
    | Smaller
    | Before
    | On
    | Younger
    | ChangedAt
    | Header
    | Body
    | Text
    | Not
    | Or
    | And
)


class ReturnOption(Enum):
    """What an ESEARCH response may tell (RFC 4731 section 3.1)."""

    MIN = b"MIN"
    MAX = b"MAX"
    COUNT = b"COUNT"
    ALL = b"ALL"


_NAME = re.compile(rb"[A-Za-z]++")
_ENTRY = re.compile(rb"/flags/\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]++", re.IGNORECASE)
_CHARSETS = {b"US-ASCII": "ascii", b"ASCII": "ascii", b"UTF-8": "utf-8", b"UTF8": "utf-8"}


class _Kind(Enum):
    """What is being put together."""

    COMMAND = "command"
    GROUP = "group"
    NOT = "not"
    OR = "or"


_COMPLETE: Final = {_Kind.NOT: 1, _Kind.OR: 2}
"""How many keys complete it, where a number of keys does."""


@dataclass(slots=True)
class _Frame:
    """A key that is not complete yet."""

    kind: _Kind
    keys: list[SearchKey] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return len(self.keys) == _COMPLETE.get(self.kind)

    def key(self) -> SearchKey:
        if self.kind is _Kind.NOT:
            return Not(self.keys[0])
        if self.kind is _Kind.OR:
            return Or(self.keys[0], self.keys[1])
        return self.keys[0] if len(self.keys) == 1 else And(tuple(self.keys))


def parse_return_options(cursor: Cursor) -> frozenset[ReturnOption] | None:
    """`RETURN (…) ` if it is there, else None; with nothing asked for, everything is. Raises `BadSyntax`."""
    if cursor.text[cursor.at : cursor.at + 8].upper() != b"RETURN (":
        return None
    cursor.at += 8
    options: set[ReturnOption] = set()
    while not cursor.accept(b")"):
        if options:
            cursor.space()
        options.add(_return_option(cursor))
    cursor.space()
    return frozenset(options or {ReturnOption.ALL})


def _return_option(cursor: Cursor) -> ReturnOption:
    try:
        return ReturnOption(cursor.atom().upper())
    except ValueError:
        raise BadSyntax("There is no such return option") from None


def parse_search_key(cursor: Cursor) -> SearchKey:
    """`[CHARSET name] key …` up to the command's end, as one key.

    Raises `BadSyntax`, `BadCharset`, `TooMuchAsked`.
    """
    charset = _charset(cursor)
    stack = [_Frame(_Kind.COMMAND)]
    count = 0
    while True:
        if opened := _opened(cursor):
            stack.append(_Frame(opened))
            if len(stack) > cursor.limits.search_depth:
                raise BadSyntax("The search keys nest too deep")
            continue
        count += 1
        if count > cursor.limits.search_keys:
            raise TooMuchAsked(f"At most {cursor.limits.search_keys} search keys at once: search for some, then others")
        _attach(stack, _simple_key(cursor, charset))
        while stack[-1].kind is _Kind.GROUP and cursor.accept(b")"):
            _attach(stack, stack.pop().key())
        if cursor.at_end and len(stack) == 1:
            return stack[0].key()
        cursor.space()


def _opened(cursor: Cursor) -> _Kind | None:
    """What begins here that holds further keys."""
    if cursor.accept(b"("):
        return _Kind.GROUP
    word = cursor.text[cursor.at : cursor.at + 4].upper()
    if word == b"NOT ":
        cursor.at += 4
        return _Kind.NOT
    if word[:3] == b"OR ":
        cursor.at += 3
        return _Kind.OR
    return None


def _attach(stack: list[_Frame], key: SearchKey) -> None:
    """Give a complete key to what holds it, which may complete that in turn."""
    stack[-1].keys.append(key)
    while stack[-1].complete:
        complete = stack.pop()
        stack[-1].keys.append(complete.key())


def _simple_key(cursor: Cursor, charset: str) -> SearchKey:
    if cursor.text[cursor.at : cursor.at + 1] in _SEQUENCE_STARTS:
        return Numbers(parse_sequence_set(cursor))
    name = cursor.take(_NAME, "a search key").upper()
    if key := _PLAIN.get(name):
        return key
    parse = _WITH_ARGUMENT.get(name)
    if parse is None:
        raise BadSyntax("There is no such search key")
    cursor.space()
    return parse(cursor, charset)


def _charset(cursor: Cursor) -> str:
    if cursor.text[cursor.at : cursor.at + 8].upper() != b"CHARSET ":
        return "utf-8"
    if cursor.utf8:
        raise BadSyntax("With UTF8=ACCEPT, SEARCH is in UTF-8 and names no character set")
    cursor.at += 8
    name = _CHARSETS.get(cursor.astring().upper())
    if name is None:
        raise BadCharset("This character set is not known here")
    cursor.space()
    return name


def _text(cursor: Cursor, charset: str) -> str:
    try:
        return cursor.astring().decode(charset)
    except UnicodeDecodeError:
        raise BadSyntax("The text is not in its character set") from None


def _header(cursor: Cursor, charset: str) -> SearchKey:
    name = _text(cursor, "ascii")
    cursor.space()
    return Header(name, _text(cursor, charset))


def _mod_sequence(cursor: Cursor, charset: str) -> SearchKey:
    """Whichever flag is named: a message has one mod-sequence for all of them."""
    if cursor.next_is(b'"'):
        if not _ENTRY.fullmatch(cursor.string()):
            raise BadSyntax("There is no such entry")
        cursor.space()
        if cursor.atom().upper() not in (b"PRIV", b"SHARED", b"ALL"):
            raise BadSyntax("An entry is priv, shared or all")
        cursor.space()
    return ChangedAt(cursor.mod_sequence())


def _field(name: str) -> Callable[[Cursor, str], SearchKey]:
    return lambda cursor, charset: Header(name, _text(cursor, charset))


def _keyword(cursor: Cursor, charset: str) -> SearchKey:
    return HasFlag(cursor.atom().decode("ascii"))


def _unkeyword(cursor: Cursor, charset: str) -> SearchKey:
    return Not(_keyword(cursor, charset))


def _before(clock: Clock) -> Callable[[Cursor, str], SearchKey]:
    return lambda cursor, charset: Before(clock, parse_date(cursor))


def _on(clock: Clock) -> Callable[[Cursor, str], SearchKey]:
    return lambda cursor, charset: On(clock, parse_date(cursor))


def _since(clock: Clock) -> Callable[[Cursor, str], SearchKey]:
    return lambda cursor, charset: Not(Before(clock, parse_date(cursor)))


_SEQUENCE_STARTS = frozenset((b"*", *(b"%d" % digit for digit in range(10))))
_RECENT = HasFlag(r"\Recent")
_PLAIN: Final[dict[bytes, SearchKey]] = {
    b"ALL": All(),
    b"ANSWERED": HasFlag(r"\Answered"),
    b"DELETED": HasFlag(r"\Deleted"),
    b"DRAFT": HasFlag(r"\Draft"),
    b"FLAGGED": HasFlag(r"\Flagged"),
    b"NEW": And((_RECENT, Not(HasFlag(r"\Seen")))),
    b"OLD": Not(_RECENT),
    b"RECENT": _RECENT,
    b"SEEN": HasFlag(r"\Seen"),
    b"UNANSWERED": Not(HasFlag(r"\Answered")),
    b"UNDELETED": Not(HasFlag(r"\Deleted")),
    b"UNDRAFT": Not(HasFlag(r"\Draft")),
    b"UNFLAGGED": Not(HasFlag(r"\Flagged")),
    b"UNSEEN": Not(HasFlag(r"\Seen")),
}
_WITH_ARGUMENT: Final[dict[bytes, Callable[[Cursor, str], SearchKey]]] = {
    b"BCC": _field("Bcc"),
    b"BEFORE": _before(Clock.INTERNAL),
    b"BODY": lambda cursor, charset: Body(_text(cursor, charset)),
    b"CC": _field("Cc"),
    b"FROM": _field("From"),
    b"HEADER": _header,
    b"KEYWORD": _keyword,
    b"LARGER": lambda cursor, charset: Larger(cursor.number()),
    b"OLDER": lambda cursor, charset: Not(Younger(cursor.nz_number())),
    b"MODSEQ": _mod_sequence,
    b"ON": _on(Clock.INTERNAL),
    b"SENTBEFORE": _before(Clock.SENT),
    b"SENTON": _on(Clock.SENT),
    b"SENTSINCE": _since(Clock.SENT),
    b"SINCE": _since(Clock.INTERNAL),
    b"SMALLER": lambda cursor, charset: Smaller(cursor.number()),
    b"SUBJECT": _field("Subject"),
    b"TEXT": lambda cursor, charset: Text(_text(cursor, charset)),
    b"TO": _field("To"),
    b"UID": lambda cursor, charset: Uids(parse_sequence_set(cursor)),
    b"UNKEYWORD": _unkeyword,
    b"YOUNGER": lambda cursor, charset: Younger(cursor.nz_number()),
}
