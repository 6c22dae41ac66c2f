"""Cutting what an IMAP client sends into whole commands (RFC 3501 sections 2.2.1 and 4.3, RFC 7888).

A command is a line whose pieces may be joined by literals. What is held of one command has a bound in every state:
octets of lines, count of literals, octets of literals. APPEND's message is not held at all but handed on in chunks.
Nothing is allocated because a client announced it.

Only CRLF ends a line. A bare LF, a bare CR or a NUL makes the command a fault. A fault that leaves in doubt where the
next command begins is fatal: nothing behind it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

LITERAL_MARK: Final = b"\0"
"""Stands in a command's text where a literal was; a NUL cannot come from the client there."""

_LITERAL = re.compile(rb"\{([0-9]++)(\+?)\}\Z")
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]++")
_UP_TO_MESSAGE = re.compile(
    rb"[^ ]++ APPEND "
    rb"(?:\0|\"[^\"\\]*+(?>(?:\\.[^\"\\]*+)*)\"|[^\x00-\x20(){\"]++) "
    rb"(?>(?:\([^()]*+\) )?)(?>(?:\"[^\"]*+\" )?)(?>(?:UTF8 \()?)~?+\Z",
    re.IGNORECASE,
)
"""A command up to the literal that is APPEND's message (RFC 3501 section 6.3.11; literal8 of RFC 3516, UTF8 of RFC 6855
section 4)."""

_BEFORE_MESSAGE = 1
"""How many literals may stand before APPEND's message: the mailbox's name. Behind more, text is not looked at again."""

_LARGEST_NUMBER = 0xFFFFFFFF
"""RFC 3501 section 9, `number`."""


@dataclass(frozen=True, slots=True)
class FramerLimits:
    """What one command may hold, in octets unless it says otherwise.

    The default is for a client that has not logged in: names, passwords and little else.
    """

    line: int = 8192
    literals: int = 8
    """A count."""
    literal_octets: int = 4096
    """Of all literals of a command together, APPEND's message aside."""
    streams_messages: bool = False
    """Whether APPEND's message is handed on in chunks, or is a literal like any other."""
    drained: int = 0
    """How large an unwanted literal that comes without being asked for may be to be read and dropped."""
    chunk: int = 65536
    """The largest piece of a message that is handed on at a time."""


AFTER_LOGIN: Final = FramerLimits(
    line=65536, literals=1000, literal_octets=1 << 20, streams_messages=True, drained=64 << 20
)


@dataclass(frozen=True, slots=True)
class Command:
    """A whole command: its line without CRLF, `LITERAL_MARK` in place of each literal, and the literals in order."""

    text: bytes
    literals: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class GoAhead:
    """The client waits to be told to send a literal of `size` octets; `text` is what came before it.

    Answer with a continuation request, or call `Framer.refuse` and give the command its tagged reply.
    """

    text: bytes
    size: int


