"""What another server replies to us (RFC 5321 section 4.2), read as a stranger's word.

Sloppy where the world is: LF alone ends a line too, as Postfix and Exim take it; the blank behind the code may be
missing, and so may all text. Strict where the meaning hangs on it: a code has three digits, begins with 2 to 5, and is
the same on all lines of a reply. Lines and replies are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailbox_d.printable import escaped

MAX_TEXT = 512
"""Characters of a reply that are kept."""

_LINE = re.compile(rb"([2-5][0-9]{2})(?![0-9])(-?)[ \t]?(.*)", re.DOTALL)
_STATUS = re.compile(r"([245])\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})(?![^ \t])[ \t]*")


class MalformedReply(Exception):
    """What came is no reply, or longer than one may be. Nothing that follows can be understood."""


@dataclass(frozen=True, slots=True)
class ReceivedReply:
    """A reply, in printable ASCII. `status`: the enhanced status code of its first line that has one, if that is of the
    code's class, else empty; it is taken off `lines`."""

    code: int
    status: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines as one, of at most `MAX_TEXT` characters."""
        whole = " ".join(line for line in self.lines if line)
        return whole if len(whole) <= MAX_TEXT else whole[: MAX_TEXT - 3] + "..."


class ReplyReader:
    """Fed octets, gives replies. After `MalformedReply` nothing more comes out."""

    def __init__(self, max_line: int, max_reply: int) -> None:
        """`max_line`: octets of a line with its line end; `max_reply`: of all lines of a reply."""
        self._max_line = max_line
        self._max_reply = max_reply
        self._buffer = b""
        self._start = 0
        self._lines: list[bytes] = []
        self._code = 0
        self._octets = 0
        self._broken = False

    @property
    def buffered(self) -> int:
        """Octets that were fed and are in no reply that was handed out."""
        return len(self._buffer) - self._start + self._octets

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        if not self._broken:
            self._buffer = self._buffer[self._start :] + data
            self._start = 0

    def next_reply(self) -> ReceivedReply | None:
        """The next whole reply; None while more must be fed. Raises `MalformedReply`."""
        while not self._broken and (line := self._next_line()) is not None:
            if self._take(line):
                lines, self._lines, self._octets = self._lines, [], 0
                return _reply(self._code, lines)
        return None

    def _next_line(self) -> bytes | None:
        """A line without its line end."""
        end = self._buffer.find(b"\n", self._start, self._start + self._max_line)
        if end < 0:
            if len(self._buffer) - self._start >= self._max_line:
                raise self._break("a line is too long")
            return None
        line = self._buffer[self._start : end]
        self._octets += end + 1 - self._start
        self._start = end + 1
        return line.removesuffix(b"\r")

    def _take(self, line: bytes) -> bool:
        """Take a line; whether it is its reply's last."""
        matched = _LINE.fullmatch(line)
        if self._octets > self._max_reply:
            raise self._break("it is too long")
        if matched is None:
            raise self._break(f"no code: {_printable(line[:80])}")
        code = int(matched[1])
        if self._lines and code != self._code:
            raise self._break(f"the code changes from {self._code} to {code}")
        self._code = code
        self._lines.append(matched[3])
        return not matched[2]

    def _break(self, why: str) -> MalformedReply:
        self._broken = True
        self._buffer = b""
        self._start = self._octets = 0
        self._lines = []
        return MalformedReply(why)


def _reply(code: int, lines: list[bytes]) -> ReceivedReply:
    status = ""
    texts = []
    for line in map(_printable, lines):
        matched = _STATUS.match(line)
        if matched and matched[1] == str(code)[0]:
            status = status or ".".join(matched.groups())
            line = line[matched.end() :]
        texts.append(line)
    return ReceivedReply(code, status, tuple(texts))


def _printable(octets: bytes) -> str:
    """Text that holds nothing but printable ASCII: octets above 127 are no part of a reply, and many who are to show it
    could not."""
    return escaped(octets.decode("ascii", "backslashreplace").strip())
