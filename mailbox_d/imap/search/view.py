"""The keys of SEARCH that a session's view can answer, for all its messages at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mailbox_d.imap.search.program import Verdict, bits_of, set_of
from mailbox_d.imap.view import RECENT, View
from mailbox_d.wire.imap.search import All, ChangedAt, HasFlag, Larger, Numbers, SearchKey, Smaller, Uids
from mailbox_d.wire.imap.sequence import SequenceSet

ANSWERED_BY_THE_VIEW: Final = (All, HasFlag, Numbers, Uids, Larger, Smaller, ChangedAt)


def everything(view: View) -> int:
    """The set of all messages."""
    return bits_of(range(len(view.uids)))


def known(keys: Iterable[SearchKey], view: View) -> Mapping[SearchKey, Verdict]:
    """What the view says of these keys. Raises `BadSyntax` for numbers that no message has."""
    found = {key: matching(key, view) for key in keys}
    return {key: Verdict(messages, messages) for key, messages in found.items()}


def effort(key: SearchKey, view: View) -> int:
    """How much is looked at for one of these keys: messages, and the ranges of a sequence set."""
    match key:
        case Numbers(numbers) | Uids(numbers):
            return len(view.uids) + len(numbers.ranges)
        case _:
            return len(view.uids)


def matching(key: SearchKey, view: View) -> int:
    """The set of messages that match one of these keys. Raises `BadSyntax` for numbers that no message has."""
    match key:
        case Numbers(numbers):
            return _numbered(view, numbers, by_uid=False)
        case Uids(numbers):
            return _numbered(view, numbers, by_uid=True)
        case HasFlag(flag):
            return _with_flag(view, flag)
        case Larger(octets):
            return _bits(message.size > octets for message in view.messages.all())
        case ChangedAt(number):
            return _bits(message.mod_sequence >= number for message in view.messages.all())
        case Smaller(octets):
            return _bits(message.size < octets for message in view.messages.all())
        case _:
            return everything(view)


def _with_flag(view: View, flag: str) -> int:
    """Keywords are compared without case (RFC 9051 section 2.3.2)."""
    if flag == RECENT:
        return _bits(uid in view.recent for uid in view.uids)
    wanted = flag.lower()
    flags_of_each = [message.flags for message in view.messages.all()]
    having = {flags for flags in set(flags_of_each) if any(wanted == each.lower() for each in flags)}
    return _bits(flags in having for flags in flags_of_each)


def _numbered(view: View, numbers: SequenceSet, *, by_uid: bool) -> int:
    digits = bytearray(b"0") * len(view.uids)
    for indexes in view.chosen(numbers, by_uid=by_uid):
        digits[indexes.start : indexes.stop] = b"1" * len(indexes)
    return set_of(digits)


def _bits(hits: Iterable[bool]) -> int:
    """A set from one truth value for each message."""
    return set_of(bytes(map(b"01".__getitem__, hits)))
