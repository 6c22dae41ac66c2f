"""Mod-sequences in commands (RFC 7162 section 7): parameters of SELECT, modifiers of FETCH and STORE."""

from __future__ import annotations

import re
from typing import Final

from mailbox_d.wire.imap.commands import Resync, SequenceMatch
from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.sequence import SequenceSet, parse_sequence_set

_FETCH_MODIFIERS: Final = re.compile(rb" \((?:CHANGEDSINCE|VANISHED)[^()\"]*+\)\Z", re.IGNORECASE)


def parse_select_parameters(cursor: Cursor) -> tuple[bool, Resync | None]:
    """` (CONDSTORE QRESYNC (…))`, in any order, if it is there (RFC 4466 section 2.1)."""
    condstore, resync = False, None
    if not cursor.accept(b" ("):
        return condstore, resync
    while True:
        match cursor.atom().upper():
            case b"CONDSTORE" if not condstore:
                condstore = True
            case b"QRESYNC" if resync is None:
                cursor.space()
                resync = _resync(cursor)
            case _:
                raise BadSyntax("There is no such SELECT parameter")
        if cursor.accept(b")"):
            return condstore, resync
        cursor.space()


def split_fetch_modifiers(text: bytes, at: int) -> int:
    """Where FETCH's modifiers begin; the end of the text where there are none."""
    found = _FETCH_MODIFIERS.search(text, max(at, text.rfind(b" (")))
    return found.start() if found else len(text)


def parse_fetch_modifiers(cursor: Cursor) -> tuple[int | None, bool]:
    """` (CHANGEDSINCE number VANISHED)`: the number, and whether VANISHED is there (RFC 7162 section 3.2.6)."""
    changed_since, vanished = None, False
    if not cursor.accept(b" ("):
        return changed_since, vanished
    while True:
        match cursor.atom().upper():
            case b"CHANGEDSINCE" if changed_since is None:
                cursor.space()
                changed_since = cursor.mod_sequence()
            case b"VANISHED" if not vanished:
                vanished = True
            case _:
                raise BadSyntax("There is no such FETCH modifier")
        if cursor.accept(b")"):
            return changed_since, vanished
        cursor.space()


def parse_store_modifiers(cursor: Cursor) -> int | None:
    """`(UNCHANGEDSINCE number) `, if it is there (RFC 7162 section 3.1.3)."""
    if not cursor.accept(b"("):
        return None
    if cursor.atom().upper() != b"UNCHANGEDSINCE":
        raise BadSyntax("There is no such STORE modifier")
    cursor.space()
    unchanged_since = cursor.mod_sequence()
    cursor.expect(b")")
    cursor.space()
    return unchanged_since


def _resync(cursor: Cursor) -> Resync:
    cursor.expect(b"(")
    uid_validity = cursor.nz_number()
    cursor.space()
    mod_sequence = cursor.mod_sequence()
    known = match = None
    if cursor.accept(b" "):
        if not cursor.next_is(b"("):
            known = _without_star(parse_sequence_set(cursor))
        if known is None or cursor.accept(b" "):
            match = _sequence_match(cursor)
    cursor.expect(b")")
    return Resync(uid_validity, mod_sequence, known, match)


def _sequence_match(cursor: Cursor) -> SequenceMatch:
    cursor.expect(b"(")
    numbers = parse_sequence_set(cursor)
    cursor.space()
    uids = parse_sequence_set(cursor)
    cursor.expect(b")")
    if not (numbers.ascends() and uids.ascends() and numbers.count() == uids.count()):
        raise BadSyntax("Known numbers and their UIDs are as many, and ascend")
    return SequenceMatch(numbers, uids)


def _without_star(uids: SequenceSet) -> SequenceSet:
    if not uids.has_star():
        return uids
    raise BadSyntax("Known UIDs are written without *")
