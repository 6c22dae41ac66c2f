"""The SQLite file of one account: opened at first use, begun anew where it is damaged, given up where it cannot be."""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from twisted.logger import Logger

from mailbox_d.store.index.void_notes import VoidNotes

T = TypeVar("T")

SCHEMA_VERSION = 2
"""Of the tables below. A file of any other version is begun anew."""

_APPLICATION_ID = 0x6D626478
"""`mbdx`: by this SQLite tells our files from others."""

_SCHEMA = (
    "CREATE TABLE mailbox (id INTEGER PRIMARY KEY, guid BLOB NOT NULL UNIQUE, uid_validity INTEGER NOT NULL)",
    "CREATE TABLE attribute (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, used INTEGER NOT NULL)",
    "CREATE TABLE answer (id INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, octets BLOB NOT NULL)",
    "CREATE TABLE history"
    " (id INTEGER PRIMARY KEY, guid BLOB NOT NULL UNIQUE, uid_validity INTEGER NOT NULL, head BLOB NOT NULL)",
    "CREATE TABLE history_state (id INTEGER PRIMARY KEY, octets BLOB NOT NULL)",
    "CREATE TABLE history_change (id INTEGER PRIMARY KEY, octets BLOB NOT NULL)",
    f"PRAGMA application_id={_APPLICATION_ID}",
    f"PRAGMA user_version={SCHEMA_VERSION}",
)

_SETTINGS = ("journal_mode=TRUNCATE", "synchronous=OFF", "trusted_schema=OFF", "cell_size_check=ON", "cache_size=-1024")
"""Nothing is synced: what a power cut spoils is found by its checksum, and made again."""

_BUSY_SECONDS = 0.05
"""How long another thread or process is waited for."""

_BUSY_REST_SECONDS = 2.0
"""How long it is then taken to be busy: who waits each time is slower than without an index."""

_PATIENCE_SECONDS = 1.0
"""How long is waited for a thread, and for a process, with what must not be lost; once in a rest. A folder's lock is
held meanwhile, whose holder is taken to be alive for far longer."""

OCTETS_MAX = 1024 * 1024 * 1024

