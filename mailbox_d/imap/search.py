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
    HasFlag,
    Larger,
    Not,
    Numbers,
    Or,
    SearchKey,
    Smaller,
    Uids,
)
from mailbox_d.wire.imap.sequence import SequenceSet


async def search(session: IMAPSession, command: commands.Search) -> Completion:
    """Tell which messages match, by sequence number or UID, in ascending order."""
    view = session.selected
    matched = await Search(session).matching(command.key, set(range(len(view.uids))))
    found = sorted(matched)
    numbers = [view.uids[index] for index in found] if command.by_uid else [index + 1 for index in found]
    session.connection.send(responses.search(numbers))
    return Completion(Condition.OK, "SEARCH completed")


class Search:
    """One walk over a tree of keys, which lets other connections have their turn however many keys there are."""

    def __init__(self, session: IMAPSession) -> None:
        self._connection = session.connection
        self._view = session.selected
        self._slice = session.service.limits.messages_a_slice
        self._looked_at = 0

    async def matching(self, key: SearchKey, among: set[int]) -> set[int]:
        """Which of the messages at the indexes `among` match. Recurs no deeper than the grammar lets keys nest.

        Raises `NotServed`, and `BadSyntax` for sequence numbers that no message has.
        """
        match key:
            case Not(inner):
                return among - await self.matching(inner, among)
            case Or(first, second):
                either = await self.matching(first, among)
                return either | await self.matching(second, among - either)
            case And(keys):
                for inner in keys:
                    among = await self.matching(inner, among)
                return among
            case _:
                await self._take_turns(len(among))
                return _matching(key, self._view, among)

    async def _take_turns(self, messages: int) -> None:
        self._looked_at += messages
        if self._looked_at > self._slice:
            self._looked_at = messages
            await self._connection.give_way()


def _matching(key: SearchKey, view: View, among: set[int]) -> set[int]:
    """A key that holds no others."""
    match key:
        case All():
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
        case _:
            raise NotServed("Searching by dates and text is not served yet")


def _with_flag(view: View, flag: str, among: set[int]) -> set[int]:
    """Keywords are compared without case (RFC 9051 section 2.3.2)."""
    if flag == RECENT:
        return {index for index in among if view.uids[index] in view.recent}
    wanted = flag.lower()
    held = set(map(view.flags.__getitem__, map(view.uids.__getitem__, among)))
    having = {flags for flags in held if any(wanted == each.lower() for each in flags)}
    return {index for index in among if view.flags[view.uids[index]] in having}


def _indexes(view: View, numbers: SequenceSet, *, by_uid: bool) -> set[int]:
    return {index for found in view.chosen(numbers, by_uid=by_uid) for index in found}
