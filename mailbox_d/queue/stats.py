"""What is in the queue, in figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mailbox_d.queue.jobs import Jobs
from mailbox_d.queue.schedule import RowState

AGES = (3600.0, 4 * 3600.0, 86400.0, 5 * 86400.0)
"""Seconds that part the classes of age."""

DOMAINS_MAX = 10_000
"""That are counted by name; the others count under the empty one."""


@dataclass(slots=True)
class QueueStats:
    """Messages, and jobs: a message counts for each domain to which it is to go. `being_sent`: jobs that are claimed;
    `ages`: jobs by class of age, of which `AGES` has the bounds; `waiting`, `held`: jobs by domain; `set_aside`: files
    that were damaged or none of ours, since the start; `is_complete`: all files have been looked at."""

    messages: int = 0
    being_sent: int = 0
    set_aside: int = 0
    is_complete: bool = True
    ages: list[int] = field(default_factory=lambda: [0] * (len(AGES) + 1))
    waiting: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)


def count_jobs(jobs: Jobs, now: float) -> QueueStats:
    """Count what there is, some thousand jobs at a time."""
    stats = QueueStats(being_sent=jobs.claimed)
    arrivals = [now - age for age in AGES]
    after: int | None = 0
    while after is not None:
        found, after = jobs.figures(after, arrivals)
        for figures in found:
            stats.ages[figures.age] += figures.count
            counts = stats.held if figures.state is RowState.HELD else stats.waiting
            known = figures.domain in counts or len(counts) < DOMAINS_MAX
            counts[figures.domain if known else ""] += figures.count
    return stats
