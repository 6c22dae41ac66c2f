"""A mailbox's history in the index: one state, and the changes since, as a chain of seals.

The first seal is over the state, each further one over the seal before and a change; the last of them stands beside. So
nothing of it can be missing, damaged or out of order without being noticed, and whoever goes on with it writes a link
of their own, by which another process notices that it is not alone. The state is sealed together with what would make
it doubtful: another file than the one it was written in, another boot of the machine, since nothing is synced, and a
note beside the file (`void_notes`) that more was told than could be written.
"""

from __future__ import annotations

import secrets
import sqlite3
import struct
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
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
_STATE = struct.Struct("=QQIIIII")
_CHANGE = struct.Struct("=QIII")


class _Chain(NamedTuple):
    """What was written last: where, its seal, how many changes stand there, and for how many octets there is room."""

    context: bytes
    head: bytes
    changes: int
    room: int


class HistoryRows(Rows):
    """Those of one mailbox; `key` tells which it is now."""

    _log = Logger()

    def __init__(self, file: IndexFile, key: Callable[[], MailboxKey]) -> None:
        self._file = file
        self._key = key
        self._chain = _Chain(b"", b"", 0, 0)
        self._is_void = False
        """Whether more was told than could be written. Others may have gone on since, which nobody here has seen."""
        self._may_be_missing = False
        """Whether what was written has been removed by us."""

    def load(self) -> tuple[State, Sequence[Change]] | None:
        known = self._file.run(self._load, waits=True)
        if not known:
            self._take_note()
            return None
        state, changes, self._chain = known
        return state, changes

    def append(self, change: Change) -> Kept:
        return self._kept(partial(self._append, _pack_change(change)))

    def replace(self, state: Callable[[], State], *, anything: bool) -> Kept:
        return self._kept(partial(self._replace, state, anything))

    def are_ours(self) -> bool:
        found = self._file.run(self._heads, waits=True, writes=False)
        return self._may_be_ours() if found is None else found == [(self._chain.head, self._chain.context)]

    def _may_be_ours(self) -> bool:
        """Whether there is no further note, where the rows cannot be read; who is told of one begins anew."""
        before = self._chain.context
        return self._take_note() == before

    def _take_note(self) -> bytes:
        """Of the notes that others made up to now; where there are new ones, nothing that was written is ours."""
        with suppress(OSError):
            context = self._context(self._key())
            if context != self._chain.context:
                self._chain = _Chain(context, b"", 0, 0)
        return self._chain.context

    def _kept(self, work: Callable[[sqlite3.Connection], tuple[Kept, _Chain]]) -> Kept:
        """Do it; where that fails, what was written before must not be believed any more. Who has nothing that might
        be believed waits for nobody."""
        done = self._file.run(work, waits=not self._is_void)
        if done is None:
            self._void()
            return Kept.LOST
        kept, self._chain = done
        self._is_void = self._may_be_missing = False
        return kept

    def _void(self) -> None:
        """See that this mailbox's history is not believed: by a note, and where none can be made, by removing all.

        Each time, since another process may have written something to be believed after the last note.
        """
        key = self._key()
        try:
            is_ours = self._context(key) == self._chain.context
            self._file.void_notes.add(key.guid)
            if is_ours:  # and to be written over
                self._chain = self._chain._replace(context=self._context(key))
        except OSError as error:
            self._log.warn("The index of an account is removed, since it cannot be written: {why}", why=str(error))
            self._file.remove()
            self._may_be_missing = True
        self._is_void = True

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
            head = _seal(context := self._context(key), stored[0])
            for octets in changes:
                head = _seal(head, octets)
            if head != row[1]:
                raise ValueError("the seal is broken")
            state = _unpack_state(stored[0])
            known = [_unpack_change(octets) for octets in changes if len(octets) > _SEAL_OCTETS]
        except (ValueError, TypeError, struct.error) as error:
            self._log.info("The history of a mailbox is not believed: {why}", why=str(error))
            return ()
        chain = _Chain(context, head, len(changes), max(_ROOM, len(stored[0])) - sum(map(len, changes)))
        return state, known, _link(db, row[0], chain, secrets.token_bytes(_SEAL_OCTETS))

    def _append(self, octets: bytes, db: sqlite3.Connection) -> tuple[Kept, _Chain]:
        key = self._key()
        row = db.execute(
            "SELECT id FROM history WHERE guid = ? AND uid_validity = ? AND head = ?",
            (key.guid, key.uid_validity, self._chain.head),
        ).fetchone()
        if row is None or self._context(key) != self._chain.context:
            return Kept.NOT_OURS, self._chain
        chain = _link(db, row[0], self._chain, octets)
        return Kept.WRITTEN if chain.changes < CHANGES_MAX and chain.room > 0 else Kept.WRITTEN_OFTEN, chain

    def _replace(self, state: Callable[[], State], anything: bool, db: sqlite3.Connection) -> tuple[Kept, _Chain]:
        key = self._key()
        context = self._context(key)
        found = db.execute("SELECT id, head FROM history WHERE guid = ?", (key.guid,)).fetchall()
        if not all(isinstance(number, int) for number, _ in found):
            raise sqlite3.DatabaseError("a row without a number")
        is_ours = [head for _, head in found] == [self._chain.head] and context == self._chain.context
        if not (is_ours or (anything and not self._is_void) or (self._may_be_missing and not found)):
            return Kept.NOT_OURS, self._chain
        for number, _ in found:
            _forget(db, number)
        (number,) = db.execute("SELECT coalesce(max(id), 0) + 1 FROM history").fetchone()
        octets = secrets.token_bytes(_SEAL_OCTETS) + _pack_state(state())
        head = _seal(context, octets)
        db.execute("INSERT INTO history VALUES (?, ?, ?, ?)", (number, key.guid, key.uid_validity, head))
        db.execute("INSERT INTO history_state VALUES (?, ?)", (number, octets))
        over = db.execute("SELECT id FROM history ORDER BY id DESC LIMIT -1 OFFSET ?", (MAILBOXES_MAX,)).fetchall()
        for (old,) in over:
            _forget(db, old)
        return Kept.WRITTEN, _Chain(context, head, 0, max(_ROOM, len(octets)))

    def _heads(self, db: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
        key = self._key()
        found = db.execute(
            "SELECT head FROM history WHERE guid = ? AND uid_validity = ?", (key.guid, key.uid_validity)
        ).fetchall()
        return [(head, self._context(key)) for (head,) in found]

    def _context(self, key: MailboxKey) -> bytes:
        """What a state is believed in. Raises `OSError`."""
        void = self._file.void_notes.mark(key.guid)
        return b"%b %d %d %d %b" % (key.guid, key.uid_validity, self._file.inode, void, boot_id())


def _link(db: sqlite3.Connection, number: int, chain: _Chain, octets: bytes) -> _Chain:
    """Put a further change behind the others."""
    head = _seal(chain.head, octets)
    db.execute("INSERT INTO history_change VALUES (?, ?)", (number << 32 | chain.changes, octets))
    db.execute("UPDATE history SET head = ? WHERE id = ?", (head, number))
    return _Chain(chain.context, head, chain.changes + 1, chain.room - len(octets))


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
