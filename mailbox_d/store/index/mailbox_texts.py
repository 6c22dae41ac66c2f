"""The texts of one mailbox that is open: which rows of the account's file are about its messages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import TypeAlias
from zlib import crc32

from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.index.answers import MailboxKey
from mailbox_d.store.index.text_block import Block, Directory, Entry, unpack_directory
from mailbox_d.store.index.text_file import Contents, TextFile
from mailbox_d.store.index.text_look import NOWHERE, Placed, looked_through
from mailbox_d.store.index.text_rewriting import is_crowded, packed, rewritten
from mailbox_d.store.ports import Looked, Row, Texts, Wanted

KEPT_SECONDS = 7 * 86400
"""How long something may be kept of messages that are gone, once there is an occasion to give it back."""


def key_of(mailbox: MailboxKey, name: bytes) -> bytes:
    """What names a mailbox's rows: a mailbox with other UIDs, or rows of another form, have another key."""
    guid = mailbox.guid
    return blake2b(b"%d %d %b%b" % (mailbox.uid_validity, len(guid), guid, name), digest_size=16).digest()


_SHARE_FOR_ROOM = 8
"""When the file is full, it is written anew if one row of a mailbox in so many is of a message that is gone."""

_TRIES = 3
"""How often a file that was changed meanwhile is looked at again."""

Mailboxes: TypeAlias = Callable[[], Collection[MailboxKey] | None]


