"""What is in the queue, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailbox_d.queue.folders import Folders
from mailbox_d.queue.job import Job
from mailbox_d.queue.jobs import Jobs
from mailbox_d.queue.schedule import Figures, RowState

AGES = (3600.0, 4 * 3600.0, 86400.0, 5 * 86400.0)
"""Seconds that part the classes of age."""

DOMAINS_MAX = 10_000
"""That are counted by name; the others count under the empty one."""


@dataclass(slots=True)
class QueueStats:
    """Messages, and jobs: a message counts for each domain to which it is to go. `being_sent`: jobs that are claimed;
    `ages`: jobs by class of age, of which `AGES` has the bounds; `waiting`, `held`: jobs by domain; `octets`: of all
    jobs; `oldest`: by domain, when the first of its messages came; `set_aside`: files that were damaged or none of
    ours, since the start; `is_complete`: all files have been looked at."""

    messages: int = 0
    being_sent: int = 0
    octets: int = 0
    set_aside: int = 0
    is_complete: bool = True
    ages: list[int] = field(default_factory=lambda: [0] * (len(AGES) + 1))
    waiting: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    oldest: dict[str, float] = field(default_factory=dict)

    def add(self, figures: Figures) -> None:
        """Count some jobs."""
        domain = figures.domain if figures.domain in self.oldest or len(self.oldest) < DOMAINS_MAX else ""
        counts = self.held if figures.state is RowState.HELD else self.waiting
        counts[domain] += figures.count
        self.ages[figures.age] += figures.count
        self.octets += figures.octets
        self.oldest[domain] = min(figures.oldest, self.oldest.get(domain, figures.oldest))

    def add_job(self, job: Job, now: float) -> None:
        """Count one job."""
        age = sum(now - job.arrived > seconds for seconds in AGES)
        state = RowState.HELD if job.is_held else RowState.WAITING
        self.add(Figures(job.domain, state, age, 1, job.octets, job.arrived))


def count_jobs(jobs: Jobs, now: float) -> Iterator[QueueStats]:
    """Count what there is, some thousand jobs a turn: the same figures each time, and at last they are whole."""
    stats = QueueStats(being_sent=jobs.claimed)
    arrivals = [now - age for age in AGES]
    after: int | None = 0
    while after is not None:
        found, after = jobs.figures(after, arrivals)
        for figures in found:
            stats.add(figures)
        yield stats


def damaged_files(folders: Folders) -> int:
    """How many files lie where damaged ones are put. Raises `OSError`."""
    try:
        return sum(1 for _ in folders.files.each_name(folders.damaged))
    except FileNotFoundError:
        return 0
