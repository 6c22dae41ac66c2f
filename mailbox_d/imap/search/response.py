"""What SEARCH answers: its numbers or its figures, in one line (RFC 3501 section 7.2.5, RFC 4731 section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mailbox_d.imap.search.program import asks_for, indexes_of
from mailbox_d.imap.view import View
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.search import ChangedAt, ReturnOption

_NUMBERS_A_PIECE: Final = 5000


def response(view: View, command: commands.Search, tag: bytes, matching: int) -> Sequence[bytes]:
    """The line in pieces, each to be sent when the client has read enough of those before."""
    indexes = list(indexes_of(matching))
    numbers = [view.uids[index] for index in indexes] if command.by_uid else [index + 1 for index in indexes]
    highest = _highest(view, command, indexes)
    if command.returns is None:
        end = b" (MODSEQ %d)" % highest if highest else b""
        return [b"* SEARCH", *_pieces([b"%d" % number for number in numbers], b" ", b" "), end + responses.CRLF]
    start = responses.esearch(tag, _figures(command.returns, numbers), by_uid=command.by_uid)
    ranges = list(responses.ranges(numbers)) if ReturnOption.ALL in command.returns else []
    end = b" MODSEQ %d" % highest if highest else b""
    return [start, *_pieces(ranges, b" ALL ", b","), end + responses.CRLF]


def _highest(view: View, command: commands.Search, indexes: Sequence[int]) -> int:
    """The highest mod-sequence of what is told, of a search for mod-sequences (RFC 7162 section 3.1.6, RFC 4731 section
    3.2); 0 where there is none."""
    if not indexes or not asks_for(command.key, ChangedAt):
        return 0
    returns = command.returns or {ReturnOption.ALL}
    if not returns & {ReturnOption.ALL, ReturnOption.COUNT}:
        ends = {ReturnOption.MIN: indexes[0], ReturnOption.MAX: indexes[-1]}
        indexes = [ends[option] for option in returns]
    return max(view.messages[index].mod_sequence for index in indexes)


def _figures(returns: frozenset[ReturnOption], numbers: Sequence[int]) -> Iterator[bytes]:
    """RFC 4731 section 3.1: where nothing matched, only COUNT is told."""
    if numbers and ReturnOption.MIN in returns:
        yield b"MIN %d" % numbers[0]
    if numbers and ReturnOption.MAX in returns:
        yield b"MAX %d" % numbers[-1]
    if ReturnOption.COUNT in returns:
        yield b"COUNT %d" % len(numbers)


def _pieces(words: Sequence[bytes], before: bytes, between: bytes) -> Iterator[bytes]:
    for at in range(0, len(words), _NUMBERS_A_PIECE):
        yield (between if at else before) + between.join(words[at : at + _NUMBERS_A_PIECE])
