"""From a command's octets to its value: the table of verbs (RFC 3501 section 9, `command`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from mailbox_d.wire.imap.commands import (
    Append,
    Authenticate,
    Capability,
    Check,
    Close,
    Command,
    Copy,
    Create,
    Delete,
    Enable,
    Examine,
    Expunge,
    Fetch,
    Id,
    Idle,
    Login,
    Logout,
    Lsub,
    Move,
    Namespace,
    Noop,
    Rename,
    Resync,
    Search,
    Select,
    StartTls,
    Status,
    Store,
    StoreMode,
    Subscribe,
    Unselect,
    Unsubscribe,
)
from mailbox_d.wire.imap.cursor import DEFAULT_LIMITS, Cursor, GrammarLimits
from mailbox_d.wire.imap.dates import parse_date_time
from mailbox_d.wire.imap.errors import BadSyntax, UnknownCommand
from mailbox_d.wire.imap.fetch import parse_fetch_attributes
from mailbox_d.wire.imap.flags import parse_flag_list, parse_flags
from mailbox_d.wire.imap.listing import parse_list
from mailbox_d.wire.imap.mailbox_names import from_wire, new_from_wire
from mailbox_d.wire.imap.mod_sequences import (
    parse_fetch_modifiers,
    parse_select_parameters,
    parse_store_modifiers,
    split_fetch_modifiers,
)
from mailbox_d.wire.imap.quota import parse_get_quota, parse_get_quota_root, parse_set_quota
from mailbox_d.wire.imap.search import parse_return_options, parse_search_key
from mailbox_d.wire.imap.sequence import SequenceSet, parse_sequence_set
from mailbox_d.wire.imap.status import parse_status_items

Parse: TypeAlias = Callable[[Cursor], Command]

_TAG = re.compile(rb"([^\x00-\x20\x7f-\xff(){%*\"\\+]++)(?: |\Z)")
_VERB = re.compile(rb"[A-Za-z0-9]++")
_USE_ATTRIBUTE = re.compile(rb"\\[^\x00-\x20\x7f-\xff(){%*\"\\\]]++")
_STORE_ATTRIBUTE = re.compile(rb"[+-]?FLAGS(?>(?:\.SILENT)?)", re.IGNORECASE)


def parse_tag(text: bytes) -> tuple[bytes, int]:
    """A command's tag, and where its verb begins. Raises `BadSyntax`."""
    match = _TAG.match(text)
    if match is None:
        raise BadSyntax("A command begins with a tag")
    return match[1], match.end()


def parse_verb(text: bytes, at: int) -> bytes:
    """The verb in capitals, `UID` with what follows it; empty where there is none. Never fails."""
    match = _VERB.match(text, at)
    if match is None:
        return b""
    verb = match[0].upper()
    if verb != b"UID":
        return verb
    second = _VERB.match(text, match.end() + 1)
    return b"UID " + second[0].upper() if second and text.startswith(b" ", match.end()) else verb


def is_verb(verb: bytes) -> bool:
    """Whether there is such a command, as `parse_verb` gives it."""
    return verb in _VERBS


def parse_command(
    text: bytes,
    at: int,
    literals: Sequence[bytes] = (),
    limits: GrammarLimits = DEFAULT_LIMITS,
    *,
    utf8: bool = False,
) -> Command:
    """The command whose verb begins at `at`; `text` has a NUL in place of each literal. `utf8`: see `Cursor`.

    Raises `BadSyntax`, `UnknownCommand`, `BadCharset`, `MailboxNameError`.
    """
    verb = parse_verb(text, at)
    parse = _VERBS.get(verb)
    if parse is None:
        raise UnknownCommand("There is no such command" if verb else "Missing command")
    cursor = Cursor(text, at + len(verb), literals, limits, utf8=utf8)
    command = parse(cursor)
    if cursor.at != len(text):
        cursor.end()
    return command


def _alone(command: Command) -> Parse:
    return lambda cursor: command


def _mailbox(cursor: Cursor) -> str:
    cursor.space()
    return from_wire(cursor.astring(), utf8=cursor.utf8)


def _new_mailbox(cursor: Cursor) -> str:
    cursor.space()
    return new_from_wire(cursor.astring(), utf8=cursor.utf8)


def _named(make: Callable[[str], Command]) -> Parse:
    return lambda cursor: make(_mailbox(cursor))


def _opening(make: Callable[[str, bool, Resync | None], Command]) -> Parse:
    """SELECT and EXAMINE are written alike."""

    def parse(cursor: Cursor) -> Command:
        return make(_mailbox(cursor), *parse_select_parameters(cursor))

    return parse


def _id(cursor: Cursor) -> Command:
    cursor.space()
    if cursor.text[cursor.at :].upper() == b"NIL":
        cursor.rest()
        return Id()
    cursor.expect(b"(")
    fields: list[tuple[bytes, bytes | None]] = []
    while not cursor.accept(b")"):
        if fields:
            cursor.space()
        name = cursor.string()
        cursor.space()
        fields.append((name, cursor.nstring()))
        if len(fields) > cursor.limits.id_pairs:
            raise BadSyntax("Too many fields")
    return Id(tuple(fields))


def _authenticate(cursor: Cursor) -> Command:
    cursor.space()
    mechanism = cursor.atom().decode("ascii").upper()
    return Authenticate(mechanism, cursor.rest() if cursor.accept(b" ") else None)


def _login(cursor: Cursor) -> Command:
    cursor.space()
    user = cursor.astring()
    cursor.space()
    return Login(user, cursor.astring())


def _create(cursor: Cursor) -> Command:
    return Create(_new_mailbox(cursor), () if cursor.at_end else _uses(cursor))


