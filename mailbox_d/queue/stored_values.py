"""Values that stand in the queue's files, of the kinds and sizes that all else relies on.

A checksum tells only that a line is as it was written, not by whom: `1e999`, NaN or half a surrogate pair must not come
as far as the schedule, a date or another server. Each function raises `ValueError` for what is none.
"""

from __future__ import annotations

from typing import Any

SECONDS_MAX = 2.0**36
"""Of times since 1970, and of spans: the year 4147."""

COUNT_MAX = 2**62
"""More than there are tries, messages or octets; SQLite holds it."""


def text(value: Any) -> str:
    """A text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} is no text")
    value.encode()
    return value


def seconds(value: Any) -> float:
    """A time or a span, finite and not before its beginning."""
    if not isinstance(value, int | float) or not 0 <= value <= SECONDS_MAX:
        raise ValueError("no number of seconds")
    return float(value)


def count(value: Any) -> int:
    """How many of something there are."""
    if not isinstance(value, int) or not 0 <= value <= COUNT_MAX:
        raise ValueError("no count")
    return int(value)
