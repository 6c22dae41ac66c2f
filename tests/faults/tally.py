"""What the tests of faults did, counted over a whole run, for the table at its end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

IN_FULL = bool(os.environ.get("MAILBOXD_FAULTS_IN_FULL"))
"""Whether there is time for as much as the tests promise in their first lines (`make faults`)."""

COLUMNS = ("kills", "states", "faults", "messages", "lost", "doubled", "unavoidable")
"""Processes killed, disks after a loss of power, errors of the disk; messages answered or found; those that were not
there any more, those there more often than is documented, and those there more often as it is. A test fails at the
first that is lost or doubled."""

_COUNTS: dict[str, Counter[str]] = {}


def count(row: str, **figures: int) -> None:
    """Add to a row of the table."""
    assert set(figures) <= set(COLUMNS), figures
    _COUNTS.setdefault(row, Counter()).update(figures)


_TOLD: list[str] = []


def tell(line: str) -> None:
    """Have a line stand below the table: what was measured, and judged by nobody."""
    _TOLD.append(line)


def told() -> list[str]:
    """All that was told."""
    return list(_TOLD)


def counted() -> dict[str, dict[str, int]]:
    """All that was counted, by row."""
    return {row: dict(counts) for row, counts in _COUNTS.items()}


def table() -> Iterator[str]:
    """The lines of the table; none where nothing was counted."""
    if not _COUNTS:
        return
    width = max(map(len, (*_COUNTS, "all")))
    yield " " * width + "".join(f"{column:>12}" for column in COLUMNS)
    for row, counts in (*_COUNTS.items(), ("all", sum(_COUNTS.values(), Counter[str]()))):
        yield f"{row:<{width}}" + "".join(f"{counts[column]:>12,}" for column in COLUMNS)