_REST_SECONDS = 60.0
"""How long an index that cannot be had is let be."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT})
_NOT_TO_BE_HAD = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
    }
)
_CHANGED_UNDER_US = frozenset({sqlite3.SQLITE_READONLY_DBMOVED, sqlite3.SQLITE_IOERR_SHORT_READ})


class IndexFile:
    """One account's index. `run` is for any thread; one piece of work at a time."""

    _log = Logger()

    def __init__(
        self,
        path: Path,
        monotonic: Callable[[], float] = time.monotonic,
        opened: Callable[[IndexFile], None] = lambda _: None,
        octets_max: int = OCTETS_MAX,
    ) -> None:
        """`opened` is told when the file is opened. `octets_max`: with which it is full."""
        self.void_notes = VoidNotes(path.with_name(path.name + "-void"))
        self.octets_max = octets_max
        self._path = path
        self._opened_now = opened
        self._monotonic = monotonic
        self._next = threading.Lock()
        """Held by whoever waits for the guard: nobody is overtaken again and again by one who has just had it."""
        self._guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._rests_until = 0.0
        self._is_busy_until = 0.0
        self._is_waited_for_from = 0.0

    def run(self, work: Callable[[sqlite3.Connection], T], *, waits: bool = False, writes: bool = True) -> T | None:
        """Do something with the file in one transaction; None where there is no index now. Raises nothing of SQLite's.

        Where the file turns out to be damaged `work` is done again, on an empty one. Who `waits` does so for longer,
        and is not refused because the file was busy just now; the lock is taken at once by one who also `writes`.
        """
        patience = _BUSY_SECONDS
        if waits and self._monotonic() >= self._is_waited_for_from:
            patience = _PATIENCE_SECONDS
        if not self._enter(patience):
            self._has_waited(patience)
            return None
        try:
            now = self._monotonic()
            if now < self._rests_until or (now < self._is_busy_until and not waits):
                return None
            return self._tried(work, patience, at_once=waits and writes)
        finally:
            self._guard.release()

    def _enter(self, patience: float) -> bool:
        """Take the guard, after those who came before."""
        if not self._next.acquire(timeout=patience):
            return False
        try:
            return self._guard.acquire(timeout=patience)
        finally:
            self._next.release()

    def _has_waited(self, patience: float) -> None:
        """In vain: for a while nobody does so for long."""
        if patience > _BUSY_SECONDS:
            self._is_waited_for_from = self._monotonic() + _BUSY_REST_SECONDS

    @property
    def inode(self) -> int:
        """Of the file that is being worked on."""
        return self._identity[1] if self._identity is not None else 0

    def close(self) -> None:
        """Give back the file; the next `run` opens it again."""
        with self._guard:
            self._close()

    def close_unless_busy(self) -> None:
        """As `close`; waits for nobody."""
        if self._guard.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._guard.release()

    def remove(self) -> None:
        """Forget everything."""
        with self._guard:
            self._close()
            self._remove()

    def _tried(self, work: Callable[[sqlite3.Connection], T], patience: float, *, at_once: bool) -> T | None:
        for _ in range(2):
            try:
                return self._transact(work, patience, at_once=at_once)
            except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last of a damaged schema
                if not self._is_mended(error, patience):
                    return None
        self._rest("it is damaged again and again")
        return None

    def _transact(self, work: Callable[[sqlite3.Connection], T], patience: float, *, at_once: bool) -> T:
        """Who will write and takes the lock `at_once` waits for it; who has read before would not."""
        connection = self._opened(patience)
        connection.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")
        with connection:
            connection.execute("BEGIN IMMEDIATE" if at_once else "BEGIN")
            return work(connection)

    def _opened(self, patience: float) -> sqlite3.Connection:
        """The connection to the file that is there now, not to one that was removed or replaced."""
        if self._connection is not None and self._look() == self._identity:
            return self._connection
        self._close()
        self._drop_what_is_no_file()
        connection = sqlite3.connect(
            self._path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity = connection, self._look()
        self._opened_now(self)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        if not _is_made(connection):
            self._make(connection)

    def _make(self, connection: sqlite3.Connection) -> None:
        """Begin a file, and with it the notes, before anything can be written in it that they would be on."""
        with connection:
            connection.execute("BEGIN EXCLUSIVE")
            if _is_made(connection):  # by another process, meanwhile
                return
            self.void_notes.remove()
            for statement in _SCHEMA:
                connection.execute(statement)
        self._path.chmod(0o600)

    def _is_mended(self, error: Exception, patience: float) -> bool:
        """Whether it is worth trying again: the file was damaged, and is begun anew."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _BUSY:
            self._is_busy_until = self._monotonic() + _BUSY_REST_SECONDS
            self._has_waited(patience)
            return False
        self._close()
        if code in _CHANGED_UNDER_US:
            return True
        if code & 0xFF in _NOT_TO_BE_HAD or isinstance(error, OSError):
            self._rest(str(error))
            return False
        self._log.warn("The index {path} is begun anew: {why}", path=str(self._path), why=str(error))
        self._remove()
        return True

    def _rest(self, why: str) -> None:
        self._rests_until = self._monotonic() + _REST_SECONDS
        self._log.warn("There is no index at {path} for a while: {why}", path=str(self._path), why=why)

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _drop_what_is_no_file(self) -> None:
        """SQLite would follow a link to wherever it leads."""
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(self._path.lstat().st_mode):
                self._path.unlink()
            self._journal.lstat()
            if not stat.S_ISREG(self._journal.lstat().st_mode):
                self._journal.unlink()

    @property
    def _journal(self) -> Path:
        return self._path.with_name(self._path.name + "-journal")

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _remove(self) -> None:
        for path in (self._path, self._journal):
            with suppress(OSError):
                path.unlink()


def _is_made(connection: sqlite3.Connection) -> bool:
    """Whether there are our tables; false where the file is empty. Raises `sqlite3.DatabaseError` for any other."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if (version, application) == (SCHEMA_VERSION, _APPLICATION_ID):
        return True
    if (version, application) != (0, 0) or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise sqlite3.DatabaseError(f"the file is of version {version}")
    return False
