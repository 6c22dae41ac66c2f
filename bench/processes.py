"""What a server's processes have used, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and all below it that live."""
    return [pid, *(deeper for child in children(pid) for deeper in tree(child))]


def children(pid: int) -> Iterator[int]:
    """Those it has begun; none where it has ended meanwhile."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                yield from map(int, task.read_text().split())


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, of all below it, and of those below it that have ended (proc(5)).

    Of what lives it is as exact as the scheduler's own count, of what has ended to a tick.
    """
    return sum(map(_cpu_seconds, tree(pid)))


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    # The ticks count threads that have ended too, and are rounded down.
    own = max(sum(map(int, fields[11:13])) / TICKS, sum(map(_thread_seconds, Path(f"/proc/{pid}/task").glob("*"))))
    return own + sum(map(int, fields[13:15])) / TICKS


def _thread_seconds(task: Path) -> float:
    """From the scheduler's count in nanoseconds; 0 where the kernel has none."""
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return 0


def pss_kilobytes(pid: int) -> int:
    """The proportional set size of the process and all below it."""
    return sum(map(_pss, tree(pid)))


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
