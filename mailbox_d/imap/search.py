"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4): what the view itself can answer."""

from __future__ import annotations

from mailbox_d.imap.errors import NotServed
from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.view import RECENT, View
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.imap.search import (
    All,
    And,
    Before,
    Body,
    HasFlag,
    Header,
    Larger,
    Not,
    Numbers,
    On,
    Or,
    SearchKey,
    Smaller,
    Text,
    Uids,
)
from mailbox_d.wire.imap.sequence import SequenceSet


async def search(session: IMAPSession, command: commands.Search) -> Completion:
    """Tell which messages match, by sequence number or UID, in ascending order."""
    view = session.selected
    found = sorted(matching(command.key, view, set(range(len(view.uids)))))
    numbers = [view.uids[index] for index in found] if command.by_uid else [index + 1 for index in found]
    session.connection.send(responses.search(numbers))
    return Completion(Condition.OK, "SEARCH completed")


def matching(key: SearchKey, view: View, among: set[int]) -> set[int]:
    """Which of the messages at the indexes `among` match. Recurs no deeper than the grammar lets keys nest.

    Raises `NotServed`, and `BadSyntax` for sequence numbers that no message has.
    """
    match key:
        case All():
            return among
        case Not(inner):
            return among - matching(inner, view, among)
        case Or(first, second):
            either = matching(first, view, among)
            return either | matching(second, view, among - either)
        case And(keys):
            for inner in keys:
                among = matching(inner, view, among)
            return among
        case Numbers(numbers):
            return among & _indexes(view, numbers, by_uid=False)
        case Uids(numbers):
            return among & _indexes(view, numbers, by_uid=True)
        case HasFlag(flag):
            return _with_flag(view, flag, among)
        case Larger(octets):
            return {index for index in among if view.sizes[view.uids[index]] > octets}
        case Smaller(octets):
            return {index for index in among if view.sizes[view.uids[index]] < octets}
        case Before() | On() | Header() | Body() | Text():
            raise NotServed("Searching by dates and text is not served yet")


def _with_flag(view: View, flag: str, among: set[int]) -> set[int]:
    """Keywords are compared without case (RFC 9051 section 2.3.2)."""
    if flag == RECENT:
        return {index for index in among if view.uids[index] in view.recent}
    wanted = flag.lower()
    having = {flags for flags in set(view.flags.values()) if any(wanted == each.lower() for each in flags)}
    return {index for index in among if view.flags[view.uids[index]] in having}


def _indexes(view: View, numbers: SequenceSet, *, by_uid: bool) -> set[int]:
    return {index for found in view.chosen(numbers, by_uid=by_uid) for index in found}