@dataclass(frozen=True, slots=True)
class AppendStart:
    """A message of `size` octets follows, as `Chunk`s up to an `AppendEnd`; `text` ends with its mark.

    A client that is `waiting` sends it only after a continuation request. `Framer.refuse` declines the message.
    """

    text: bytes
    literals: tuple[bytes, ...]
    size: int
    waiting: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next octets of APPEND's message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AppendEnd:
    """The message was handed on whole, and the command's line ended behind it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is no command, without CRLF: a SASL response, or IDLE's DONE. See `Framer.expect_line`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """A command that cannot be taken: answer BAD with `text`. When `fatal`, nothing more comes out of the framer.

    `tag` is `*` where the command's own tag cannot be made out.
    """

    tag: bytes
    text: str
    fatal: bool


Event: TypeAlias = Command | GoAhead | AppendStart | Chunk | AppendEnd | Line | Fault


class _Again(Enum):
    """What a state returns when it is done and the next state has no need of further input yet."""

    AGAIN = 0


_AGAIN = _Again.AGAIN


class Framer:
    """The stream of one connection. `limits` may be exchanged between two commands."""

    def __init__(self, limits: FramerLimits | None = None) -> None:
        self.limits = limits or FramerLimits()
        self._buffer = bytearray()
        self._searched = 0
        """Octets of the buffer that are known to hold no LF."""
        self._state: Callable[[], Event | _Again | None] = self._piece
        self._text = bytearray()
        """Of the present command. It only grows: what a literal costs does not depend on what came before it."""
        self._literals: list[bytes] = []
        self._literal_octets = 0
        self._literal = bytearray()
        self._missing = 0
        """Octets of the present literal that have not come yet."""
        self._waiting = False
        """Whether the client sends the present literal only after a continuation request."""

    @property
    def buffered(self) -> int:
        """Octets that were fed and not yet looked at."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        if self._state != self._dead:
            self._buffer += data

    def next_event(self) -> Event | None:
        """The next event, or None while more must be fed first."""
        while (event := self._state()) is _AGAIN:
            pass
        return event

    def expect_line(self) -> None:
        """The next event is to be a `Line`."""
        self._state = self._line

    def refuse(self) -> bool:
        """Drop the command that a `GoAhead` or an `AppendStart` just told of.

        False where the message comes unasked and is too large to be read and dropped: the connection has to be closed
        (RFC 7888 section 4).
        """
        if self._waiting:
            self._begin()
        elif self._missing <= self.limits.drained:
            self._text.clear()
            self._state = self._skip
        else:
            self._die()
            return False
        return True

    # -- states -------------------------------------------------------------------------------------------------

    def _piece(self) -> Event | _Again | None:
        """A line, or a piece of one that ends in a literal's announcement."""
        line = self._take_line()
        if not isinstance(line, bytes):
            return line
        if b"\0" in line or b"\r" in line:
            return self._fault(line, "A command holds a NUL or a bare CR", fatal=line.endswith(b"+}"))
        if line.endswith(b"}") and (announced := _LITERAL.search(line)):
            return self._announced(line[: announced.start()], announced[1], waiting=not announced[2])
        command = Command(bytes(self._text) + line, tuple(self._literals))
        self._begin()
        return command

    def _collect(self) -> Event | _Again | None:
        """A literal that is held."""
        piece = self._buffer[: self._missing]
        del self._buffer[: len(piece)]
        self._literal += piece
        self._missing -= len(piece)
        if self._missing:
            return None
        self._literals.append(bytes(self._literal))
        self._literal.clear()
        self._state = self._piece
        return _AGAIN

    def _message(self) -> Event | _Again | None:
        """A literal that is handed on: when this is first asked for, it was not refused."""
        self._waiting = False
        if not self._missing:
            self._state = self._message_end
            return _AGAIN
        chunk = bytes(self._buffer[: min(self._missing, self.limits.chunk)])
        del self._buffer[: len(chunk)]
        self._missing -= len(chunk)
        return Chunk(chunk) if chunk else None

    def _message_end(self) -> Event | None:
        """The end of the line behind a message."""
        line = self._take_line()
        if not isinstance(line, bytes):
            return line
        closing = b")" if self._text.endswith(b"(~") else b""
        if line != closing:
            complaint = "The message ends with a closing parenthesis" if closing else "Nothing may follow the message"
            return self._fault(b"", complaint, fatal=line.endswith(b"+}"))
        self._begin()
        return AppendEnd()

    def _skip(self) -> Event | _Again | None:
        """A literal that nobody wants, and the line behind it."""
        skipped = min(self._missing, len(self._buffer))
        del self._buffer[:skipped]
        self._missing -= skipped
        if self._missing:
            return None
        line = self._take_line()
        if not isinstance(line, bytes):
            return line
        if line.endswith(b"+}"):
            return self._fault(b"", "Too much follows a refused literal", fatal=True)
        self._begin()
        return _AGAIN

    def _line(self) -> Event | None:
        line = self._take_line()
        if not isinstance(line, bytes):
            return line
        self._begin()
        return Line(line)

    def _dead(self) -> None:
        """A fatal fault was told."""

    # -- what the states share ----------------------------------------------------------------------------------

    def _take_line(self) -> bytes | Fault | None:
        """The octets up to the next CRLF, if they are there and not more than the command's lines may still hold."""
        room = self.limits.line - len(self._text)
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer)
        if (end if end >= 0 else self._searched) - 1 > room:
            return self._fault(bytes(self._buffer[:room]), "The command line is too long", fatal=True)
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        if not line.endswith(b"\r"):
            return self._fault(line, "A line ends with CRLF", fatal=line.endswith(b"+}"))
        return line[:-1]

    def _announced(self, before: bytes, digits: bytes, *, waiting: bool) -> Event | _Again:
        """A literal is coming: accept it, within the limits."""
        self._text += before
        self._waiting = waiting
        self._missing = size = _bounded(digits)
        if size > _LARGEST_NUMBER:
            return self._fault(b"", "A literal is at most 4294967295 octets", fatal=not waiting)
        if self._message_is_next():
            self._state = self._message
            return AppendStart(bytes(self._text) + LITERAL_MARK, tuple(self._literals), size, waiting)
        if before.endswith(b"~"):
            return self._unwanted("A literal8 can only be APPEND's message")
        if len(self._literals) == self.limits.literals:
            return self._unwanted("The command has too many literals")
        if self._literal_octets + size > self.limits.literal_octets:
            return self._unwanted("The literal is too large")
        event: GoAhead | _Again = GoAhead(bytes(self._text), size) if waiting else _AGAIN
        self._text += LITERAL_MARK
        self._literal_octets += size
        self._state = self._collect
        return event

    def _message_is_next(self) -> bool:
        """Whether the literal that was announced is APPEND's message, which is handed on."""
        if not self.limits.streams_messages or len(self._literals) > _BEFORE_MESSAGE:
            return False
        return _UP_TO_MESSAGE.match(self._text) is not None

    def _unwanted(self, text: str) -> Fault:
        tag = _tag_of(bytes(self._text))
        return Fault(tag, text, fatal=not self.refuse())

    def _fault(self, line: bytes, text: str, *, fatal: bool) -> Fault:
        fault = Fault(_tag_of(bytes(self._text) + line), text, fatal)
        if fatal:
            self._die()
        else:
            self._begin()
        return fault

    def _begin(self) -> None:
        """Be ready for a new command."""
        self._text.clear()
        self._literals.clear()
        self._literal_octets = 0
        self._state = self._piece

    def _die(self) -> None:
        self._buffer.clear()
        self._literals.clear()
        self._state = self._dead


def _bounded(digits: bytes) -> int:
    """The number, or one beyond the largest that is allowed; a stranger's thousand digits are not converted."""
    significant = digits.lstrip(b"0")
    return int(significant or b"0") if len(significant) <= 10 else _LARGEST_NUMBER + 1


def _tag_of(text: bytes) -> bytes:
    match = _TAG.match(text)
    return match[0] if match and text.startswith(b" ", match.end()) else b"*"
