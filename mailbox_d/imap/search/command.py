"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4, RFC 4731, RFC 5032).

What the view knows is decided for all messages at once; where they are many, in the lane. What is left over is looked
up there message by message, in turns; between two turns others have theirs, and a client that is gone ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from mailbox_d.imap.condstore import want_mod_sequences
from mailbox_d.imap.failures import MessageFailures
from mailbox_d.imap.search import view as search_view
from mailbox_d.imap.search.content import ContentSearch
from mailbox_d.imap.search.keeping import Keeping
from mailbox_d.imap.search.program import (
    Operator,
    Program,
    Verdict,
    asks_for,
    evaluate,
    indexes_of,
    program_of,
    set_of,
)
from mailbox_d.imap.search.record import name_of
from mailbox_d.imap.search.recorded import RecordedSearch
from mailbox_d.imap.search.response import response
from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.view import View
from mailbox_d.wire.imap import commands
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.imap.search import ChangedAt, SearchKey

_MESSAGES_A_TURN: Final = 1000
_A_KEY: Final = 25
"""Messages that are looked at in the time in which a key's text is folded."""
_AT_ONCE: Final = 64
"""Messages of a set that an operator joins in the time in which a key looks at one."""

T = TypeVar("T")


async def search(session: IMAPSession, command: commands.Search) -> Completion:
    """Tell which messages match, by sequence number or UID, in ascending order.

    A message that cannot be read does not match; the others are told all the same, and the tagged response is a NO.
    """
    failures = MessageFailures(session)
    if asks_for(command.key, ChangedAt):
        want_mod_sequences(session)
    matching = await _matching(session, command.key, failures)
    told = partial(response, session.selected, command, session.tag, matching)
    for piece in await _worked(session, matching.bit_count(), told):
        session.connection.send(piece)
        await session.connection.drained()
    return failures.completion() if failures.count else Completion(Condition.OK, "SEARCH completed")


async def _worked(session: IMAPSession, messages: int, work: Callable[[], T]) -> T:
    """Do what looks at so many messages: at once if they are few, and else in the lane. While a command runs nobody
    changes its session's view (RFC 3501 section 5.5)."""
    if messages <= session.service.limits.messages_a_slice:
        return work()
    return await session.selected.mailbox.python_work(work)


async def _matching(session: IMAPSession, key: SearchKey, failures: MessageFailures) -> int:
    """The set of messages that match. Raises `BadSyntax` for sequence numbers that no message has."""
    program = program_of(key)
    known = await _known(session, program)
    verdict = await _verdict(session, program, known)
    if verdict.possible != verdict.certain:
        known.update(await _recorded(session, program, known))
        verdict = await _verdict(session, program, known)
    undecided = verdict.possible & ~verdict.certain
    return verdict.certain | await _read(session, program, known, undecided, failures) if undecided else verdict.certain


async def _verdict(session: IMAPSession, program: Program, known: Mapping[SearchKey, Verdict]) -> Verdict:
    """What is decided by what is known of some keys."""
    everything = search_view.everything(session.selected)
    unknown = Verdict(0, everything)
    decide = partial(evaluate, program, lambda leaf: known.get(leaf, unknown), everything)
    return await _worked(session, len(program) * len(session.selected.uids) // _AT_ONCE, decide)


async def _known(session: IMAPSession, program: Program) -> dict[SearchKey, Verdict]:
    """What the view knows of the keys that it can answer."""
    view = session.selected
    leaves = [leaf for leaf in dict.fromkeys(program) if isinstance(leaf, search_view.ANSWERED_BY_THE_VIEW)]
    efforts = [search_view.effort(leaf, view) for leaf in leaves]
    known: dict[SearchKey, Verdict] = {}
    for some in _slices(efforts, session.service.limits.messages_a_slice):
        if some.start:
            await session.connection.give_way()
        known.update(await _worked(session, sum(efforts), partial(search_view.known, leaves[some], view)))
    return known


def _slices(efforts: Sequence[int], most: int) -> Iterator[slice]:
    """What is done at a time of all that is to be done, so that it is no more than `most` or one alone."""
    start = held = 0
    for at, effort in enumerate(efforts):
        if at > start and held + effort > most:
            yield slice(start, at)
            start, held = at, 0
        held += effort
    if efforts:
        yield slice(start, len(efforts))


async def _recorded(
    session: IMAPSession, program: Program, known: Mapping[SearchKey, Verdict]
) -> Mapping[SearchKey, Verdict]:
    """What is known of other keys by what the store kept of messages that were read before."""
    limits, view = session.service.limits, session.selected
    keys = [leaf for leaf in dict.fromkeys(program) if not isinstance(leaf, Operator) and leaf not in known]
    name = name_of(limits.contents.mime, limits.search_text)
    begin = partial(RecordedSearch, name, tuple(view.uids), keys, limits.search_turn)
    search = await _worked(session, len(keys) * _A_KEY, begin)
    while limits.search_text:
        found = await view.mailbox.recorded(search)
        if found is not None:
            return found
        await session.connection.give_way()
    return {}


async def _read(
    session: IMAPSession,
    program: Program,
    known: Mapping[SearchKey, Verdict],
    undecided: int,
    failures: MessageFailures,
) -> int:
    """Which of the messages that are undecided match; what they say is kept."""
    limits, view = session.service.limits, session.selected
    indexes, uids = await _worked(session, undecided.bit_count(), partial(_numbered, view, undecided))
    keeping: Keeping | None = None
    if limits.search_text:
        keeping = await view.mailbox.keeping(uids, limits.contents.mime, limits.search_text)
    begin = partial(ContentSearch, program, known, limits.search_turn, limits=limits.contents.mime, keeping=keeping)
    content = await _worked(session, len(program) * _A_KEY, begin)
    try:
        matching = await _looked_up(session, content, indexes, uids, failures)
    finally:
        content.close()
    if keeping is not None:
        await view.mailbox.keep(keeping)
    return matching


def _numbered(view: View, messages: int) -> tuple[Sequence[int], Sequence[int]]:
    """The indexes of a set of messages, and their UIDs."""
    indexes = list(indexes_of(messages))
    return indexes, [view.uids[index] for index in indexes]


async def _looked_up(
    session: IMAPSession,
    content: ContentSearch,
    indexes: Sequence[int],
    uids: Sequence[int],
    failures: MessageFailures,
) -> int:
    """Which of these messages match, by what is in them."""
    view = session.selected
    digits = bytearray(b"0") * len(view.uids)
    done = 0
    while done < len(uids):
        some = slice(done, done + _MESSAGES_A_TURN)
        turn = await view.mailbox.search(content, list(zip(indexes[some], uids[some], strict=True)))
        for index in turn.matching:
            digits[index] = ord("1")
        for failed in turn.failed:
            failures.add(failed.uid, failed.error)
        done += turn.looked_at
        await session.connection.give_way()
    return set_of(digits)
