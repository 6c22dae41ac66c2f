"""Cuts what a POP3 client sends into lines, within a bound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its line end."""

    text: bytes


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line longer than a line may be; nothing more comes out, as there is no telling what its rest was meant for."""


Event = Line | TooLong


class Framer:
    """Fed octets, gives lines. A line ends with LF; the CR in front of it belongs to the line end."""

    def __init__(self, max_line: int) -> None:
        """`max_line`: octets of a line with its line end (RFC 2449 section 4)."""
        self.max_line = max_line
        self._buffer = b""
        self._start = 0
        self._searched = 0
        self._broken = False

    @property
    def buffered(self) -> int:
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        if not self._broken:
            self._searched -= self._start
            self._buffer = self._buffer[self._start :] + data
            self._start = 0

    def next_event(self) -> Event | None:
        """The next line; None while more must be fed."""
        if self._broken:
            return None
        end = self._buffer.find(b"\n", max(self._start, self._searched), self._start + self.max_line)
        if end >= 0:
            return self._line(end)
        if self.buffered >= self.max_line:
            return self._break()
        self._searched = len(self._buffer)
        return None

    def _line(self, end: int) -> Line:
        text = self._buffer[self._start : end]
        self._start = self._searched = end + 1
        return Line(text.removesuffix(b"\r"))

    def _break(self) -> TooLong:
        self._broken = True
        self._buffer = b""
        self._start = self._searched = 0
        return TooLong()
