"""A mailbox's history in the index: one state, and the changes since, as a chain of seals.

The first seal is over the state, each further one over the seal before and a change; the last of them stands beside. So
nothing of it can be missing, damaged or out of order without being noticed, and whoever goes on with it writes a link
of their own, by which another process notices that it is not alone. The state is sealed together with what would make
it doubtful: another file than the one it was written in, and another boot of the machine, since nothing is synced.
"""

from __future__ import annotations

import secrets
import sqlite3
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

from twisted.logger import Logger

from mailbox_d.store.boot import boot_id
from mailbox_d.store.history import Change, Kept, Rows, State
from mailbox_d.store.index.answers import MailboxKey
from mailbox_d.store.index.index_file import IndexFile
from mailbox_d.store.keywords import Keywords

CHANGES_MAX = 500
"""With so many changes behind it the state is written anew."""

MAILBOXES_MAX = 10_000
"""Of one account; the one that was written first is forgotten for a further one."""

_ROOM = 64 * 1024
"""Octets of changes that no state is too small for."""

_SEAL_OCTETS = 16
_TRIES = 2
_STATE = struct.Struct("=QQIIIII")
_CHANGE = struct.Struct("=QIII")


class _Chain(NamedTuple):
    """What was written last: where, its seal, how many changes stand there, and for how many octets there is room."""

    inode: int
    head: bytes
    changes: int
    room: int


class HistoryRows(Rows):
    """Those of one mailbox; `key` tells which it is now."""

    _log = Logger()

    def __init__(self, file: IndexFile, key: Callable[[], MailboxKey]) -> None:
        self._file = file
        self._key = key
        self._chain = _Chain(0, b"", 0, 0)
        self._may_be_missing = False
        """Whether what was written has been removed by us."""

    def load(self) -> tuple[State, Sequence[Change]] | None:
        known = self._file.run(self._load)
        if not known:
            return None
        state, changes, self._chain = known
        return state, changes

    def append(self, change: Change) -> Kept:
        return self._kept(partial(self._append, _pack_change(change)))

    def replace(self, state: Callable[[], State], *, anything: bool) -> Kept:
        kept = self._kept(partial(self._replace, state, self._may_be_missing, anything))
        self._may_be_missing = kept is Kept.LOST
        return kept

    def are_ours(self) -> bool:
        found = self._file.run(self._heads)
        return found is None or (found == [(self._chain.head,)] and self._file.inode == self._chain.inode)

    def _kept(self, work: Callable[[sqlite3.Connection], tuple[Kept, _Chain]]) -> Kept:
        """Do it; where that fails, what was written before must not be believed any more."""
        for _ in range(_TRIES):
            done = self._file.run(work)
            if done is not None:
                kept, self._chain = done
                return kept
        self._file.remove()
        self._may_be_missing = True
        return Kept.LOST

    def _load(self, db: sqlite3.Connection) -> tuple[State, Sequence[Change], _Chain] | tuple[()]:
        key = self._key()
        row = db.execute(
            "SELECT id, head FROM history WHERE guid = ? AND uid_validity = ?", (key.guid, key.uid_validity)
        ).fetchone()
        stored = row and db.execute("SELECT octets FROM history_state WHERE id = ?", (row[0],)).fetchone()
        if not stored:
            return ()
        changes = [octets for (octets,) in db.execute(*_changes_of("SELECT octets", row[0]))]
        try:
            head = _seal(self._context(key), stored[0])
            for octets in changes:
                head = _seal(head, octets)
            if head != row[1]:
                raise ValueError("the seal is broken")
            state = _unpack_state(stored[0])
            known = [_unpack_change(octets) for octets in changes if len(octets) > _SEAL_OCTETS]
        except (ValueError, TypeError, struct.error) as error:
            self._log.info("The history of a mailbox is not believed: {why}", why=str(error))
            return ()
        chain = _Chain(self._file.inode, head, len(changes), max(_ROOM, len(stored[0])) - sum(map(len, changes)))
        return state, known, _link(db, row[0], chain, secrets.token_bytes(_SEAL_OCTETS))

    def _append(self, octets: bytes, db: sqlite3.Connection) -> tuple[Kept, _Chain]:
        key = self._key()
        row = db.execute(
            "SELECT id FROM history WHERE guid = ? AND uid_validity = ? AND head = ?",
            (key.guid, key.uid_validity, self._chain.head),
        ).fetchone()
        if row is None or self._file.inode != self._chain.inode:
            return Kept.NOT_OURS, self._chain
        chain = _link(db, row[0], self._chain, octets)
        return Kept.WRITTEN if chain.changes < CHANGES_MAX and chain.room > 0 else Kept.WRITTEN_OFTEN, chain

    def _replace(
        self, state: Callable[[], State], may_be_missing: bool, anything: bool, db: sqlite3.Connection
    ) -> tuple[Kept, _Chain]:
        key = self._key()
        found = db.execute("SELECT id, head FROM history WHERE guid = ?", (key.guid,)).fetchall()
        if not all(isinstance(number, int) for number, _ in found):
            raise sqlite3.DatabaseError("a row without a number")
        is_ours = [head for _, head in found] == [self._chain.head] and self._file.inode == self._chain.inode
        if not (is_ours or anything or (may_be_missing and not found)):
            return Kept.NOT_OURS, self._chain
        for number, _ in found:
            _forget(db, number)
        (number,) = db.execute("SELECT coalesce(max(id), 0) + 1 FROM history").fetchone()
        octets = secrets.token_bytes(_SEAL_OCTETS) + _pack_state(state())
        head = _seal(self._context(key), octets)
        db.execute("INSERT INTO history VALUES (?, ?, ?, ?)", (number, key.guid, key.uid_validity, head))
        db.execute("INSERT INTO history_state VALUES (?, ?)", (number, octets))
        over = db.execute("SELECT id FROM history ORDER BY id DESC LIMIT -1 OFFSET ?", (MAILBOXES_MAX,)).fetchall()
        for (old,) in over:
            _forget(db, old)
        return Kept.WRITTEN, _Chain(self._file.inode, head, 0, max(_ROOM, len(octets)))

    def _heads(self, db: sqlite3.Connection) -> list[tuple[bytes]]:
        key = self._key()
        return db.execute(
            "SELECT head FROM history WHERE guid = ? AND uid_validity = ?", (key.guid, key.uid_validity)
        ).fetchall()

    def _context(self, key: MailboxKey) -> bytes:
        return b"%b %d %d %b" % (key.guid, key.uid_validity, self._file.inode, boot_id())


