"""The files of the record: one after the other, each only ever added to, removed whole, oldest first.

A segment is named by the microsecond since 1970 when it was begun, in digits that sort as the numbers do. The last line
of one may be torn, by a crash or a full disk: what is added behind it begins on a line of its own.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from mailbox_d.store.files import FileSystem, find, make_directories

SEGMENT_MAX = 16 << 20
"""Octets of one segment."""

SEGMENT_AGE = 86400.0
"""Seconds after which another one is begun."""

_MICROSECONDS = 1_000_000

_SHARE = 8
"""Of what may be remembered, the part that goes at once when it is too much."""

_NAME = re.compile(rb"([0-9]{16})\.jsonl")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A file of the record: when it was begun, in microseconds, and its octets."""

    began: int
    octets: int

    def path(self, folder: bytes) -> bytes:
        return b"%s/%016d.jsonl" % (folder, self.began)


def segments_of(files: FileSystem, folder: bytes) -> list[Segment]:
    """All segments that lie in a folder, oldest first; none where there is no folder. Raises `OSError`."""
    try:
        names = files.names(folder)
    except FileNotFoundError:
        return []
    segments: list[Segment] = []
    for name in names:
        matched = _NAME.fullmatch(name)
        status = find(files, folder + b"/" + name) if matched else None
        if matched and status is not None and stat.S_ISREG(status.st_mode):
            segments.append(Segment(int(matched[1]), status.st_size))
    return sorted(segments)


class Segments:
    """Adds to the newest segment, and keeps all of them within their bounds. Blocking; one call at a time."""

    def __init__(self, files: FileSystem, folder: bytes, *, size: int, keep: float, clock: Callable[[], float]) -> None:
        """`size`: octets of all segments; `keep`: seconds, after which a segment goes, counted from its last line."""
        self.at_once = max(1, size // _SHARE)
        """Octets that may be added at once."""
        self._files = files
        self._folder = folder
        self._size = size
        self._keep = keep
        self._clock = clock
        self._segment_max = min(SEGMENT_MAX, self.at_once)
        self._segments: list[Segment] | None = None
        self._descriptor: int | None = None
        self._may_be_torn = False

    def add(self, lines: bytes) -> None:
        """Write whole lines, `at_once` octets at most, durable. Raises `OSError`; some may be there all the same."""
        try:
            self._add(lines, int(self._clock() * 1_000_000))
        except OSError:
            self._segments = None  # what is there now is looked at anew
            with suppress(OSError):
                self.close()
            raise

    def close(self) -> None:
        """Leave the newest segment; what is added later begins another one, or goes on with it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._files.close(descriptor)

    def _add(self, lines: bytes, now: int) -> None:
        if self._segments is None:
            make_directories(self._files, self._folder)
            self._segments = segments_of(self._files, self._folder)
        if self._segments and self._is_full(self._segments[-1], len(lines), now):
            self.close()
            self._begin(self._segments, now)
        elif self._descriptor is None:
            self._go_on(self._segments, now)
        self._prune(self._segments, len(lines), now)
        self._write(self._segments, lines)

    def _is_full(self, newest: Segment, coming: int, now: int) -> bool:
        return newest.octets + coming >= self._segment_max or now - newest.began > SEGMENT_AGE * _MICROSECONDS

    def _go_on(self, segments: list[Segment], now: int) -> None:
        """Open the newest segment as another process, or a fault, has left it; there may be none."""
        if not segments:
            self._begin(segments, now)
            return
        self._descriptor = self._files.open(segments[-1].path(self._folder), os.O_WRONLY | os.O_APPEND)
        self._may_be_torn = True

    def _begin(self, segments: list[Segment], now: int) -> None:
        """Make a new segment; its name is above all others, whatever the clock says."""
        segment = Segment(max(now, segments[-1].began + 1 if segments else 0), 0)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._descriptor = self._files.open(segment.path(self._folder), flags)
        self._may_be_torn = False
        segments.append(segment)
        self._files.fsync_directory(self._folder)

    def _prune(self, segments: list[Segment], coming: int, now: int) -> None:
        """Remove the oldest segments, but never the newest: those too many, and those whose every line is too old."""
        octets = sum(segment.octets for segment in segments) + coming + 1
        while len(segments) > 1 and (octets > self._size or now - segments[1].began > self._keep * _MICROSECONDS):
            with suppress(FileNotFoundError):
                self._files.unlink(segments[0].path(self._folder))
            octets -= segments.pop(0).octets

    def _write(self, segments: list[Segment], lines: bytes) -> None:
        assert self._descriptor is not None
        self._files.write(self._descriptor, b"\n" + lines if self._may_be_torn else lines)
        self._files.fsync(self._descriptor)
        self._may_be_torn = False
        status = self._files.fstat(self._descriptor)
        segments[-1] = Segment(segments[-1].began, status.st_size)
        if not status.st_nlink:  # somebody has removed it: the next lines are to be found again
            segments.pop()
            self.close()
