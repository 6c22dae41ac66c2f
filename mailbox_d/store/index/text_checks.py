"""What is wrong with a file of texts: what of it is damaged, and what it keeps of messages that are gone."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from zlib import crc32

from mailbox_d.store.index.text_block import Block, are_in_order, unpack_directory
from mailbox_d.store.index.text_file import Contents, TextFile
from mailbox_d.store.ports import COLUMNS


def damage(file: TextFile, contents: Contents, *, columns: bool) -> Iterator[str]:
    """Which parts are not as they were written; nothing at a step where there are none. With `columns` all is read.

    Raises `OSError`, also where the file is changed meanwhile.
    """
    size = contents.state[2] if contents.state is not None else contents.end
    if contents.since and size > contents.end:
        yield f"{size - contents.end} octets behind the last whole block"
    if not contents.since and size:
        yield "its beginning is none"
    with file.opened(contents) as descriptor:
        for block in contents.blocks:
            yield _damage_of(descriptor, block, columns=columns)


def rows_of_others(file: TextFile, contents: Contents, key: bytes, present: Collection[int], next_uid: int) -> int:
    """How many of a mailbox's rows are of messages that were given a UID and are not there. Raises `OSError`."""
    count = 0
    with file.opened(contents) as descriptor:
        for block in contents.blocks:
            directory = unpack_directory(_read(descriptor, block.directory), block) if block.key == key else None
            uids = directory.uids if directory is not None else ()
            count += sum(uid < next_uid and uid not in present for uid in uids)
    return count


def _damage_of(descriptor: int, block: Block, *, columns: bool) -> str:
    if unpack_directory(_read(descriptor, block.directory), block) is None:
        return f"the directory of the block at {block.offset}"
    for number in range(COLUMNS) if columns else ():
        octets = _read(descriptor, block.column(number))
        if crc32(octets) != block.checksums[number] or not are_in_order(octets, block.rows):
            return f"column {number} of the block at {block.offset}"
    return ""


def _read(descriptor: int, place: tuple[int, int]) -> bytes:
    return os.pread(descriptor, place[1], place[0])
