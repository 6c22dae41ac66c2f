"""Looking through the texts of one mailbox: which of some messages hold what is wanted, by the blocks of a file.

Reading, checksums and comparing are done in C, without the interpreter's lock. Where much is found, Python has to take
note of it message by message.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from mailbox_d.store.index.octets import Buffer
from mailbox_d.store.index.text_block import Block, are_in_order, ends_of, text_start
from mailbox_d.store.ports import COLUMNS, PIECE, Holding, Looked, Numbered, Wanted

NOWHERE: Final = -1


@dataclass(frozen=True, slots=True)
class Placed:
    """A block of the mailbox; for each row, which of the messages that are asked about it tells of, or `NOWHERE`."""

    block: Block
    places: Sequence[int]
    marks: bytes
    numbers: array[int]


class Outcome:
    """What was found of one thing that is wanted."""

    def __init__(self, wanted: Wanted, count: int) -> None:
        self.wanted = wanted
        columns = wanted.columns if isinstance(wanted, Holding) else (wanted.column,)
        self.columns = columns
        self.needs = sum(1 << column for column in columns)
        self.known = bytearray(b"0" * count)
        self.found = bytearray(b"0" * count)

    def looked(self) -> Looked:
        return Looked(bytes(self.known), bytes(self.found))

    def note_known(self, placed: Placed) -> None:
        """The rows that have all the columns."""
        needs = self.needs
        _set(self.known, [at for at, mark in zip(placed.places, placed.marks, strict=True) if mark & needs == needs])

    def note_found(self, placed: Placed, rows: Sequence[int]) -> None:
        places = placed.places
        _set(self.found, [places[row] for row in rows])

    def forget(self, placed: Placed) -> None:
        """The block turned out to be damaged."""
        for at in placed.places:
            if at != NOWHERE:
                self.known[at] = self.found[at] = ord("0")


def looked_through(
    descriptor: int, blocks: Sequence[Placed], wanted: Sequence[Wanted], count: int, sound: dict[int, int]
) -> Iterator[Sequence[Looked]]:
    """As `Texts.look`, of so many messages. `sound` are the columns that were seen to be whole. Raises `OSError`."""
    outcomes = [Outcome(each, count) for each in wanted]
    buffer = Buffer()
    for placed in blocks:
        for outcome in outcomes:
            outcome.note_known(placed)
            if isinstance(outcome.wanted, Numbered):
                numbers = outcome.wanted.numbers
                outcome.note_found(placed, [row for row, number in enumerate(placed.numbers) if number in numbers])
        for column in range(COLUMNS):
            asking = [each for each in outcomes if isinstance(each.wanted, Holding) and column in each.columns]
            if asking:
                yield from _in_column(descriptor, placed, column, asking, buffer, sound)
    for outcome in outcomes:
        _only_known(outcome)
    yield [outcome.looked() for outcome in outcomes]


def _in_column(
    descriptor: int, placed: Placed, column: int, asking: Sequence[Outcome], buffer: Buffer, sound: dict[int, int]
) -> Iterator[Sequence[Looked]]:
    block = placed.block
    offset, length = block.column(column)
    if not buffer.read(descriptor, offset, length) or not _is_sound(block, column, buffer, length, sound):
        for outcome in asking:
            outcome.forget(placed)
        return
    ends = ends_of(buffer.octets, block.rows)
    for outcome in asking:
        assert isinstance(outcome.wanted, Holding)
        outcome.note_found(placed, list(_rows_holding(buffer, ends, length, outcome.wanted)))
        yield ()


def _is_sound(block: Block, column: int, buffer: Buffer, length: int, sound: dict[int, int]) -> bool:
    known = sound.get(block.offset, 0)
    if known >> column & 1:
        return True
    with memoryview(buffer.octets) as view:
        if crc32(view[:length]) != block.checksums[column] or not are_in_order(view[:length], block.rows):
            return False
    sound[block.offset] = known | 1 << column
    return True


def _rows_holding(buffer: Buffer, ends: Sequence[int], length: int, wanted: Holding) -> Iterator[int]:
    """The rows of a column that hold what is wanted, each once."""
    start = text_start(len(ends))
    if not wanted.octets and not wanted.start:
        yield from range(len(ends))
        return
    needle = PIECE + wanted.start if wanted.start or not wanted.octets else wanted.octets
    at = start
    while (at := buffer.find(needle, at, length)) >= 0:
        row = bisect_right(ends, at - start)
        end = start + ends[row]
        if wanted.start and wanted.octets:
            begin = at + len(needle)
            at = buffer.octets.find(PIECE, begin, end)
            stop = at if at >= 0 else end - 1
            if buffer.octets.find(wanted.octets, begin, stop) < 0:
                at = stop
                continue
        yield row
        at = end


def _only_known(outcome: Outcome) -> None:
    """Of a message that is not wholly known nothing is said."""
    known = int.from_bytes(outcome.known, "big")
    found = int.from_bytes(outcome.found, "big")
    outcome.found[:] = (known & found).to_bytes(len(outcome.found), "big")


def _set(digits: bytearray, places: Sequence[int]) -> None:
    for at in places:
        if at >= 0:
            digits[at] = ord("1")
