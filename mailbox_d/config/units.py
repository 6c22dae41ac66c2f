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

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([A-Za-z]*)")
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
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0 s"
    for unit, length in (("days", DAY), ("h", HOUR), ("min", MINUTE), ("s", 1)):
        count, rest = divmod(milliseconds, round(length * 1000))
        if count and not rest:
            return f"{count} {'day' if unit == 'days' and count == 1 else unit}"
    return f"{milliseconds} ms"


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


class Quantity(Scalar):
    """A number between two bounds, both included: in octets, in seconds, or a plain count."""

    endless: float
    """A bound that is there only so that there is one."""
    least: float
    most: float
    too_little, too_much = "small", "big"

    def parse(self, value: object) -> float:
        """The number that a plain value stands for. Raises `Refusal`."""
        raise NotImplementedError

    def write(self, quantity: float) -> str:
        """The shortest way to write a number, with its unit."""
        raise NotImplementedError

    def bounds(self) -> str:
        """The bounds in words."""
        if self.most >= self.endless:
            return f"at least {self.write(self.least)}"
        return f"{self.write(self.least)} to {self.write(self.most)}"

    def read(self, value: object, folder: Path) -> float:
        quantity = self.parse(value)
        if quantity < self.least:
            raise Refusal(f"{self.write(quantity)} is too {self.too_little}", f"at least {self.write(self.least)}")
        if quantity > self.most:
            raise Refusal(f"{self.write(quantity)} is too {self.too_much}", f"at most {self.write(self.most)}")
        return quantity


class Size(Quantity):
    """A number of octets."""

    expected = _A_SIZE
    endless = 1 << 40

    def __init__(self, least: int = 0, most: int = 1 << 40) -> None:
        self.least, self.most = least, most

    def parse(self, value: object) -> int:
        return parse_size(value)

    def write(self, quantity: float) -> str:
        return format_size(int(quantity))

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"], "pattern": _pattern(SIZES), "minimum": 0}


class Duration(Quantity):
    """A number of seconds."""

    expected = _A_DURATION
    endless = 3650 * DAY
    too_little, too_much = "short", "long"

    def __init__(self, least: float = 0, most: float = DAY) -> None:
        self.least, self.most = least, most

    def parse(self, value: object) -> float:
        return parse_duration(value)

    def write(self, quantity: float) -> str:
        return format_duration(quantity)

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"], "pattern": _pattern(DURATIONS), "minimum": 0, "maximum": 0}


class Count(Quantity):
    """A whole number."""

    endless = 10**9

    def __init__(self, least: int = 1, most: int = 10**9) -> None:
        self.least, self.most = least, most
        self.expected = "a whole number"

    def parse(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongKind(value, self.expected)
        return value

    def write(self, quantity: float) -> str:
        return str(int(quantity))

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": int(self.least), "maximum": int(self.most)}


def _pattern(units: Mapping[str, float]) -> str:
    return rf"^[0-9]+(\.[0-9]+)? ?({'|'.join(units)})$"