def _uses(cursor: Cursor) -> tuple[bytes, ...]:
    """` (USE (…))`, the one option that CREATE has."""
    cursor.space()
    cursor.expect(b"(")
    if cursor.atom().upper() != b"USE":
        raise BadSyntax("There is no such CREATE option")
    cursor.space()
    cursor.expect(b"(")
    uses: list[bytes] = []
    while not cursor.accept(b")"):
        if uses:
            cursor.space()
        uses.append(cursor.take(_USE_ATTRIBUTE, "an attribute"))
    cursor.expect(b")")
    return tuple(uses)


def _rename(cursor: Cursor) -> Command:
    return Rename(_mailbox(cursor), _new_mailbox(cursor))


def _lsub(cursor: Cursor) -> Command:
    reference = _mailbox(cursor)
    cursor.space()
    return Lsub(reference, from_wire(cursor.list_mailbox(), utf8=cursor.utf8))


def _enable(cursor: Cursor) -> Command:
    names: list[bytes] = []
    while not names or not cursor.at_end:
        cursor.space()
        names.append(cursor.atom().upper())
        if len(names) > cursor.limits.enabled_capabilities:
            raise BadSyntax("Too many capabilities")
    return Enable(tuple(names))


def _status(cursor: Cursor) -> Command:
    mailbox = _mailbox(cursor)
    cursor.space()
    return Status(mailbox, parse_status_items(cursor))


def _append(cursor: Cursor) -> Command:
    mailbox = _mailbox(cursor)
    cursor.space()
    flags: frozenset[str] = frozenset()
    date = None
    if cursor.next_is(b"("):
        flags = parse_flag_list(cursor)
        cursor.space()
    if cursor.next_is(b'"'):
        date = parse_date_time(cursor)
        cursor.space()
    utf8 = cursor.text[cursor.at : cursor.at + 6].upper() == b"UTF8 ("
    cursor.at += 6 if utf8 else 0
    binary = cursor.accept(b"~")
    if not cursor.accept(b"\0") or binary < utf8:
        raise BadSyntax("Expected the message as a literal8" if utf8 else "Expected the message as a literal")
    return Append(mailbox, flags, date, binary, utf8)


def _search(by_uid: bool) -> Parse:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        returns = parse_return_options(cursor)
        return Search(parse_search_key(cursor), by_uid, returns)

    return parse


def _fetch(by_uid: bool) -> Parse:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        numbers = parse_sequence_set(cursor)
        cursor.space()
        text, end = cursor.text, split_fetch_modifiers(cursor.text, cursor.at)
        cursor.text = text[:end]
        attributes = parse_fetch_attributes(cursor)
        cursor.end()
        cursor.text = text
        return Fetch(numbers, attributes, by_uid, *parse_fetch_modifiers(cursor))

    return parse


def _store(by_uid: bool) -> Parse:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        numbers = parse_sequence_set(cursor)
        cursor.space()
        unchanged_since = parse_store_modifiers(cursor)
        mode, dot, _ = cursor.take(_STORE_ATTRIBUTE, "FLAGS, +FLAGS or -FLAGS").upper().partition(b".")
        cursor.space()
        return Store(numbers, StoreMode(mode), parse_flags(cursor), bool(dot), by_uid, unchanged_since)

    return parse


def _transfer(make: Callable[[SequenceSet, str, bool], Command], by_uid: bool) -> Parse:
    """COPY and MOVE are written alike."""

    def parse(cursor: Cursor) -> Command:
        cursor.space()
        return make(parse_sequence_set(cursor), _mailbox(cursor), by_uid)

    return parse


def _uid_expunge(cursor: Cursor) -> Command:
    cursor.space()
    return Expunge(parse_sequence_set(cursor))


_VERBS: Final[dict[bytes, Parse]] = {
    b"APPEND": _append,
    b"AUTHENTICATE": _authenticate,
    b"CAPABILITY": _alone(Capability()),
    b"CHECK": _alone(Check()),
    b"CLOSE": _alone(Close()),
    b"COPY": _transfer(Copy, by_uid=False),
    b"CREATE": _create,
    b"DELETE": _named(Delete),
    b"ENABLE": _enable,
    b"EXAMINE": _opening(Examine),
    b"EXPUNGE": _alone(Expunge()),
    b"FETCH": _fetch(by_uid=False),
    b"GETQUOTA": parse_get_quota,
    b"GETQUOTAROOT": parse_get_quota_root,
    b"ID": _id,
    b"IDLE": _alone(Idle()),
    b"LIST": parse_list,
    b"LOGIN": _login,
    b"LOGOUT": _alone(Logout()),
    b"LSUB": _lsub,
    b"MOVE": _transfer(Move, by_uid=False),
    b"NAMESPACE": _alone(Namespace()),
    b"NOOP": _alone(Noop()),
    b"RENAME": _rename,
    b"SEARCH": _search(by_uid=False),
    b"SELECT": _opening(Select),
    b"SETQUOTA": parse_set_quota,
    b"STARTTLS": _alone(StartTls()),
    b"STATUS": _status,
    b"STORE": _store(by_uid=False),
    b"SUBSCRIBE": _named(Subscribe),
    b"UID COPY": _transfer(Copy, by_uid=True),
    b"UID EXPUNGE": _uid_expunge,
    b"UID FETCH": _fetch(by_uid=True),
    b"UID MOVE": _transfer(Move, by_uid=True),
    b"UID SEARCH": _search(by_uid=True),
    b"UID STORE": _store(by_uid=True),
    b"UNSELECT": _alone(Unselect()),
    b"UNSUBSCRIBE": _named(Unsubscribe),
}
"""Every command that can be read, whether or not it is served."""
