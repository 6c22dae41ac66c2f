"""Cuts what an SMTP client sends into command lines and pieces of a message.

Only CRLF ends a line and only CRLF.CRLF ends a message. A CR or LF that stands alone is told to the session, which
refuses: whoever reads it otherwise could be made to see commands where we see text (CVE-2023-51764 and its kin).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

_END_OF_DATA = b"\r\n.\r\n"
_CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its CRLF."""

    text: bytes


@dataclass(frozen=True, slots=True)
class DataPiece:
    """Some octets of a message, dots unstuffed (RFC 5321 section 4.5.2)."""

    octets: bytes


class Framing(Enum):
    """What else a stream may hold."""

    END_OF_DATA = auto()
    LINE_TOO_LONG = auto()
    BARE_NEWLINE = auto()
    """A CR or an LF that stands alone, in a line or in a message."""


Event = Line | DataPiece | Framing


class SMTPFramer:
    """Fed octets, gives lines; between `begin_data` and the end of the message, pieces of it.

    After `LINE_TOO_LONG`, and after `BARE_NEWLINE` in a line, nothing more comes out: there is no way to tell where the
    next command begins. In a message, `BARE_NEWLINE` is told once and the rest of the message follows as before.
    """

    def __init__(self, max_line: int) -> None:
        """`max_line`: octets of a line with its CRLF."""
        self.max_line = max_line
        self._buffer = b""
        self._start = 0
        self._in_data = False
        self._borrowed = 0
        self._clean = True
        self._ended = False
        self._broken = False

    @property
    def buffered(self) -> int:
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        if not self._broken:
            self._buffer = self._buffer[self._start :] + data
            self._start = 0

    def begin_data(self) -> None:
        """A message comes next. The CRLF of the DATA line is borrowed as the line end in front of its first line."""
        self._buffer = _CRLF + self._buffer[self._start :]
        self._start = 0
        self._borrowed = len(_CRLF)
        self._in_data = True
        self._clean = True

    def next_event(self) -> Event | None:
        """The next line, or piece of a message; None while more must be fed."""
        if self._broken:
            return None
        return self._next_piece() if self._in_data else self._next_line()

    def _next_line(self) -> Event | None:
        end = self._buffer.find(b"\n", self._start, self._start + self.max_line)
        if end < 0:
            return self._break(Framing.LINE_TOO_LONG) if self.buffered >= self.max_line else None
        if self._buffer[end - 1 : end] != b"\r" or end == self._start:
            return self._break(Framing.BARE_NEWLINE)
        line = Line(self._buffer[self._start : end - 1])
        self._start = end + 1
        return line

    def _next_piece(self) -> Event | None:
        if self._ended:
            return self._end_data()
        end = self._buffer.find(_END_OF_DATA)
        cut = end + len(_CRLF) if end >= 0 else len(self._buffer) - _undecided(self._buffer)
        piece = self._buffer[:cut]
        if self._clean and not _is_clean(piece):
            self._clean = False
            return Framing.BARE_NEWLINE
        self._ended = end >= 0
        return self._take(piece)

    def _take(self, piece: bytes) -> Event | None:
        if piece:
            self._buffer = self._buffer[len(piece) :]
            piece = piece.replace(b"\r\n.", _CRLF)[self._borrowed :]
            self._borrowed = 0
        if piece:
            return DataPiece(piece)
        return self._end_data() if self._ended else None

    def _end_data(self) -> Framing:
        self._start = len(_END_OF_DATA) - len(_CRLF)
        self._in_data = self._ended = False
        return Framing.END_OF_DATA

    def _break(self, why: Framing) -> Framing:
        self._broken = True
        self._buffer = b""
        self._start = 0
        return why


def _undecided(buffer: bytes) -> int:
    """How many octets at the buffer's end may be the beginning of the message's end."""
    for length in range(len(_END_OF_DATA) - 1, 0, -1):
        if buffer.endswith(_END_OF_DATA[:length]):
            return length
    return 0


def _is_clean(piece: bytes) -> bool:
    """Whether every CR and every LF is half of a CRLF. Pieces are never cut inside one."""
    rest = piece.replace(_CRLF, b"")  # a third of the time that counting takes
    return b"\r" not in rest and b"\n" not in rest
