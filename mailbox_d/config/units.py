"""Sizes, durations and counts: `50 MiB`, `5 min`, `1000`. Annotations of the model's fields, with their bounds.

Sizes are held as octets (int), durations as seconds (float).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mailbox_d.config.faults import Refusal, WrongKind, shown, unknown
from mailbox_d.config.scalars import Scalar

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

SIZES: Mapping[str, int] = {
    "B": 1,
    "KiB": KIB,
    "MiB": MIB,
    "GiB": GIB,
    "TiB": 1 << 40,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
DURATIONS: Mapping[str, float] = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0

_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]*)")
_A_SIZE = "a size such as 50 MiB"
_A_DURATION = "a duration such as 30 s, 5 min, 4 h or 5 days"


def parse_size(value: object) -> int:
    """Octets from `50 MiB`, or from a whole number of octets. Raises `Refusal`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, str):
        raise WrongKind(value, _A_SIZE)
    return int(_quantity(value, SIZES, _A_SIZE))


def parse_duration(value: object) -> float:
    """Seconds from `5 min`; a number needs its unit, but for 0. Raises `Refusal`."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value == 0:
            return 0.0
        raise Refusal(f"the number {value} has no unit", _A_DURATION)
    if not isinstance(value, str):
        raise WrongKind(value, _A_DURATION)
    return float(_quantity(value, DURATIONS, _A_DURATION))


def format_size(octets: int) -> str:
    """The shortest way to write a size: `50 MiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if octets and octets % SIZES[unit] == 0:
            return f"{octets // SIZES[unit]} {unit}"
    return f"{octets} B"


def format_duration(seconds: float) -> str:
    """The shortest way to write a duration: `5 min`."""
    if seconds and seconds % DAY == 0:
        return f"{seconds / DAY:g} {'day' if seconds == DAY else 'days'}"
    for unit in ("h", "min", "s"):
        if seconds % DURATIONS[unit] == 0 and (seconds or unit == "s"):
            return f"{seconds / DURATIONS[unit]:g} {unit}"
    return f"{seconds * 1000:g} ms"


def _quantity(text: str, units: Mapping[str, float], expected: str) -> float:
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        raise Refusal(f"{shown(text)} is not a number with a unit", expected)
    number, unit = found.groups()
    factor = {name.lower(): factor for name, factor in units.items()}.get(unit.lower())
    if factor is None and not unit:
        raise Refusal(f"{shown(text)} has no unit", expected)
    if factor is None:
        raise Refusal(*unknown(f"the unit {shown(unit)}", unit, units))
    return float(number) * factor if "." in number else int(number) * factor


class Size(Scalar):
    """A number of octets between two bounds, both included."""

    expected = _A_SIZE

    def __init__(self, least: int = 0, most: int = 1 << 50) -> None:
        self.least, self.most = least, most

    def read(self, value: object, folder: Path) -> int:
        octets = parse_size(value)
        if octets < self.least:
            raise Refusal(f"{format_size(octets)} is too small", f"at least {format_size(self.least)}")
        if octets > self.most:
            raise Refusal(f"{format_size(octets)} is too big", f"at most {format_size(self.most)}")
        return octets

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"], "pattern": _pattern(SIZES), "examples": ["50 MiB"]}


class Duration(Scalar):
    """A number of seconds between two bounds, both included."""

    expected = _A_DURATION

    def __init__(self, least: float = 0, most: float = 3650 * DAY) -> None:
        self.least, self.most = least, most

    def read(self, value: object, folder: Path) -> float:
        seconds = parse_duration(value)
        if seconds < self.least:
            raise Refusal(f"{format_duration(seconds)} is too short", f"at least {format_duration(self.least)}")
        if seconds > self.most:
            raise Refusal(f"{format_duration(seconds)} is too long", f"at most {format_duration(self.most)}")
        return seconds

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": _pattern(DURATIONS), "examples": ["5 min"]}


class Count(Scalar):
    """A whole number between two bounds, both included."""

    def __init__(self, least: int = 1, most: int = 10**9) -> None:
        self.least, self.most = least, most
        self.expected = f"a whole number from {least} to {most}"

    def read(self, value: object, folder: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongKind(value, self.expected)
        if not self.least <= value <= self.most:
            raise Refusal(f"{value} is too {'small' if value < self.least else 'big'}", self.expected)
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


def _pattern(units: Mapping[str, float]) -> str:
    return rf"^\d+(\.\d+)? ?({'|'.join(units)})$"
