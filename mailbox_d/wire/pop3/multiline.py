"""A message as a multi-line response: dots stuffed (RFC 1939 section 3), for TOP cut off behind some lines of its body.

Both take a message in pieces of any size and give the same octets however it was cut. A message may hold bare LFs,
which is no line end to POP3 and is one to many clients: a dot behind one is stuffed too, so that no message can end
its own response and have its rest taken for the server's next words.
"""

from __future__ import annotations

import re
from typing import Final

from mailbox_d.wire.pop3.replies import END

_CRLF: Final = b"\r\n"
_DOT: Final = re.compile(rb"\n\.")
"""Looked for first: that takes a third of what `replace` takes to find none."""
_END_OF_HEADER: Final = re.compile(rb"\n\r?\n")


class DotStuffer:
    """Fed a message's pieces, gives those of the response; `end` gives its end."""

    def __init__(self) -> None:
        self._tail = _CRLF
        """The last octets that went by, as many as a CRLF has."""

    def feed(self, piece: bytes) -> bytes:
        stuffed = piece.replace(b"\n.", b"\n..") if _DOT.search(piece) else piece
        if self._tail.endswith(b"\n") and piece.startswith(b"."):
            stuffed = b"." + stuffed
        self._tail = (self._tail + piece[-2:])[-2:]
        return stuffed

    def end(self) -> bytes:
        """The line with a dot alone, behind a line end of our own where the message lacks its last one."""
        return END if self._tail == _CRLF else _CRLF + END


class TopCutter:
    """Fed a message's pieces, gives its header, the empty line behind it, and so many lines of its body."""

    def __init__(self, lines: int) -> None:
        self.is_done = False
        """Nothing more will come out."""
        self._lines = lines
        self._in_header = True
        self._tail = b"\n"

    def feed(self, piece: bytes) -> bytes:
        if not self._in_header:
            return self._body(piece)
        seen = self._tail + piece
        found = _END_OF_HEADER.search(seen)
        if found is None:
            self._tail = seen[-2:]
            return piece
        self._in_header = False
        end = found.end() - len(self._tail)
        return piece[:end] + self._body(piece[end:])

    def _body(self, piece: bytes) -> bytes:
        lines = piece.count(b"\n")
        if lines < self._lines:
            self._lines -= lines
            return piece
        self.is_done = True
        rest = piece.split(b"\n", self._lines)[self._lines]
        self._lines = 0
        return piece[: len(piece) - len(rest)]
