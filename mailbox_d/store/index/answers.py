"""What was said of a mailbox's messages: octets by attribute and UID, each row sealed by a checksum.

An attribute is whatever the asker calls it (`ENVELOPE`, `BODY[HEADER.FIELDS (FROM TO)]`); what the octets mean is the
asker's business. Rows are keyed by one integer, so that a run of UIDs lies side by side: attribute, mailbox, UID, from
the highest bits down.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from zlib import crc32

from mailbox_d.store.index.index_file import IndexFile

ATTRIBUTES_MAX = 64
"""How many attributes are remembered; for a further one, the one that was not asked for longest is forgotten."""

_MAILBOX_SHIFT = 32
_ATTRIBUTE_SHIFT = 56
_MAILBOX_MAX = (1 << (_ATTRIBUTE_SHIFT - _MAILBOX_SHIFT)) - 1
_UID_MASK = (1 << _MAILBOX_SHIFT) - 1

_SPARSE = 8
"""With fewer than one UID wanted in so many, rows are looked up one by one and not as a run."""

_LOOKED_UP_AT_ONCE = 500

_INSPECTED_AT_ONCE = 2000
"""Rows that are read in one transaction, or deleted: others wait for it."""

_FORGOTTEN = b""
"""The name of an attribute whose rows are not all deleted yet."""

_NAMES = "SELECT name FROM attribute WHERE name != ? ORDER BY used DESC"


@dataclass(frozen=True, slots=True)
class MailboxKey:
    """What names a mailbox for ever: the uidlist's GUID, and the UIDVALIDITY that its UIDs have."""

    guid: bytes
    uid_validity: int


