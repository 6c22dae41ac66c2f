"""A part without its transfer encoding, of which any piece can be had without decoding all that is before it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from mailbox_d.mime.decode import OCTETS_A_READ, Mark, Read, decoded_from
from mailbox_d.mime.structure import Part

_MARKS: Final = 256
_LONGEST_REST: Final = 100
"""Octets that are kept with a mark: a line of quoted-printable has 76 (RFC 2045 section 6.7, rule 5)."""
_IDENTITY: Final = (b"7bit", b"8bit", b"binary")
_DONE: Final = attrgetter("done")


class DecodedPart:
    """How large a part is, decoded, whether NUL is in it, and marks to read on from.

    Whoever reads it piece after piece decodes each octet about once; whoever does not, one in 256 of them per piece.
    """

    def __init__(self, part: Part, read: Read) -> None:
        """Reads all of it. What holds other parts has no encoding of its own. Raises `UnknownEncoding`."""
        encoding = b"binary" if part.is_multipart or part.message is not None else part.encoding
        self._part = Part(part.header_start, part.body_start, part.body_end, part.lines, encoding=encoding)
        """Without what is in it, which may be large, and this is remembered."""
        self._stride = max(OCTETS_A_READ, part.size // _MARKS)
        self._marks = [Mark(part.body_start)]
        self._last = self._marks[0]
        """Behind what was read last."""
        self.size = 0
        self.binary = False
        for piece, mark in decoded_from(self._last, self._part, read):
            self.size = mark.done
            self.binary = self.binary or b"\0" in piece
            self._note(mark)

    def octets(self, start: int, size: int, read: Read) -> Iterator[bytes]:
        """So many decoded octets from `start`; fewer if the message has become shorter."""
        end = start + size
        mark = self._mark_before(start)
        for piece, behind in decoded_from(mark, self._part, read):
            wanted = piece[max(0, start - mark.done) : max(0, end - mark.done)]
            mark = behind
            if mark.done <= end:
                self._last = mark
            if wanted:
                yield wanted
            if mark.done >= end:
                return

    def _note(self, mark: Mark) -> None:
        if mark.place - self._marks[-1].place >= self._stride and len(mark.rest) <= _LONGEST_REST:
            self._marks.append(mark)

    def _mark_before(self, start: int) -> Mark:
        """The nearest of the marks that do not lie behind `start`."""
        if self._part.encoding in _IDENTITY:
            return Mark(self._part.body_start + start, start)
        nearest = self._marks[bisect_right(self._marks, start, key=_DONE) - 1]
        return self._last if nearest.done < self._last.done <= start else nearest
