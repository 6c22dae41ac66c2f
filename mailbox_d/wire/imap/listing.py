"""LIST with its options (RFC 5258 section 6; SPECIAL-USE is RFC 6154's, STATUS RFC 5819's)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.mailbox_names import from_wire
from mailbox_d.wire.imap.status import StatusItem, parse_status_items

T = TypeVar("T")


class ListSelection(Enum):
    """Which mailboxes LIST is to name, of those that match a pattern (RFC 5258 section 3.1, RFC 6154 section 3)."""

    SUBSCRIBED = b"SUBSCRIBED"
    SPECIAL_USE = b"SPECIAL-USE"
    REMOTE = b"REMOTE"
    RECURSIVEMATCH = b"RECURSIVEMATCH"


CRITERIA: Final = frozenset({ListSelection.SUBSCRIBED, ListSelection.SPECIAL_USE})
"""The options by which a mailbox is chosen; the others say something more about the choice."""


class ListReturn(Enum):
    """What LIST is to tell of a mailbox (RFC 5258 section 3.2, RFC 6154 section 3)."""

    SUBSCRIBED = b"SUBSCRIBED"
    CHILDREN = b"CHILDREN"
    SPECIAL_USE = b"SPECIAL-USE"


@dataclass(frozen=True, slots=True)
class List:
    """LIST: the mailboxes whose names match `reference` with any of the patterns behind it."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[ListSelection] = frozenset()
    returns: frozenset[ListReturn] = frozenset()
    status: tuple[StatusItem, ...] = ()
    extended: bool = False
    """Whether it was written in a way that RFC 3501 does not have."""


_SELECTIONS: Final = {option.value: option for option in ListSelection}
_RETURNS: Final = {option.value: option for option in ListReturn}
_STATUS: Final = b"STATUS"


def parse_list(cursor: Cursor) -> List:
    """All behind the verb. Raises `BadSyntax`, `MailboxNameError`."""
    cursor.space()
    selection = _selection(cursor) if cursor.next_is(b"(") else None
    reference = from_wire(cursor.astring(), utf8=cursor.utf8)
    cursor.space()
    several = cursor.next_is(b"(")
    patterns = tuple(_patterns(cursor)) if several else (_pattern(cursor),)
    returns, status = _return_options(cursor) if cursor.accept(b" ") else (None, ())
    extended = several or selection is not None or returns is not None
    return List(reference, patterns, selection or frozenset(), returns or frozenset(), status, extended)


def _pattern(cursor: Cursor) -> str:
    return from_wire(cursor.list_mailbox(), utf8=cursor.utf8)


def _patterns(cursor: Cursor) -> Iterator[str]:
    for count, pattern in enumerate(_in_parentheses(cursor, _pattern), 1):
        if count > cursor.limits.list_patterns:
            raise BadSyntax("Too many patterns")
        yield pattern


def _selection(cursor: Cursor) -> frozenset[ListSelection]:
    """Options in parentheses and the space behind them. RECURSIVEMATCH alone chooses nothing (RFC 5258 section 3.1)."""
    options = frozenset(_in_parentheses(cursor, _option_of(_SELECTIONS), may_be_empty=True))
    cursor.space()
    if ListSelection.RECURSIVEMATCH in options and not options & CRITERIA:
        raise BadSyntax("RECURSIVEMATCH needs another option")
    return options


def _return_options(cursor: Cursor) -> tuple[frozenset[ListReturn], tuple[StatusItem, ...]]:
    if cursor.atom().upper() != b"RETURN":
        raise BadSyntax("Expected RETURN")
    cursor.space()
    status: dict[StatusItem, None] = {}

    def option(cursor: Cursor) -> ListReturn | None:
        name = cursor.atom().upper()
        if name != _STATUS:
            return _known(_RETURNS, name)
        cursor.space()
        status.update(dict.fromkeys(parse_status_items(cursor)))
        return None

    options = frozenset(_in_parentheses(cursor, option, may_be_empty=True))
    return frozenset(each for each in options if each is not None), tuple(status)


def _in_parentheses(cursor: Cursor, parse: Callable[[Cursor], T], *, may_be_empty: bool = False) -> Iterator[T]:
    cursor.expect(b"(")
    if may_be_empty and cursor.accept(b")"):
        return
    yield parse(cursor)
    while cursor.accept(b" "):
        yield parse(cursor)
    cursor.expect(b")")


def _option_of(options: Mapping[bytes, T]) -> Callable[[Cursor], T]:
    return lambda cursor: _known(options, cursor.atom().upper())


def _known(options: Mapping[bytes, T], name: bytes) -> T:
    try:
        return options[name]
    except KeyError:
        raise BadSyntax("There is no such LIST option") from None