class Answers:
    """What is remembered of one mailbox's messages. A message is known by its UID and its file's base name."""

    def __init__(self, file: IndexFile, key: MailboxKey) -> None:
        self._file = file
        self._key = key

    def remembered(self, attribute: bytes, bases: Mapping[int, bytes]) -> dict[int, bytes]:
        """What was remembered of these messages, UIDs ascending; those that are not known are left out."""
        if not bases:
            return {}
        rows = self._file.run(partial(self._read, attribute, sorted(bases))) or []
        seal = crc32(attribute)
        found = {}
        for uid, checksum, octets in rows:
            base = bases.get(uid)
            if octets and base is not None and crc32(octets, crc32(base, seal)) == checksum:
                found[uid] = octets
        return found

    def remember(self, attribute: bytes, answers: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Keep what was found out: UID, base name and octets of each message; empty where nothing is to be said.
        Where the file is full, nothing more is kept."""
        seal = crc32(attribute)
        rows = [(uid, crc32(octets, crc32(base, seal)), octets) for uid, base, octets in answers]
        if rows:
            self._file.run(partial(self._write, attribute, rows))

    def known(self, attribute: bytes) -> Set[int]:
        """The UIDs of which something was remembered; whether it holds is seen when it is asked for."""
        known: list[int] = []
        while some := self._file.run(partial(self._known, attribute, known[-1] if known else -1)):
            known += some
        return frozenset(known)

    def is_full(self) -> bool:
        """Whether nothing more is kept of this account's messages."""
        return bool(self._file.run(self._has_no_room))

    def attributes(self) -> Sequence[bytes]:
        """What has been asked for in this account, the most recent first."""
        return self._file.run(_attributes) or ()

    def inspected(self, attribute: bytes, bases: Mapping[int, bytes]) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
        """The UIDs of rows that say nothing that can be believed, and of rows of other messages than these: of some
        rows at a time."""
        after, seal = 0, crc32(attribute)
        while rows := self._file.run(partial(self._read_on, attribute, after)):
            after = rows[-1][0]
            gone = [uid for uid, _, _ in rows if uid not in bases]
            yield (
                [
                    uid
                    for uid, checksum, octets in rows
                    if uid in bases and crc32(octets, crc32(bases[uid], seal)) != checksum
                ],
                gone,
            )

    def forget(self, attribute: bytes, uids: Iterable[int]) -> None:
        """Forget what was said under this name of some messages."""
        for some in _slices(list(uids)):
            self._file.run(partial(self._forget, attribute, some))

    def forget_messages(self, uids: Collection[int]) -> None:
        """Forget all that was said of some messages."""
        self._file.run(partial(self._forget_messages, uids))

    def sweep(self, present: Iterable[int]) -> None:
        """Forget messages that are there no more."""
        there = frozenset(present)
        for attribute in self.attributes():
            self.forget(attribute, self.known(attribute) - there)

    def _read(self, attribute: bytes, uids: Sequence[int], db: sqlite3.Connection) -> list[tuple[int, int, bytes]]:
        first = _first_key(db, attribute, self._key)
        if first is None:
            return []
        if uids[-1] - uids[0] < _SPARSE * len(uids):
            return db.execute(
                f"SELECT id & {_UID_MASK}, checksum, octets FROM answer WHERE id BETWEEN ? AND ?",
                (first | uids[0], first | uids[-1]),
            ).fetchall()
        return list(_read_each(db, [first | uid for uid in uids]))

    def _read_on(self, attribute: bytes, after: int, db: sqlite3.Connection) -> list[tuple[int, int, bytes]]:
        first = _first_key(db, attribute, self._key)
        if first is None:
            return []
        return db.execute(
            f"SELECT id & {_UID_MASK}, checksum, octets FROM answer WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (first | after + 1, first | _UID_MASK, _INSPECTED_AT_ONCE),
        ).fetchall()

    def _forget(self, attribute: bytes, uids: Collection[int], db: sqlite3.Connection) -> None:
        first = _first_key(db, attribute, self._key)
        if first is not None:
            db.executemany("DELETE FROM answer WHERE id = ?", [(first | uid,) for uid in uids])

    def _forget_messages(self, uids: Collection[int], db: sqlite3.Connection) -> None:
        for attribute in _attributes(db):
            self._forget(attribute, uids, db)

    def _known(self, attribute: bytes, after: int, db: sqlite3.Connection) -> list[int]:
        first = _first_key(db, attribute, self._key)
        if first is None:
            return []
        ids = db.execute(
            f"SELECT id & {_UID_MASK} FROM answer WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (first + after + 1, first | _UID_MASK, _INSPECTED_AT_ONCE),
        )
        return [uid for (uid,) in ids]

    def _has_no_room(self, db: sqlite3.Connection) -> bool:
        pages, free, octets = (
            db.execute(f"PRAGMA {each}").fetchone()[0] for each in ("page_count", "freelist_count", "page_size")
        )
        return bool((pages - free) * octets >= self._file.octets_max)

    def _write(self, attribute: bytes, rows: Sequence[tuple[int, int, bytes]], db: sqlite3.Connection) -> None:
        number = None if self._has_no_room(db) else _attribute_id(db, attribute)
        if number is None:
            return
        first = number << _ATTRIBUTE_SHIFT | _mailbox_id(db, self._key) << _MAILBOX_SHIFT
        db.executemany(
            "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)",
            [(first | uid, checksum, octets) for uid, checksum, octets in rows],
        )


def forget_answers(file: IndexFile) -> None:
    """Forget what was said of all messages of an account; what happened to them is not forgotten."""
    file.run(_forget_answers)


def _forget_answers(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM answer")


def _slices(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (uids[start : start + _INSPECTED_AT_ONCE] for start in range(0, len(uids), _INSPECTED_AT_ONCE))


def _read_each(db: sqlite3.Connection, ids: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    for start in range(0, len(ids), _LOOKED_UP_AT_ONCE):
        some = ids[start : start + _LOOKED_UP_AT_ONCE]
        places = ",".join("?" * len(some))
        yield from db.execute(f"SELECT id & {_UID_MASK}, checksum, octets FROM answer WHERE id IN ({places})", some)


def _attributes(db: sqlite3.Connection) -> list[bytes]:
    return [name for (name,) in db.execute(_NAMES, (_FORGOTTEN,))]


def _first_key(db: sqlite3.Connection, attribute: bytes, key: MailboxKey) -> int | None:
    """The key before that of the first message; None where nothing of this kind is known."""
    known = db.execute("SELECT id FROM attribute WHERE name = ?", (attribute,)).fetchone()
    mailbox = _known_mailbox(db, key)
    return None if known is None or mailbox is None else known[0] << _ATTRIBUTE_SHIFT | mailbox << _MAILBOX_SHIFT


def _known_mailbox(db: sqlite3.Connection, key: MailboxKey) -> int | None:
    row = db.execute(
        "SELECT id FROM mailbox WHERE guid = ? AND uid_validity = ?", (key.guid, key.uid_validity)
    ).fetchone()
    return None if row is None else int(row[0])


def _mailbox_id(db: sqlite3.Connection, key: MailboxKey) -> int:
    """The mailbox's number; one whose UIDs have begun anew has another, and what was known is forgotten."""
    known = _known_mailbox(db, key)
    if known is not None:
        return known
    stale = db.execute("SELECT id FROM mailbox WHERE guid = ?", (key.guid,)).fetchone()
    if stale is not None:
        _forget_mailbox(db, stale[0])
    (highest,) = db.execute("SELECT coalesce(max(id), 0) FROM mailbox").fetchone()
    if highest >= _MAILBOX_MAX:
        raise sqlite3.DatabaseError("no number is left for another mailbox")
    db.execute("INSERT INTO mailbox VALUES (?, ?, ?)", (highest + 1, key.guid, key.uid_validity))
    return int(highest) + 1


def _forget_mailbox(db: sqlite3.Connection, mailbox: int) -> None:
    db.execute("DELETE FROM mailbox WHERE id = ?", (mailbox,))
    for (attribute,) in db.execute("SELECT id FROM attribute").fetchall():
        first = attribute << _ATTRIBUTE_SHIFT | mailbox << _MAILBOX_SHIFT
        db.execute("DELETE FROM answer WHERE id BETWEEN ? AND ?", (first, first | _UID_MASK))


def _attribute_id(db: sqlite3.Connection, attribute: bytes) -> int | None:
    """The attribute's number, which is noted as used now; the one that was used longest ago may have to go for it.
    None as long as rows of that one are left."""
    (now,) = db.execute("SELECT coalesce(max(used), 0) + 1 FROM attribute").fetchone()
    known = db.execute("SELECT id FROM attribute WHERE name = ?", (attribute,)).fetchone()
    if known is not None:
        db.execute("UPDATE attribute SET used = ? WHERE id = ?", (now, known[0]))
        return int(known[0])
    number = _free_attribute(db)
    if number is None:
        return None
    db.execute("INSERT INTO attribute VALUES (?, ?, ?)", (number, attribute, now))
    return number


def _free_attribute(db: sqlite3.Connection) -> int | None:
    taken = {number for (number,) in db.execute("SELECT id FROM attribute")}
    free = next((number for number in range(ATTRIBUTES_MAX) if number not in taken), None)
    if free is not None:
        return free
    (oldest,) = db.execute("SELECT id FROM attribute ORDER BY used LIMIT 1").fetchone()
    first = oldest << _ATTRIBUTE_SHIFT
    deleted = db.execute(
        "DELETE FROM answer WHERE id IN (SELECT id FROM answer WHERE id BETWEEN ? AND ? LIMIT ?)",
        (first, first | (1 << _ATTRIBUTE_SHIFT) - 1, _INSPECTED_AT_ONCE),
    ).rowcount
    if deleted == _INSPECTED_AT_ONCE:
        db.execute("UPDATE attribute SET name = ?, used = 0 WHERE id = ?", (_FORGOTTEN, oldest))
        return None
    db.execute("DELETE FROM attribute WHERE id = ?", (oldest,))
    return int(oldest)
