"""From content to octets on the wire: quoted-printable and base64 (RFC 2045 sections 6.7 and 6.8), in pieces."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Protocol

LONGEST_LINE = 998
"""Octets of a line on the wire, its end aside (RFC 5322 section 2.1.1)."""

_HIGH = bytes(range(128, 256))
_BASE64_LINE = 57
"""Octets of content in a line of base64, which has 76 characters."""
_LONGEST_PIECE = 64 * 1024
"""Octets of a line without an end that are waited for."""
_CRLF = b"\r\n"
_SOFT_BREAK = b"=\r\n"
_DASHES = re.compile(rb"=\r\n(--++)")
_DASHES_A_LINE = 25


class BodyCensus:
    """Counts what stands between a body and a server that takes lines of 7-bit text. Fed in pieces."""

    def __init__(self) -> None:
        self.octets = 0
        self.eight_bit = 0
        """Octets above 127."""
        self.has_nul = False
        self.has_bare_newline = False
        """Whether a CR or LF stands alone."""
        self.has_long_line = False
        self._carry = b""
        """A CR that may belong to what comes."""
        self._column = 0
        """Octets since the last line end."""

    def feed(self, piece: bytes) -> None:
        """Take the next octets: a few looks at them, each of them the C library's."""
        self.octets += len(piece)
        if not piece.isascii():
            self.eight_bit += len(piece) - len(piece.translate(None, _HIGH))
        self.has_nul = self.has_nul or b"\0" in piece
        self._look_at_lines(piece)
        data = self._carry + piece
        self._carry = b"\r" if data.endswith(b"\r") else b""
        self._look_at_newlines(data[: len(data) - len(self._carry)])

    def finish(self) -> None:
        """The body has ended."""
        self.has_bare_newline = self.has_bare_newline or bool(self._carry)
        self.has_long_line = self.has_long_line or self._column > LONGEST_LINE

    @property
    def is_seven_bit(self) -> bool:
        """Whether it can be sent as it is (RFC 2045 section 2.7)."""
        return self.is_lines and not (self.eight_bit or self.has_long_line)

    @property
    def is_lines(self) -> bool:
        """Whether it is text in lines, however long and in whatever charset."""
        return not (self.has_nul or self.has_bare_newline)

    def _look_at_newlines(self, data: bytes) -> None:
        pairs = data.count(_CRLF)
        if pairs != data.count(b"\r") or pairs != data.count(b"\n"):
            self.has_bare_newline = True

    def _look_at_lines(self, piece: bytes) -> None:
        """From each line end go to the last one within reach, so that lines need not be looked at one by one."""
        reach = LONGEST_LINE + len(_CRLF)
        place = -self._column
        while place + reach <= len(piece):
            newline = piece.rfind(b"\n", max(place, 0), place + reach)
            if newline < 0:
                self.has_long_line = True
                return
            place = newline + 1
        newline = piece.rfind(b"\n", max(place, 0))
        self._column = len(piece) - (place if newline < 0 else newline + 1)


class Encoder(Protocol):
    """Encodes a body that comes in pieces."""

    name: bytes
    """As in Content-Transfer-Encoding."""

    def feed(self, content: bytes) -> bytes:
        """What the next octets of content are on the wire, as far as it is certain."""

    def finish(self) -> bytes:
        """The rest. The last line has an end only where it had one in the content, and in base64 none."""


class QuotedPrintable:
    """For text in lines: CRLF stays a line end, and no other CR or LF may stand in it.

    A line that is broken in two never goes on with `--`: it could be taken for a delimiter.
    """

    name = b"quoted-printable"

    def __init__(self) -> None:
        self._rest = b""
        self._goes_on = False
        """Whether the last line so far is broken, so that what comes belongs to it."""

    def feed(self, content: bytes) -> bytes:
        data = self._rest + content
        cut = data.rfind(_CRLF) + len(_CRLF)
        if cut >= len(_CRLF):
            self._rest = data[cut:]
            return self._continued(binascii.b2a_qp(data[:cut], istext=True))
        if len(data) <= _LONGEST_PIECE:
            self._rest = data
            return b""
        self._rest = data[-1:]  # it may be the CR of a line end
        return self._continued(_quoted_unended(data[:-1]) + _SOFT_BREAK)

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        return self._continued(_quoted_unended(rest)) if rest else b""

    def _continued(self, quoted: bytes) -> bytes:
        """The next of what is said, which may be the rest of a line that was broken."""
        before = _SOFT_BREAK if self._goes_on else b""
        said = _without_dashes(before + quoted)
        self._goes_on = said.endswith(_SOFT_BREAK)
        return said[len(before) :]


def _quoted_unended(text: bytes) -> bytes:
    """The part of a line. Because of the end that it has meanwhile there is room for the mark of one that goes on."""
    return binascii.b2a_qp(text + _CRLF, istext=True).removesuffix(_CRLF)


def _without_dashes(quoted: bytes) -> bytes:
    """Quote all dashes with which the rest of a line begins, where there are two; it goes on in a line behind them."""
    if _SOFT_BREAK + b"--" not in quoted:
        return quoted
    return _DASHES.sub(lambda dashes: b"".join(_quoted_dashes(len(dashes[1]))), quoted)


def _quoted_dashes(number: int) -> Iterator[bytes]:
    for done in range(0, number, _DASHES_A_LINE):
        yield _SOFT_BREAK + b"=2D" * min(_DASHES_A_LINE, number - done)
    yield _SOFT_BREAK


class Base64:
    """For anything."""

    name = b"base64"

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False

    def feed(self, content: bytes) -> bytes:
        data = self._rest + content
        whole = len(data) - len(data) % _BASE64_LINE
        self._rest = data[whole:]
        return self._lines(data[:whole])

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        return self._lines(rest)

    def _lines(self, data: bytes) -> bytes:
        lines = [
            binascii.b2a_base64(data[at : at + _BASE64_LINE], newline=False) for at in range(0, len(data), _BASE64_LINE)
        ]
        if lines and self._begun:
            lines.insert(0, b"")
        self._begun = self._begun or bool(lines)
        return _CRLF.join(lines)