def _link(db: sqlite3.Connection, number: int, chain: _Chain, octets: bytes) -> _Chain:
    """Put a further change behind the others."""
    head = _seal(chain.head, octets)
    db.execute("INSERT INTO history_change VALUES (?, ?)", (number << 32 | chain.changes, octets))
    db.execute("UPDATE history SET head = ? WHERE id = ?", (head, number))
    return _Chain(chain.inode, head, chain.changes + 1, chain.room - len(octets))


def _seal(before: bytes, octets: bytes) -> bytes:
    seal = blake2b(before, digest_size=_SEAL_OCTETS)
    seal.update(b"\0")
    seal.update(octets)
    return seal.digest()


def _changes_of(what: str, number: int) -> tuple[str, tuple[int, int]]:
    first = number << 32
    return f"{what} FROM history_change WHERE id BETWEEN ? AND ? ORDER BY id", (first, first + (1 << 32) - 1)


def _forget(db: sqlite3.Connection, number: int) -> None:
    db.execute("DELETE FROM history WHERE id = ?", (number,))
    db.execute("DELETE FROM history_state WHERE id = ?", (number,))
    db.execute("DELETE FROM history_change WHERE id BETWEEN ? AND ?", (number << 32, (number + 1 << 32) - 1))


def _pack_state(state: State) -> bytes:
    """The state's columns; mod-sequences as runs of equal ones."""
    runs = [(number, sum(1 for _ in equal)) for number, equal in groupby(state.mod_sequences)]
    keywords, letters = state.keywords.format(), _join(state.letters)
    sizes = (len(state.uids), len(runs), len(state.gone), len(keywords), len(letters))
    return b"".join(
        (
            _STATE.pack(state.highest, state.forgotten, *sizes),
            array("I", state.uids).tobytes(),
            array("Q", [number for number, _ in runs]).tobytes(),
            array("I", [length for _, length in runs]).tobytes(),
            array("Q", [number for number, _ in state.gone]).tobytes(),
            array("I", [uid for _, uid in state.gone]).tobytes(),
            keywords,
            letters,
        )
    )


def _unpack_state(octets: bytes) -> State:
    highest, forgotten, count, runs, gone, keywords, letters = _STATE.unpack_from(octets, _SEAL_OCTETS)
    columns = _Columns(octets, _SEAL_OCTETS + _STATE.size)
    uids = columns.take("I", count)
    numbers: list[int] = []
    for number, length in zip(columns.take("Q", runs), columns.take("I", runs), strict=True):
        numbers += [number] * length
    went = list(zip(columns.take("Q", gone), columns.take("I", gone), strict=True))
    names = Keywords.parse(columns.octets(keywords))
    return State(highest, forgotten, uids, _split(columns.octets(letters), count), numbers, went, names)


def _pack_change(change: Change) -> bytes:
    letters = _join(list(change.present.values()))
    return b"".join(
        (
            bytes(_SEAL_OCTETS),
            _CHANGE.pack(change.mod_sequence, len(change.present), len(change.gone), len(letters)),
            array("I", change.present).tobytes(),
            array("I", change.gone).tobytes(),
            letters,
        )
    )


def _unpack_change(octets: bytes) -> Change:
    number, count, gone, letters = _CHANGE.unpack_from(octets, _SEAL_OCTETS)
    columns = _Columns(octets, _SEAL_OCTETS + _CHANGE.size)
    uids, went = columns.take("I", count), columns.take("I", gone)
    return Change(number, dict(zip(uids, _split(columns.octets(letters), count), strict=True)), went)


class _Columns:
    """What lies one behind the other in octets."""

    def __init__(self, octets: bytes, at: int) -> None:
        self._octets = octets
        self._at = at

    def octets(self, length: int) -> bytes:
        start, self._at = self._at, self._at + length
        return self._octets[start : self._at]

    def take(self, kind: str, count: int) -> list[int]:
        column = array(kind)
        column.frombytes(self.octets(count * column.itemsize))
        return column.tolist()


def _join(letters: Sequence[bytes]) -> bytes:
    """Letters line by line; a file's name may have anything in it, a line end too, which stands for no flag."""
    joined = b"\n".join(letters)
    if joined.count(b"\n") < max(1, len(letters)):
        return joined
    return b"\n".join(each.replace(b"\n", b"?") for each in letters)


def _split(joined: bytes, count: int) -> list[bytes]:
    return joined.split(b"\n") if count else []
