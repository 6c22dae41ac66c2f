"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4, RFC 4731, RFC 5032).

What the view knows is decided at once for all messages. What is left over is looked up message by message in the lane,
in turns; between two turns others have theirs, and a client that is gone ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mailbox_d.imap import search_view
from mailbox_d.imap.condstore import want_mod_sequences
from mailbox_d.imap.failures import MessageFailures
from mailbox_d.imap.search_content import ContentSearch
from mailbox_d.imap.search_keeping import Keeping
from mailbox_d.imap.search_program import Operator, Program, Verdict, evaluate, indexes_of, program_of, set_of
from mailbox_d.imap.search_record import name_of
from mailbox_d.imap.search_recorded import RecordedSearch
from mailbox_d.imap.session import IMAPSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.imap.search import ChangedAt, ReturnOption, SearchKey

_NUMBERS_A_WRITE = 5000
_MESSAGES_A_TURN = 1000


async def search(session: IMAPSession, command: commands.Search) -> Completion:
    """Tell which messages match, by sequence number or UID, in ascending order.

    A message that cannot be read does not match; the others are told all the same, and the tagged response is a NO.
    """
    view = session.selected
    failures = MessageFailures(session)
    if asks_for(command.key, ChangedAt):
        want_mod_sequences(session)
    indexes = list(indexes_of(await _matching(session, command.key, failures)))
    numbers = [view.uids[index] for index in indexes] if command.by_uid else [index + 1 for index in indexes]
    highest = _highest(session, command, indexes)
    if command.returns is None:
        start = b"* SEARCH " if numbers else b"* SEARCH"
        end = b" (MODSEQ %d)" % highest if highest else b""
        await _send_list(session, start, b" ", [b"%d" % number for number in numbers], end)
    else:
        await _send_extended(session, command.returns, numbers, highest, by_uid=command.by_uid)
    return failures.completion() if failures.count else Completion(Condition.OK, "SEARCH completed")


def asks_for(key: SearchKey, kind: type) -> bool:
    """Whether one of the keys is of this kind."""
    return any(isinstance(leaf, kind) for leaf in program_of(key))


def _highest(session: IMAPSession, command: commands.Search, indexes: Sequence[int]) -> int:
    """The highest mod-sequence of what is told, of a search for mod-sequences (RFC 7162 section 3.1.6, RFC 4731 section
    3.2); 0 where there is none."""
    if not indexes or not asks_for(command.key, ChangedAt):
        return 0
    returns = command.returns or {ReturnOption.ALL}
    if not returns & {ReturnOption.ALL, ReturnOption.COUNT}:
        ends = {ReturnOption.MIN: indexes[0], ReturnOption.MAX: indexes[-1]}
        indexes = [ends[option] for option in returns]
    messages = session.selected.messages
    return max(messages[index].mod_sequence for index in indexes)


async def _matching(session: IMAPSession, key: SearchKey, failures: MessageFailures) -> int:
    """The set of messages that match. Raises `BadSyntax` for sequence numbers that no message has."""
    program = program_of(key)
    everything = search_view.everything(session.selected)
    known = await _known(session, program)
    verdict = evaluate(program, lambda leaf: known.get(leaf, Verdict(0, everything)), everything)
    if verdict.possible != verdict.certain:
        known.update(await _recorded(session, program, known))
        verdict = evaluate(program, lambda leaf: known.get(leaf, Verdict(0, everything)), everything)
    undecided = verdict.possible & ~verdict.certain
    return verdict.certain | await _read(session, program, known, undecided, failures) if undecided else verdict.certain


async def _known(session: IMAPSession, program: Program) -> dict[SearchKey, Verdict]:
    """What the view knows of the keys that it can answer."""
    view = session.selected
    known: dict[SearchKey, Verdict] = {}
    looked_at = 0
    for leaf in program:
        if isinstance(leaf, search_view.ANSWERED_BY_THE_VIEW) and leaf not in known:
            looked_at += len(view.uids)
            if looked_at > session.service.limits.messages_a_slice:
                looked_at = len(view.uids)
                await session.connection.give_way()
            found = search_view.matching(leaf, view)
            known[leaf] = Verdict(found, found)
    return known


async def _recorded(
    session: IMAPSession, program: Program, known: Mapping[SearchKey, Verdict]
) -> Mapping[SearchKey, Verdict]:
    """What is known of other keys by what the store kept of messages that were read before."""
    limits, view = session.service.limits, session.selected
    keys = [leaf for leaf in dict.fromkeys(program) if not isinstance(leaf, Operator) and leaf not in known]
    name = name_of(limits.contents.mime, limits.search_text)
    search = RecordedSearch(name, tuple(view.uids), keys, limits.search_turn)
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
    keeping: Keeping | None = None
    if limits.search_text:
        uids = [view.uids[index] for index in indexes_of(undecided)]
        keeping = await view.mailbox.keeping(uids, limits.contents.mime, limits.search_text)
    content = ContentSearch(program, known, limits.search_turn, limits=limits.contents.mime, keeping=keeping)
    try:
        matching = await _looked_up(session, content, undecided, failures)
    finally:
        content.close()
    if keeping is not None:
        await view.mailbox.keep(keeping)
    return matching


async def _looked_up(session: IMAPSession, content: ContentSearch, undecided: int, failures: MessageFailures) -> int:
    """Which of the messages that are undecided match, by what is in them."""
    view = session.selected
    waiting = [(index, view.uids[index]) for index in indexes_of(undecided)]
    digits = bytearray(b"0") * len(view.uids)
    done = 0
    while done < len(waiting):
        turn = await view.mailbox.search(content, waiting[done : done + _MESSAGES_A_TURN])
        for index in turn.matching:
            digits[index] = ord("1")
        for failed in turn.failed:
            failures.add(failed.uid, failed.error)
        done += turn.looked_at
        await session.connection.give_way()
    return set_of(digits)


async def _send_extended(
    session: IMAPSession, returns: frozenset[ReturnOption], numbers: Sequence[int], highest: int, *, by_uid: bool
) -> None:
    """RFC 4731 section 3.1: where nothing matched, only COUNT is told."""
    start = responses.esearch(session.tag, _figures(returns, numbers), by_uid=by_uid)
    end = b" MODSEQ %d" % highest if highest else b""
    if numbers and ReturnOption.ALL in returns:
        await _send_list(session, start + b" ALL ", b",", list(responses.ranges(numbers)), end)
    else:
        session.connection.send(start + end + responses.CRLF)


def _figures(returns: frozenset[ReturnOption], numbers: Sequence[int]) -> Iterator[bytes]:
    if numbers and ReturnOption.MIN in returns:
        yield b"MIN %d" % numbers[0]
    if numbers and ReturnOption.MAX in returns:
        yield b"MAX %d" % numbers[-1]
    if ReturnOption.COUNT in returns:
        yield b"COUNT %d" % len(numbers)


async def _send_list(
    session: IMAPSession, start: bytes, separator: bytes, words: Sequence[bytes], end: bytes = b""
) -> None:
    """One line of many words, at the speed at which the client reads."""
    session.connection.send(start)
    for first in range(0, len(words), _NUMBERS_A_WRITE):
        piece = separator.join(words[first : first + _NUMBERS_A_WRITE])
        session.connection.send((separator if first else b"") + piece)
        await session.connection.drained()
    session.connection.send(end + responses.CRLF)
