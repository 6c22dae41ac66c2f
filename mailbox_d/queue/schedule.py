"""What waits, and when it is due: one SQLite file, which is a cache. It is made anew from the messages' files.

A row stands for a job: a message's recipients in one domain. Rows wait, are held, or are claimed by whoever sends them;
claims die with the process. A second table has each domain in which something waits, with the time of the first thing
due, so that a million rows in one domain do not hide another. Nothing is synced, and a transaction is written once in
some hundred changes: how the file was closed, a mark says (`clean_end`). Whatever goes wrong with it makes it wanting:
then it misses rows, and has rows that are not true any more (claims that nobody has among them), until all files were
looked at again.

Not safe for threads: `jobs` is.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

from twisted.logger import Logger

from mailbox_d.queue.job import Job
from mailbox_d.queue.stored_values import count, seconds, text

T = TypeVar("T")


class RowState(IntEnum):
    """What may be done with a job."""

    WAITING = 0
    HELD = 1
    CLAIMED = 2


SCHEMA_VERSION = 2

_APPLICATION_ID = 0x6D627173
"""`mbqs`."""

_SCHEMA = (
    "CREATE TABLE job (id INTEGER PRIMARY KEY, message TEXT NOT NULL, domain TEXT NOT NULL, sender TEXT NOT NULL,"
    " due REAL NOT NULL, arrived REAL NOT NULL, octets INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " state INTEGER NOT NULL, UNIQUE (message, domain))",
    "CREATE INDEX job_due ON job (domain, due) WHERE state = 0",
    "CREATE INDEX job_domain ON job (domain)",
    "CREATE INDEX job_late ON job (due) WHERE state = 0",
    "CREATE INDEX job_claimed ON job (domain) WHERE state = 2",
    "CREATE TABLE domain (name TEXT PRIMARY KEY, due REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX domain_due ON domain (due)",
    f"PRAGMA application_id={_APPLICATION_ID}",
    f"PRAGMA user_version={SCHEMA_VERSION}",
)
_SETTINGS = (
    "locking_mode=EXCLUSIVE",
    "journal_mode=MEMORY",
    "synchronous=OFF",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "cache_size=-4096",
)
_COLUMNS = "message, domain, sender, due, arrived, octets, attempts, state = 1, 0.0, id"
"""In the order of a `Job`'s fields."""

_CHANGES_A_TRANSACTION = 512
"""Changes that a fault may undo; each holds some pages of the journal in memory."""

_REST_SECONDS = 30.0
"""How long a file that cannot be had is let be."""

_ROWS_A_PAGE = 5000
"""That are looked at for one page."""

_NAMES_AT_ONCE = 500
"""That stand in one query; SQLite takes some more."""

_LAST_ROW = 2**63 - 1

_LATE_A_TURN = 1000
"""Rows that a clock which jumped back has left in the future and that are pulled back at once."""

