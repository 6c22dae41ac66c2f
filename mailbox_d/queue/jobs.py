"""All that waits: what has just come and is due, in memory; all else in the schedule; and what is being sent now.

Most messages go out at once. They never come to the schedule: a bounded number of jobs is kept in memory alone, for
the messages' files say all that must be known after the process's end. What does not fit, is not due or was tried
before has a row; rows that are due are fetched some at a time. Each job is in one of these places, and moves under one
lock. Safe for threads.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from mailbox_d.queue.backoff import Backoff
from mailbox_d.queue.job import Job
from mailbox_d.queue.schedule import Figures, RowState, Schedule, Selection

READY_MAX = 1000
"""Jobs that are kept in memory alone; they are made rows where an operator looks at the queue."""

_ROWS_AT_ONCE = 20
"""Jobs of one domain that are fetched from the schedule at once."""


class Jobs:
    """Jobs in memory, in front of a schedule."""

    def __init__(self, schedule: Schedule, backoff: Backoff, ready_max: int = READY_MAX) -> None:
        self._schedule = schedule
        self._backoff = backoff
        self._ready_max = ready_max
        self._guard = threading.Lock()
        self._ready: dict[str, deque[Job]] = {}
        self._ready_keys: set[tuple[str, str]] = set()
        self._claimed: dict[tuple[str, str], Job] = {}
        self._next_row_due: float | None = None
        """When the first row is due, or before that; None where no row waits."""
        self._was_turn_of_rows = False
        self._last_now = 0.0
        self._is_set_back = True
        """Whether the clock may have been ahead when some of the rows were made."""

    def open(self, *, is_clean: bool) -> None:
        with self._guard:
            self._schedule.open(is_clean=is_clean)
            self._look()

    def close(self) -> bool:
        """Write all down; whether that could be done. What comes after that is wanting."""
        with self._guard:
            self._ready_max = 0
            self._spill()
            for job in self._claimed.values():
                self._schedule.put(job)
            self._claimed.clear()
            return self._schedule.close()

    @property
    def is_wanting(self) -> bool:
        """Whether jobs may be missing, so that all messages are to be looked at."""
        return self._schedule.is_wanting

    @property
    def losses(self) -> int:
        """How often some may have been lost: to be noted before all messages are looked at, for `note_look`."""
        return self._schedule.losses

    def note_loss(self) -> None:
        """Some may have been lost just now."""
        with self._guard:
            self._schedule.note_loss()

    def note_look(self, losses: int) -> None:
        """All messages were looked at, and none was missed, since there had been so many losses."""
        with self._guard:
            self._schedule.note_look(losses)

    def add(self, jobs: Sequence[Job], now: float) -> None:
        """A new message's: from now on they may be taken."""
        with self._guard:
            if len(self._ready_keys) + len(jobs) > self._ready_max or any(job.is_held or job.due > now for job in jobs):
                self._schedule.add(jobs)
                self._look()
                return
            for job in jobs:
                self._make_ready(job)

    def find_again(self, jobs: Iterable[Job], hidden: Collection[str]) -> None:
        """What a message's file says is to be done: those that are known are as they were. Nothing is found of messages
        that are `hidden`."""
        with self._guard:
            unknown = [job for job in jobs if job.identifier not in hidden and not self._is_in_memory(job.key)]
            if unknown:
                self._schedule.add(unknown)
                self._look()

    def due_domains(self, now: float, limit: int, after: str = "") -> list[str]:
        """Domains in which something is due, by name, behind one: bounded, and in time none is left out."""
        with self._guard:
            self._notice(now)
            rows = self._due_rows(now, limit, after)
            ready = heapq.nsmallest(limit, (domain for domain in self._ready if domain > after))
        return list(islice(_each_once(heapq.merge(ready, rows)), limit))

    def due_of(self, domains: Iterable[str], now: float) -> list[str]:
        """In which of these something is due, by name."""
        wanted = set(domains)
        with self._guard:
            self._notice(now)
            found = wanted & self._ready.keys()
            if self._may_have_due_rows(now):
                found.update(self._schedule.due_of(tuple(wanted), now, self._backoff.latest(now)))
        return sorted(found)

    def take(self, domain: str, now: float) -> Job | None:
        """Claim the job of a domain that has been due for longest; None where none is."""
        with self._guard:
            if self._is_turn_of_rows(domain):
                self._fetch_rows(domain, now)
            job = self._claim_ready(domain)
            if job is None:
                return None
            job = self._claimed[job.key] = replace(job, taken=now)
            return job

    def take_message(self, identifier: str, now: float) -> list[Job]:
        """Claim all jobs of a message that nobody has, whether due or held."""
        with self._guard:
            self._spill()
            jobs = [replace(job, taken=now) for job in self._schedule.claim_message(identifier)]
            self._claimed.update((job.key, job) for job in jobs)
            return jobs

    def put(self, job: Job) -> None:
        """Give back a claimed job, with the time when it is due now."""
        with self._guard:
            if self._claimed.pop(job.key, None) is None:
                return
            was_ready = not (job.row or job.attempts or job.is_held or job.due > job.taken)
            if was_ready and len(self._ready_keys) < self._ready_max:
                self._make_ready(job)
            else:
                self._schedule.put(job)
                self._look()

    def drop(self, job: Job) -> None:
        """Forget a claimed job: it is done, or its message is gone."""
        with self._guard:
            if self._claimed.pop(job.key, None) is not None:
                self._schedule.drop(job)

    def change(self, identifier: str, *, state: RowState | None = None, due: float | None = None) -> None:
        """Hold or let go what waits of a message, or make it due. What is claimed now is put back by whoever has it."""
        with self._guard:
            self._spill()
            self._schedule.change(identifier, state=state, due=due)
            self._look()

    def next_due(self) -> float | None:
        """When the first thing is due, or some time before; None where nothing waits."""
        with self._guard:
            if self._ready:
                return 0.0
            self._look()
            return self._next_row_due

    def page(self, selection: Selection, after: int, limit: int) -> tuple[list[Job], int | None]:
        """Some of the jobs that are meant, and behind which row to go on; None at the end."""
        with self._guard:
            self._spill()
            return self._schedule.page(selection, after, limit)

    def figures(self, after: int, ages: Sequence[float]) -> tuple[list[Figures], int | None]:
        """What some of the jobs come to, and behind which row to go on; None at the end."""
        with self._guard:
            self._spill()
            return self._schedule.figures(after, ages)

    def is_claimed(self, identifier: str, beside: Iterable[Job] = ()) -> bool:
        """Whether somebody has some of a message, beside these jobs."""
        known = {job.key for job in beside}
        with self._guard:
            return any(key[0] == identifier and key not in known for key in self._claimed)

    @property
    def claimed(self) -> int:
        return len(self._claimed)

    def being_sent(self) -> tuple[str, ...]:
        """The messages of which something is claimed, each once."""
        with self._guard:
            return tuple(dict.fromkeys(job.identifier for job in self._claimed.values()))

    def _is_in_memory(self, key: tuple[str, str]) -> bool:
        return key in self._ready_keys or key in self._claimed

    def _make_ready(self, job: Job) -> None:
        self._ready_keys.add(job.key)
        self._ready.setdefault(job.domain, deque()).append(job)

    def _claim_ready(self, domain: str) -> Job | None:
        jobs = self._ready.get(domain)
        if jobs is None:
            return None
        job = jobs.popleft()
        self._ready_keys.discard(job.key)
        if not jobs:
            del self._ready[domain]
        return job

    def _is_turn_of_rows(self, domain: str) -> bool:
        """Rows are older, and go first; but where new jobs come all the time, each second look is for those."""
        ready = self._ready.get(domain)
        if not ready:
            return True
        if ready[0].row:
            return False
        self._was_turn_of_rows = not self._was_turn_of_rows
        return self._was_turn_of_rows

    def _fetch_rows(self, domain: str, now: float) -> None:
        """Have some rows that are due in memory, in front of what has just come."""
        if not self._may_have_due_rows(now):
            return
        room = min(_ROWS_AT_ONCE, self._ready_max - len(self._ready_keys))
        for job in reversed(self._schedule.claim(domain, now, self._backoff.latest(now), max(room, 1))):
            if not self._is_in_memory(job.key):  # it may be a row that was made again of what is being sent
                self._ready_keys.add(job.key)
                self._ready.setdefault(domain, deque()).appendleft(job)

    def _due_rows(self, now: float, limit: int, after: str) -> list[str]:
        if not self._may_have_due_rows(now):
            return []
        domains = self._schedule.due_domains(now, self._backoff.latest(now), limit, after)
        if not domains:
            self._look()
        return domains

    def _may_have_due_rows(self, now: float) -> bool:
        return self._next_row_due is not None and self._backoff.is_due(self._next_row_due, now)

    def _notice(self, now: float) -> None:
        """Where the clock was set back, what it had put far ahead is due now."""
        if now < self._last_now:
            self._is_set_back = True
        self._last_now = now
        if self._is_set_back:
            self._is_set_back = self._schedule.pull_back(self._backoff.latest(now), now)
            self._look()

    def _look(self) -> None:
        self._next_row_due = self._schedule.next_due()

    def _spill(self) -> None:
        """Make rows of what is in memory alone."""
        if self._ready:
            jobs = [job for jobs in self._ready.values() for job in jobs]
            self._schedule.add([job for job in jobs if not job.row])
            for job in jobs:
                if job.row:
                    self._schedule.put(job)
            self._ready.clear()
            self._ready_keys.clear()
            self._look()


def _each_once(names: Iterable[str]) -> Iterator[str]:
    """Sorted names without those that come twice."""
    last = None
    for name in names:
        if name != last:
            yield name
        last = name
