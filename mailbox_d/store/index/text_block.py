"""The form of what messages say, as it is kept: blocks of rows, column beside column, each sealed by a checksum.

A block is a header, a directory, and columns. In a column each row's text stands as it is: pieces, each behind
`PIECE`, and `ROW` at the end. Neither octet stands in UTF-8, so that nothing is found across pieces or rows. The header
has a checksum of itself, of the directory and of each column: what is not what was written is not believed.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import lt
from typing import Final, NamedTuple
from zlib import crc32

from mailbox_d.store.ports import COLUMNS, FINAL, Row

ROW: Final = b"\xff"
TEXT_MAX: Final = 64 << 20
"""Octets of a column. A block of more is no block of ours."""
ROWS_MAX: Final = 100_000

_MAGIC: Final = 0x7478_6274_6462_6D01
_HEADER: Final = struct.Struct(f"=Q16sII{COLUMNS}I{COLUMNS}I")
_CHECKSUM: Final = struct.Struct("=I")
HEADER_SIZE: Final = _HEADER.size + _CHECKSUM.size
_NUMBER: Final = 4
_DIRECTORY_ROW: Final = 3 * _NUMBER + 1


class Entry(NamedTuple):
    """A row, whose it is: the UID, and a checksum of the file's base name."""

    uid: int
    seal: int
    row: Row


@dataclass(frozen=True, slots=True)
class Directory:
    """Of each row of a block: UID, checksum of the base name, number, and mark."""

    uids: array[int]
    seals: array[int]
    numbers: array[int]
    marks: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block lies, and what its header says."""

    offset: int
    key: bytes
    rows: int
    directory_checksum: int
    lengths: tuple[int, ...]
    """Octets of each column."""
    checksums: tuple[int, ...]

    @property
    def size(self) -> int:
        return HEADER_SIZE + _DIRECTORY_ROW * self.rows + sum(self.lengths)

    @property
    def directory(self) -> tuple[int, int]:
        """Offset and length."""
        return self.offset + HEADER_SIZE, _DIRECTORY_ROW * self.rows

    def column(self, number: int) -> tuple[int, int]:
        """Offset and length."""
        start, length = self.directory
        return start + length + sum(self.lengths[:number]), self.lengths[number]


def pack(key: bytes, entries: Sequence[Entry]) -> bytes:
    """A block of these rows; `key` is 16 octets that say whose they are."""
    directory = _directory(entries)
    columns = [_column([entry.row.columns[number] for entry in entries]) for number in range(COLUMNS)]
    fixed = _HEADER.pack(
        _MAGIC, key, len(entries), crc32(directory, crc32(key)), *map(len, columns), *map(crc32, columns)
    )
    return b"".join((fixed, _CHECKSUM.pack(crc32(fixed)), directory, *columns))


def unpack_header(octets: bytes, offset: int) -> Block | None:
    """The block that has this header; None where that is no header."""
    if len(octets) != HEADER_SIZE or _CHECKSUM.unpack_from(octets, _HEADER.size)[0] != crc32(octets[: _HEADER.size]):
        return None
    magic, key, rows, directory, *sizes = _HEADER.unpack_from(octets)
    lengths, checksums = tuple(sizes[:COLUMNS]), tuple(sizes[COLUMNS:])
    if magic != _MAGIC or not 0 < rows <= ROWS_MAX or not _are_plausible(lengths, rows):
        return None
    return Block(offset, key, rows, directory, lengths, checksums)


def _are_plausible(lengths: Sequence[int], rows: int) -> bool:
    return all(rows * (_NUMBER + 1) <= length <= TEXT_MAX for length in lengths)


def unpack_directory(octets: bytes, block: Block) -> Directory | None:
    """The directory of this block; None where it is damaged."""
    if len(octets) != block.directory[1] or crc32(octets, crc32(block.key)) != block.directory_checksum:
        return None
    size = _NUMBER * block.rows
    uids, seals, numbers = (array("I", octets[start : start + size]) for start in (0, size, 2 * size))
    return Directory(uids, seals, numbers, octets[3 * size :])


def ends_of(column: bytes | bytearray | memoryview, rows: int) -> array[int]:
    """Where each row of a column ends, behind `text_start`."""
    return array("I", bytes(column[: _NUMBER * rows]))


def are_in_order(column: bytes | bytearray | memoryview, rows: int) -> bool:
    """Whether each row ends behind the one before, and the last one with the column."""
    ends = ends_of(column, rows)
    return ends[-1] == len(column) - text_start(rows) and ends[0] > 0 and all(map(lt, ends, ends[1:]))


def text_start(rows: int) -> int:
    """Where the text of a column begins within it."""
    return _NUMBER * rows


def rows_of(column: bytes, rows: int) -> list[bytes]:
    """The text of each row of a column."""
    ends = ends_of(column, rows)
    text = column[text_start(rows) :]
    return [text[start : end - 1] for start, end in zip([0, *ends], ends, strict=False)]


def _directory(entries: Sequence[Entry]) -> bytes:
    uids = array("I", [entry.uid for entry in entries])
    seals = array("I", [entry.seal for entry in entries])
    numbers = array("I", [entry.row.number for entry in entries])
    return b"".join((uids, seals, numbers, bytes([_mark(entry.row) for entry in entries])))


def _mark(row: Row) -> int:
    return sum(1 << number for number, text in enumerate(row.columns) if text is not None) | (FINAL if row.final else 0)


def _column(texts: Sequence[bytes | None]) -> bytes:
    ends = array("I", accumulate([len(text or b"") + 1 for text in texts]))
    return b"".join((ends, ROW.join([text or b"" for text in texts]), ROW))
