"""Flags (RFC 3501 section 2.3.2): reading them from commands."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax, TooMuchAsked

SYSTEM_FLAGS: Final = MappingProxyType(
    {flag.lower().encode("ascii"): flag for flag in (r"\Answered", r"\Flagged", r"\Deleted", r"\Seen", r"\Draft")}
)
"""By their names in lower case: how they are written. `\\Recent` is not for clients to set."""


def parse_flag(cursor: Cursor) -> str:
    """A system flag in its usual spelling, or a keyword as it was written. Raises `BadSyntax`."""
    if not cursor.accept(b"\\"):
        return cursor.atom().decode("ascii")
    name = b"\\" + cursor.atom()
    try:
        return SYSTEM_FLAGS[name.lower()]
    except KeyError:
        raise BadSyntax("There is no such system flag") from None


def parse_flag_list(cursor: Cursor) -> frozenset[str]:
    """`(` flags `)`, possibly none. Raises `BadSyntax`, `TooMuchAsked`."""
    cursor.expect(b"(")
    flags: list[str] = []
    while not cursor.accept(b")"):
        if flags:
            cursor.space()
        _take_flag(cursor, flags)
    return frozenset(flags)


def parse_flags(cursor: Cursor) -> frozenset[str]:
    """A flag list, or flags without parentheses up to the end of the command (RFC 3501 `store-att-flags`)."""
    if cursor.next_is(b"("):
        return parse_flag_list(cursor)
    flags = [parse_flag(cursor)]
    while cursor.accept(b" "):
        _take_flag(cursor, flags)
    return frozenset(flags)


def _take_flag(cursor: Cursor, flags: list[str]) -> None:
    flags.append(parse_flag(cursor))
    if len(flags) > cursor.limits.flags:
        raise TooMuchAsked(f"At most {cursor.limits.flags} flags at once")
