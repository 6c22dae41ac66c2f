"""The figures of `bench.access` as a table to read, and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from bench.access_stage import Figure
from bench.access_works import Row

OURS, OTHER = "mailboxd", "Dovecot"
NOTHING = "-"
COLUMNS = ("work", "unit", OURS, OTHER, "ratio", "CPU ratio", "goal", "met", "stalls")


@dataclass(slots=True)
class Results:
    """What was measured of each row on each server; what was refused; stalls while the server was started for a work,
    prepared and stopped, with the first row of that work; seconds of waiting for a processor, which are no stalls.
    """

    figures: dict[tuple[Row, str], list[Figure]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    between: list[tuple[Row, float]] = field(default_factory=list)
    starved: list[float] = field(default_factory=list)

    def add(self, row: Row, server: str, figure: Figure) -> None:
        self.figures.setdefault((row, server), []).append(figure)

    def add_between(self, row: Row, stalls: Iterable[float]) -> None:
        self.between += ((row, late) for late in stalls)

    def median(self, row: Row, server: str) -> Figure | None:
        """Of all rounds, with the stalls of all of them."""
        measured = self.figures.get((row, server))
        if not measured:
            return None
        each, cpu = (statistics.median(values) for values in zip(*((f.each, f.cpu) for f in measured), strict=True))
        return Figure(each, cpu, self.stalls(row, server))

    def stalls(self, row: Row, server: str) -> tuple[float, ...]:
        return tuple(late for figure in self.figures.get((row, server), ()) for late in figure.stalls)

    def stalls_in_all(self) -> int:
        return len(self.between) + sum(len(self.stalls(row, server)) for row, server in self.figures)


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its medians; ratios are ours to the other's, above 1 in our favour but for CPU."""

    row: Row
    ours: Figure | None
    other: Figure | None

    @property
    def ratio(self) -> float | None:
        return self.other.each / self.ours.each if self.ours and self.other else None

    @property
    def cpu_ratio(self) -> float | None:
        return self.ours.cpu / self.other.cpu if self.ours and self.other and self.other.cpu else None

    @property
    def met(self) -> bool | None:
        return None if self.ratio is None or self.row.goal is None else self.ratio >= self.row.goal

    def value(self, figure: Figure) -> float:
        """In the row's unit, a rate where that is one."""
        if self.row.unit.endswith("/s"):
            return 1 / figure.each
        return figure.each * 1000 if self.row.unit == "ms" else figure.each

    def cells(self) -> Iterator[str]:
        yield from (self.row.name, self.row.unit)
        for figure in (self.ours, self.other):
            yield f"{digits(self.value(figure))} ({digits(figure.cpu * 1e6)})" if figure else NOTHING
        for ratio in (self.ratio, self.cpu_ratio, self.row.goal):
            yield NOTHING if ratio is None else digits(ratio)
        yield {True: "yes", False: "**NO**", None: NOTHING}[self.met]
        stalls = self.ours.stalls if self.ours else ()
        yield f"**{len(stalls)}** ({max(stalls) * 1000:.0f} ms at most)" if stalls else "0"

    def values(self) -> dict[str, object]:
        """For JSON: values in the row's unit, CPU in seconds."""
        measured = {OURS: self.ours, OTHER: self.other}
        figures = {name: {"value": self.value(one), "cpu": one.cpu} for name, one in measured.items() if one}
        ratios = {"ratio": self.ratio, "cpu_ratio": self.cpu_ratio, "met": self.met}
        return {**asdict(self.row), **figures, **ratios, "stalls": list(self.ours.stalls) if self.ours else []}


def lines(rows: Sequence[Row], results: Results) -> list[Line]:
    return [Line(row, results.median(row, OURS), results.median(row, OTHER)) for row in rows]


def table(rows: Sequence[Row], results: Results) -> str:
    """In Markdown."""
    heading = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    return "\n".join([*heading, *(f"| {' | '.join(line.cells())} |" for line in lines(rows, results))])


def digits(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