_NOT_DAMAGED = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs an operator means; what is empty means any."""

    identifier: str = ""
    domain: str = ""
    sender: str = ""
    state: RowState | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """How many jobs of a domain are in a state, of one class of age (0: the youngest); their octets, and when the first
    of them came."""

    domain: str
    state: RowState
    age: int
    count: int
    octets: int
    oldest: float


class Schedule:
    """The file at a path, or `:memory:`. No method raises what goes wrong with it: see `is_wanting`."""

    _log = Logger()

    def __init__(self, path: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.losses = 0
        """How often something of it may have been lost."""
        self._mended = 0
        self._path = path
        self._monotonic = monotonic
        self._connection: sqlite3.Connection | None = None
        self._changes = 0
        self._rests_until = 0.0

    def open(self, *, is_clean: bool) -> None:
        """Go on with the file, if it was closed well; else begin a new one, which is wanting."""
        if not is_clean:
            self._remove()
            self.note_loss()
        self._run(self._end_claims, None)

    def close(self) -> bool:
        """Write down what is left, for good. Whether the file says all that it should."""
        self._run(lambda connection: connection.commit() if connection.in_transaction else None, None)
        is_whole = self._connection is not None and not self.is_wanting
        self._close()
        self._rests_until = math.inf
        return is_whole

    @property
    def is_wanting(self) -> bool:
        """Whether all messages' files must be looked at again: rows may be missing, or not be true."""
        return self._mended < self.losses

    def note_loss(self) -> None:
        """Something of it may have been lost just now."""
        self.losses += 1

    def note_look(self, losses: int) -> None:
        """All files were looked at, and nothing was missed, since there had been so many losses."""
        self._mended = max(self._mended, losses)

    def add(self, jobs: Iterable[Job]) -> None:
        """Rows for jobs that have none and that nobody has: a row that is claimed, or held wrongly, is mended."""
        rows = [_row(job) for job in jobs]
        self._run(lambda connection: self._add(connection, rows), None)

    def claim(self, domain: str, now: float, latest: float, limit: int) -> list[Job]:
        """Those jobs of a domain that have been due for longest; what is due beyond `latest` is due now."""
        return self._run(lambda connection: self._claim(connection, domain, now, latest, limit), [])

    def claim_message(self, identifier: str) -> list[Job]:
        """All jobs of a message that nobody has, whether due or not."""
        return self._run(lambda connection: self._claim_message(connection, identifier), [])

    def put(self, job: Job) -> None:
        """Give back a claimed job, with the time when it is due now."""
        self._run(lambda connection: self._put(connection, job), None)

    def drop(self, job: Job) -> None:
        """Forget a claimed job."""
        if job.row:
            self._run(lambda connection: self._drop(connection, job), None)

    def change(self, identifier: str, *, state: RowState | None = None, due: float | None = None) -> None:
        """Hold or let go what waits of a message, or make it due."""
        self._run(lambda connection: self._change(connection, identifier, state, due), None)

    def due_domains(self, now: float, latest: float, limit: int, after: str) -> list[str]:
        """Domains in which something is due, by name, behind one."""
        query = "SELECT name FROM domain WHERE name > ? AND (due <= ? OR due > ?) ORDER BY name LIMIT ?"
        return self._select(query, (after, now, latest, limit), lambda row: str(row[0]))

    def due_of(self, domains: Sequence[str], now: float, latest: float) -> list[str]:
        """In which of these something is due."""
        found = []
        for start in range(0, len(domains), _NAMES_AT_ONCE):
            names = domains[start : start + _NAMES_AT_ONCE]
            places = ", ".join("?" * len(names))
            query = f"SELECT name FROM domain WHERE name IN ({places}) AND (due <= ? OR due > ?)"
            found += self._select(query, (*names, now, latest), lambda row: str(row[0]))
        return found

    def pull_back(self, latest: float, now: float) -> bool:
        """Make due what the clock had put where it will not come for long: some of it. Whether there was any."""
        query = "SELECT id, domain FROM job WHERE state = 0 AND due > ? ORDER BY due LIMIT ?"
        rows = self._select(query, (latest, _LATE_A_TURN), lambda row: (row[0], row[1]))
        if rows:
            self._run(lambda connection: self._make_due(connection, rows, now), None)
        return bool(rows)

    def next_due(self) -> float | None:
        """When the first thing is due; None where nothing waits."""
        found = self._select("SELECT due FROM domain ORDER BY due LIMIT 1", (), lambda row: seconds(row[0]))
        return found[0] if found else None

    def page(self, selection: Selection, after: int, limit: int) -> tuple[list[Job], int | None]:
        """Some of the jobs that are meant, in the order of their rows, behind one; and the row behind which to go on,
        None at the end. There may be none on a page, for it ends after so many rows have been looked at."""
        terms, values = _terms(selection)
        end = self._end_of_page(after)
        if selection.identifier or selection.domain:  # an index leads to them
            end = _LAST_ROW
        query = f"SELECT {_COLUMNS} FROM job WHERE id > ? AND id <= ? {terms} ORDER BY id LIMIT ?"
        jobs = self._select(query, (after, end, *values, limit), _job)
        if len(jobs) == limit:
            return jobs, jobs[-1].row
        return jobs, None if end == _LAST_ROW else end

    def figures(self, after: int, ages: Sequence[float]) -> tuple[list[Figures], int | None]:
        """What some of the rows come to, behind one, and the row behind which to go on. `ages`: the times of arrival
        that part the classes of age, the latest first."""
        end = self._end_of_page(after)
        age = " + ".join(["(arrived < ?)"] * len(ages)) or "0"
        columns = f"domain, state, {age}, count(*), sum(octets), min(arrived)"
        query = f"SELECT {columns} FROM job WHERE id > ? AND id <= ? GROUP BY 1, 2, 3"
        found = self._select(query, (*ages, after, end), _figures)
        return found, None if end == _LAST_ROW else end

    def _end_of_page(self, after: int) -> int:
        query = "SELECT id FROM job WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?"
        found = self._select(query, (after, _ROWS_A_PAGE), lambda row: int(row[0]))
        return found[0] if found else _LAST_ROW

    def _select(self, query: str, values: Sequence[object], made: Callable[[Any], T]) -> list[T]:
        return self._run(lambda connection: _made(connection.execute(query, values), made), [])

    def _end_claims(self, connection: sqlite3.Connection) -> None:
        """Nobody has anything of it yet."""
        claimed = connection.execute("SELECT DISTINCT domain FROM job WHERE state = 2").fetchall()
        connection.execute("UPDATE job SET state = 0 WHERE state = 2")
        for (domain,) in claimed:
            self._refresh(connection, domain)

    def _add(self, connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """A fault that undid some changes may have left rows that are claimed or held for ever."""
        connection.executemany(
            "INSERT INTO job (message, domain, sender, due, arrived, octets, attempts, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message, domain) DO UPDATE"
            " SET due = excluded.due, attempts = excluded.attempts, state = excluded.state"
            " WHERE job.state = 2 OR (job.state = 1 AND excluded.state = 0)",
            rows,
        )
        for domain in {str(row[1]) for row in rows}:
            self._refresh(connection, domain)
        self._changes += len(rows)

    def _claim(self, connection: sqlite3.Connection, domain: str, now: float, latest: float, limit: int) -> list[Job]:
        waiting = f"SELECT {_COLUMNS} FROM job WHERE state = 0 AND domain = ?"
        rows = connection.execute(f"{waiting} AND due <= ? ORDER BY due LIMIT ?", (domain, now, limit)).fetchall()
        if not rows:
            beyond = f"{waiting} AND due > ? ORDER BY due LIMIT ?"
            rows = connection.execute(beyond, (domain, latest, limit)).fetchall()
        return self._claimed(connection, _made(rows, _job))

    def _claim_message(self, connection: sqlite3.Connection, identifier: str) -> list[Job]:
        query = f"SELECT {_COLUMNS} FROM job WHERE message = ? AND state != ?"
        rows = connection.execute(query, (identifier, RowState.CLAIMED)).fetchall()
        return self._claimed(connection, _made(rows, _job))

    def _claimed(self, connection: sqlite3.Connection, jobs: list[Job]) -> list[Job]:
        connection.executemany("UPDATE job SET state = 2 WHERE id = ?", [(job.row,) for job in jobs])
        for domain in {job.domain for job in jobs}:
            self._refresh(connection, domain)
        return jobs

    def _put(self, connection: sqlite3.Connection, job: Job) -> None:
        state = RowState.HELD if job.is_held else RowState.WAITING
        values = (job.due, job.attempts, int(state), job.identifier, job.domain)
        update = "UPDATE job SET due=?, attempts=?, state=? WHERE message=? AND domain=?"
        if connection.execute(update, values).rowcount:
            self._refresh(connection, job.domain)
        else:
            self._add(connection, [_row(job)])

    def _drop(self, connection: sqlite3.Connection, job: Job) -> None:
        """The row may be another job's by now: where the file was begun anew."""
        values = (job.row, job.identifier, job.domain)
        connection.execute("DELETE FROM job WHERE id=? AND message=? AND domain=?", values)
        self._changed()

    def _change(
        self, connection: sqlite3.Connection, identifier: str, state: RowState | None, due: float | None
    ) -> None:
        if due is not None:
            connection.execute("UPDATE job SET due=? WHERE message=?", (due, identifier))
        if state is not None:
            values = (state, identifier, RowState.CLAIMED)
            connection.execute("UPDATE job SET state=? WHERE message=? AND state != ?", values)
        domains = connection.execute("SELECT domain FROM job WHERE message=?", (identifier,)).fetchall()
        for (domain,) in domains:
            self._refresh(connection, domain)

    def _refresh(self, connection: sqlite3.Connection, domain: str) -> None:
        """Note when the first thing of a domain is due."""
        query = "SELECT due FROM job WHERE state = 0 AND domain = ? ORDER BY due LIMIT 1"
        row = connection.execute(query, (domain,)).fetchone()
        if row is None:
            connection.execute("DELETE FROM domain WHERE name=?", (domain,))
        else:
            upsert = "INSERT INTO domain (name, due) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET due=excluded.due"
            connection.execute(upsert, (domain, row[0]))
        self._changed()

    def _make_due(self, connection: sqlite3.Connection, rows: Sequence[tuple[int, str]], now: float) -> None:
        connection.executemany("UPDATE job SET due=? WHERE id=?", [(now, row) for row, _ in rows])
        for domain in {domain for _, domain in rows}:
            self._refresh(connection, domain)

    def _changed(self) -> None:
        self._changes += 1

    def _run(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Do something with the file; once more where it was damaged, on a new one."""
        for _ in range(2):
            try:
                connection = self._opened()
                if connection is None:
                    self.note_loss()
                    return otherwise
                return self._transact(connection, work)
            except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
                if not self._is_mended(error):
                    break
        return otherwise

    def _transact(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        if not connection.in_transaction:
            connection.execute("BEGIN")
        result = work(connection)
        if self._changes >= _CHANGES_A_TRANSACTION:
            connection.commit()
            self._changes = 0
        return result

    def _is_mended(self, error: Exception) -> bool:
        """Whether it is worth trying again: the file was damaged, and is begun anew."""
        self.note_loss()
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        damaged = not isinstance(error, OSError) and code & 0xFF not in _NOT_DAMAGED
        self._log.warn("The schedule {path} must be made again: {why}", path=self._path, why=str(error))
        if damaged:
            self._remove()
            return True
        if self._connection is not None and code & 0xFF != sqlite3.SQLITE_CANTOPEN:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            return False
        self._close()
        self._rests_until = self._monotonic() + _REST_SECONDS
        return False

    def _opened(self) -> sqlite3.Connection | None:
        if self._connection is not None:
            return self._connection
        if self._monotonic() < self._rests_until:
            return None
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=1.0)
        try:
            for setting in _SETTINGS:
                connection.execute(f"PRAGMA {setting}")
            _make(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._changes = connection, 0
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _remove(self) -> None:
        self._close()
        if self._path != ":memory:":
            for path in (Path(self._path), Path(self._path + "-journal")):
                with suppress(OSError):
                    path.unlink()


def _make(connection: sqlite3.Connection) -> None:
    """Begin the file where it is empty. Raises `sqlite3.DatabaseError` where it is none of ours."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if (version, application) == (SCHEMA_VERSION, _APPLICATION_ID):
        return
    if (version, application) != (0, 0) or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise sqlite3.DatabaseError(f"the file is of version {version}")
    connection.execute("BEGIN")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.commit()


def _made(rows: Iterable[Sequence[Any]], made: Callable[[Any], T]) -> list[T]:
    """What rows say. Raises `sqlite3.DatabaseError` where one was not written by us."""
    try:
        return [made(row) for row in rows]
    except ValueError as error:
        raise sqlite3.DatabaseError("a row says nothing") from error


def _job(row: Sequence[Any]) -> Job:
    """A job from the columns of a row. Raises `ValueError`."""
    identifier, domain, sender, due, arrived, octets, attempts, is_held, taken, number = row
    names = text(identifier), text(domain), text(sender)
    return Job(*names, seconds(due), seconds(arrived), count(octets), count(attempts), bool(is_held), taken, number)


def _figures(row: Sequence[Any]) -> Figures:
    """Figures from the columns of a row. Raises `ValueError`."""
    domain, state, age, number, octets, oldest = row
    return Figures(text(domain), RowState(state), count(age), count(number), count(octets), seconds(oldest))


def _row(job: Job) -> tuple[object, ...]:
    state = RowState.HELD if job.is_held else RowState.WAITING
    return (job.identifier, job.domain, job.sender, job.due, job.arrived, job.octets, job.attempts, int(state))


def _terms(selection: Selection) -> tuple[str, list[object]]:
    """What a selection demands, in SQL."""
    columns = {"message": selection.identifier, "domain": selection.domain, "sender": selection.sender}
    given: list[tuple[str, object]] = [(column, text) for column, text in columns.items() if text]
    if selection.state is not None:
        given.append(("state", int(selection.state)))
    return "".join(f" AND {column} = ?" for column, _ in given), [value for _, value in given]
