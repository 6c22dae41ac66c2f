"""Blocks made of rows, and of other blocks: small ones joined, and without what is of messages that are gone."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from zlib import crc32

from mailbox_d.store.index.text_block import Block, Directory, Entry, are_in_order, pack, rows_of, unpack_directory
from mailbox_d.store.index.text_file import Contents
from mailbox_d.store.ports import COLUMNS, FINAL, Row

_BLOCK_OCTETS = 1 << 20
_BLOCK_ROWS = 5000
_BLOCKS_MIN = 256
_BLOCKS_A_MEGABYTE = 8


def packed(key: bytes, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Blocks of a good size; a single row may make a larger one."""
    waiting: list[Entry] = []
    octets = 0
    for entry in entries:
        if waiting and (octets >= _BLOCK_OCTETS or len(waiting) >= _BLOCK_ROWS):
            yield pack(key, waiting)
            waiting, octets = [], 0
        waiting.append(entry)
        octets += sum([len(text) for text in entry.row.columns if text])
    if waiting:
        yield pack(key, waiting)


def is_crowded(contents: Contents) -> bool:
    """Whether there are so many small blocks that they had better be joined; a mailbox has one at least."""
    room = len(contents.blocks) - _BLOCKS_MIN - _BLOCKS_A_MEGABYTE * (contents.end >> 20)
    return room > 0 and room > 2 * len({block.key for block in contents.blocks})


def rewritten(
    descriptor: int, contents: Contents, wanted: Collection[bytes] | None, present: Mapping[bytes, Collection[int]]
) -> Iterator[bytes]:
    """The same without what is superseded, damaged, of mailboxes that are not wanted (None: all are), or of messages
    that are not present in a mailbox of which that is known. Raises `OSError`.
    """
    blocks: defaultdict[bytes, list[Block]] = defaultdict(list)
    for block in contents.blocks:
        if wanted is None or block.key in wanted:
            blocks[block.key].append(block)
    for key, own in blocks.items():
        yield from packed(key, _entries(descriptor, own, present.get(key)))


def _entries(descriptor: int, blocks: Sequence[Block], present: Collection[int] | None) -> Iterator[Entry]:
    """The last row of each message."""
    seen: set[int] = set()
    for block in reversed(blocks):
        directory = unpack_directory(_read(descriptor, block.directory), block)
        columns = None if directory is None else _columns(descriptor, block)
        if directory is None or columns is None:
            continue
        for number, uid in enumerate(directory.uids):
            if uid not in seen and (present is None or uid in present):
                seen.add(uid)
                yield _entry(directory, columns, number)


def _columns(descriptor: int, block: Block) -> list[list[bytes]] | None:
    """The texts of each column by row; None if any of it is damaged."""
    columns: list[list[bytes]] = []
    for number in range(COLUMNS):
        octets = _read(descriptor, block.column(number))
        if crc32(octets) != block.checksums[number] or not are_in_order(octets, block.rows):
            return None
        columns.append(rows_of(octets, block.rows))
    return columns


def _entry(directory: Directory, columns: Sequence[Sequence[bytes]], number: int) -> Entry:
    mark = directory.marks[number]
    texts = tuple([rows[number] if mark >> column & 1 else None for column, rows in enumerate(columns)])
    row = Row(texts, directory.numbers[number], final=bool(mark & FINAL))
    return Entry(directory.uids[number], directory.seals[number], row)


def _read(descriptor: int, place: tuple[int, int]) -> bytes:
    return os.pread(descriptor, place[1], place[0])
