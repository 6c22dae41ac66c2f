"""A message's structure, found while its octets go by (RFC 2046 section 5.1).

    scanner = StructureScanner()
    for chunk in reader.chunks():
        scanner.feed(chunk)
    message = scanner.finish()

or `scan(reader.chunks())`. However the octets are cut, the outcome is the same.

How what is ambiguous is read: a line ends with LF, whether CR stands before it or not. The first field of a name
counts. A delimiter is a whole line, blanks at its end aside; of equal boundaries, the innermost one counts. A delimiter
also ends a header. A multipart without a boundary is plain text; a message/rfc822 with a transfer encoding (which RFC
2046 section 5.2.1 forbids) is an `application/octet-stream`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailbox_d.mime.open_part import OpenPart
from mailbox_d.mime.structure import MimeLimits, Part

_HEADER_STOP = re.compile(rb"\n(?:\r?\n|--)")
"""The line end before the empty line that ends a header, or before what may be a delimiter."""
_BODY_STOP = b"\n--"
_BEFORE_STOP = re.compile(rb"\n?[\r-]?\Z")
_CR = 0x0D
_DELIMITER_EXTRA = 64
"""Octets of a delimiter line beside the boundary: dashes, blanks at its end, the line end."""


class StructureScanner:
    """Takes a message in chunks; holds one header and the tree, never a body."""

    def __init__(self, limits: MimeLimits | None = None) -> None:
        self.work = 0
        """Steps taken, each of them linear in the octets that it moves on by."""
        self._limits = limits or MimeLimits()
        self._data = b"\n"
        """Octets that are still needed. A line is found by the line end before it; the first one has this put there."""
        self._offset = -1
        """Where in the message `_data` begins."""
        self._lines = 0
        self._counted = 1
        """Up to where in `_data` line ends are counted."""
        self._header = bytearray()
        """What is kept of an unfinished header."""
        self._header_from = 1
        """Where in `_data` the header goes on behind what is kept."""
        self._headers_kept = 0
        self._open = [OpenPart(0, self._limits, is_message=True)]
        self._parts = 1
        self._boundaries: dict[bytes, list[int]] = {}
        """For each boundary in force, the places in `_open` of its multiparts."""
        self._longest_delimiter = self._limits.boundary + _DELIMITER_EXTRA

    def feed(self, data: bytes) -> None:
        """Take the next octets as they go over the wire."""
        self._data += data
        self._drop(self._scan(final=False))

    def finish(self, data: bytes = b"") -> Part:
        """The message has ended, with these octets: what it is made of. To be called once."""
        self._data += data
        self._scan(final=True)
        end = len(self._data)
        while self._open[-1].in_header:
            self._end_header(end, end)
        self._close_above(0, end)
        return self._open[0].end(self._offset + end, self._lines_before(end))

    def _scan(self, *, final: bool) -> int:
        """Go through the octets; from where on they are still needed."""
        data = self._data
        place = 0
        while True:
            self.work += 1
            if self._open[-1].in_header:
                found = _HEADER_STOP.search(data, place)
                stop = found.start() if found else -1
                if found and found[0] != _BODY_STOP:
                    self._end_header(stop + 1, found.end())
                    place = found.end() - 1
                    continue
            else:
                stop = data.find(_BODY_STOP, place) if self._boundaries else -1
            if stop < 0:
                return self._unfinished(place)
            place = behind = stop + len(_BODY_STOP)
            end = data.find(b"\n", behind, behind + self._longest_delimiter)
            if end < 0:
                if len(data) >= behind + self._longest_delimiter:
                    continue
                if not final:
                    return self._line_end(stop)
                end = len(data)
            if self._boundaries and self._delimiter(stop, end):
                place = end

    def _unfinished(self, place: int) -> int:
        """From where on the octets must be seen again with what follows: a line end, and what may become a stop."""
        found = _BEFORE_STOP.search(self._data, max(place, len(self._data) - 2))
        start = found.start() if found else len(self._data)
        return self._line_end(start) if self._data.startswith(b"\n", start) else start

    def _line_end(self, newline: int) -> int:
        """Where the line end begins that this LF belongs to."""
        return newline - 1 if newline and self._data[newline - 1] == _CR else newline

    def _drop(self, keep: int) -> None:
        """Forget the octets before `keep`; those of a header are put aside."""
        if self._open[-1].in_header:
            if keep > self._header_from:
                room = self._header_room() - len(self._header)
                self._header += self._data[self._header_from : min(keep, self._header_from + room)]
            self._header_from = max(self._header_from - keep, 0)
        if keep > self._counted:
            self._lines_before(keep)
        self._counted -= keep
        self._offset += keep
        self._data = self._data[keep:]

    def _header_room(self) -> int:
        return min(self._limits.header_kept, self._limits.headers_kept - self._headers_kept)

    def _lines_before(self, place: int) -> int:
        """Line ends of the message before this place; each octet is counted once."""
        if place > self._counted:
            self._lines += self._data.count(b"\n", self._counted, place)
            self._counted = place
        return self._lines

    def _end_header(self, until: int, body: int) -> None:
        """The header of the innermost part goes up to `until`, its body begins at `body`."""
        part = self._open[-1]
        header = bytes(self._header) + self._data[self._header_from : until]
        header = header[: self._header_room()]
        self._header.clear()
        self._headers_kept += len(header)
        digest = len(self._open) > 1 and self._open[-2].is_digest
        part.end_header(header, self._offset + body, self._lines_before(body), digest=digest)
        if part.boundary or part.embeds_message:
            full = len(self._open) >= self._limits.depth or self._parts >= self._limits.parts
            if full or part.body_start - part.header_start > self._limits.header:
                part.close_to_view()
        if part.boundary:
            self._boundaries.setdefault(part.boundary, []).append(len(self._open) - 1)
        elif part.embeds_message:
            self._begin_part(body, is_message=True)

    def _begin_part(self, place: int, *, is_message: bool) -> None:
        self._open.append(OpenPart(self._offset + place, self._limits, is_message=is_message))
        self._header_from = place
        self._parts += 1

    def _delimiter(self, stop: int, end: int) -> bool:
        """Whether the line between `stop` and `end` is a delimiter in force; if so, do what it says."""
        line = self._data[stop + len(_BODY_STOP) : end].rstrip(b" \t\r")
        places = self._boundaries.get(line)
        closes = places is None
        if places is None:
            places = self._boundaries.get(line[:-2]) if line.endswith(b"--") else None
        if places is None or (not closes and self._parts >= self._limits.parts):
            return False
        multipart = places[-1]
        until = self._line_end(stop)
        while self._open[-1].in_header:
            until = max(until, self._header_from)
            self._end_header(until, until)
        self._close_above(multipart, max(until, self._open[-1].body_start - self._offset))
        if closes:
            self._forget_boundary(self._open[multipart])
        else:
            self._begin_part(min(end + 1, len(self._data)), is_message=False)
        return True

    def _close_above(self, place: int, end: int) -> None:
        """End all parts that are open within the one at `place`."""
        while len(self._open) > place + 1:
            self.work += 1
            part = self._open.pop()
            self._forget_boundary(part)
            self._open[-1].take(part.end(self._offset + end, self._lines_before(end)))

    def _forget_boundary(self, multipart: OpenPart) -> None:
        """Its delimiters are no longer looked for: the innermost one with this boundary."""
        if multipart.boundary:
            places = self._boundaries[multipart.boundary]
            places.pop()
            if not places:
                del self._boundaries[multipart.boundary]
            multipart.boundary = b""


def scan_whole(octets: bytes, limits: MimeLimits | None = None) -> Part:
    """The structure of a message that is all there."""
    return StructureScanner(limits).finish(octets)


def scan(chunks: Iterable[bytes], limits: MimeLimits | None = None) -> Part:
    """The structure of the message that these chunks are."""
    scanner = StructureScanner(limits)
    for chunk in chunks:
        scanner.feed(chunk)
    return scanner.finish()