class MailboxTexts(Texts):
    """What this mailbox's messages say; they are known by the names that their files have for life."""

    def __init__(self, file: TextFile, view: FolderView, mailboxes: Mailboxes) -> None:
        """`mailboxes` says which there are in the account, or None; it may raise `OSError`."""
        self._file = file
        self._mailboxes = mailboxes
        self._view = view
        self._name: bytes | None = None
        """Under which something was asked for or kept since it was tidied."""
        self._held: tuple[object, dict[int, Directory]] = (None, {})
        """What the file was, and directories by a block's offset. The marks of rows that are of no message here are 0.
        One value, for threads.
        """

    def known(self, name: bytes, uids: Sequence[int]) -> bytes:
        for _ in range(_TRIES):
            marks = self._known(name, uids)
            if marks is not None:
                return marks
        return bytes(len(uids))

    def look(self, name: bytes, uids: Sequence[int], wanted: Sequence[Wanted]) -> Iterator[Sequence[Looked]]:
        outcome: Sequence[Looked] = ()
        for _ in range(_TRIES):
            outcome = yield from self._look(name, uids, wanted)
            if outcome:
                break
        yield outcome or _nothing_known(uids, wanted)

    def remember(self, name: bytes, rows: Mapping[int, Row]) -> None:
        base = self._view.listing.base
        bases = ((uid, base(uid)) for uid in sorted(rows))
        entries = [Entry(uid, crc32(found), rows[uid]) for uid, found in bases if found is not None]
        if not entries:
            return
        self._name = name
        if self._file.is_full():
            return
        self._file.append(packed(self._key(name), entries))
        contents = self._file.contents()
        if contents is not None and is_crowded(contents):
            self._rewrite(name)

    def tidy(self) -> None:
        name, self._name = self._name, None
        contents = None if name is None else self._file.contents()
        if name is None or contents is None or not contents.since:
            return
        rows, live = self._counted(contents, name)
        is_old = abs(time.time() - contents.since) > KEPT_SECONDS
        makes_room = _SHARE_FOR_ROOM * (rows - live) >= rows > live and self._file.is_full()
        if 2 * live < rows or makes_room or (is_old and (live < rows or self._has_strangers(contents, name))):
            self._rewrite(name)

    def _known(self, name: bytes, uids: Sequence[int]) -> bytes | None:
        """The marks; None if the file was changed meanwhile."""
        marks = bytearray(len(uids))
        contents = self._contents(name)
        if contents is None:
            return bytes(marks)
        try:
            with self._file.opened(contents) as descriptor:
                for placed in self._placed(descriptor, contents, name, uids):
                    for at, mark in zip(placed.places, placed.marks, strict=True):
                        if at != NOWHERE:
                            marks[at] = mark
        except OSError:
            return None
        return bytes(marks)

    def _look(
        self, name: bytes, uids: Sequence[int], wanted: Sequence[Wanted]
    ) -> Generator[Sequence[Looked], None, Sequence[Looked]]:
        """The steps; the outcome is empty if the file was changed meanwhile by somebody else, or put in order by us."""
        outcome = _nothing_known(uids, wanted)
        contents = self._contents(name)
        if contents is None:
            return outcome
        try:
            with self._file.opened(contents) as descriptor:
                blocks = self._placed(descriptor, contents, name, uids)
                for outcome in looked_through(descriptor, blocks, wanted, len(uids), contents.sound):
                    if not outcome:
                        yield ()
                return outcome if self._file.is_known(descriptor, contents) else ()
        except OSError:
            return ()

    def _contents(self, name: bytes) -> Contents | None:
        self._name = name
        return self._file.contents()

    def _key(self, name: bytes) -> bytes:
        return key_of(self._view.key(), name)

    def _placed(self, descriptor: int, contents: Contents, name: bytes, uids: Sequence[int]) -> list[Placed]:
        """The blocks that tell of these messages, of each message the last one. Raises `OSError`."""
        index_of = dict(zip(uids, range(len(uids)), strict=True))
        for uid in index_of.keys() - self._view.listing.messages.keys():
            del index_of[uid]
        found: list[Placed] = []
        for block, directory in self._own(descriptor, contents, name):
            places = list(map(index_of.pop, directory.uids, repeat(NOWHERE)))
            found.append(Placed(block, places, directory.marks, directory.numbers))
        return found

    def _own(self, descriptor: int, contents: Contents, name: bytes) -> Iterator[tuple[Block, Directory]]:
        """The blocks of this mailbox, the last one first. Raises `OSError`."""
        of_file, known = self._held
        if of_file is not contents.sound:
            known = {}
            self._held = contents.sound, known
        key = self._key(name)
        for block in reversed(contents.blocks):
            if block.key == key:
                directory = known.get(block.offset) or self._read(descriptor, block, known)
                if directory is not None:
                    yield block, directory

    def _read(self, descriptor: int, block: Block, known: dict[int, Directory]) -> Directory | None:
        offset, length = block.directory
        directory = unpack_directory(os.pread(descriptor, length, offset), block)
        if directory is None:
            return None
        base, highest = self._view.listing.base, self._view.listing.highest
        bases = list(map(base, directory.uids))
        seals = [None if found is None else crc32(found) for found in bases]
        marks = bytes(
            [
                mark if seal == sealed else 0
                for mark, seal, sealed in zip(directory.marks, seals, directory.seals, strict=True)
            ]
        )
        directory = Directory(directory.uids, directory.seals, directory.numbers, marks)
        if max(directory.uids) <= highest:
            known[block.offset] = directory
        return directory

    def _counted(self, contents: Contents, name: bytes) -> tuple[int, int]:
        """How many rows there are of this mailbox, and how many messages they tell of."""
        try:
            with self._file.opened(contents) as descriptor:
                rows, live = 0, set[int]()
                for block, directory in self._own(descriptor, contents, name):
                    rows += block.rows
                    live.update(uid for uid, mark in zip(directory.uids, directory.marks, strict=True) if mark)
        except OSError:
            return 0, 0
        return rows, len(live & self._view.listing.messages.keys())

    def _rewrite(self, name: bytes) -> None:
        wanted = self._wanted(name)
        present = {self._key(name): self._view.listing.messages.keys()}
        self._file.rewrite(lambda descriptor, contents: rewritten(descriptor, contents, wanted, present))

    def _has_strangers(self, contents: Contents, name: bytes) -> bool:
        """Whether something is kept of mailboxes that are no more."""
        wanted = self._wanted(name)
        return wanted is not None and any(block.key not in wanted for block in contents.blocks)

    def _wanted(self, name: bytes) -> Collection[bytes] | None:
        """The keys of the account's mailboxes; None if that cannot be said."""
        try:
            mailboxes = self._mailboxes()
        except OSError:
            return None
        return None if mailboxes is None else {self._key(name), *(key_of(each, name) for each in mailboxes)}


def _nothing_known(uids: Sequence[int], wanted: Sequence[Wanted]) -> Sequence[Looked]:
    return [Looked(b"0" * len(uids), b"0" * len(uids))] * len(wanted)
