"""Takes events as they happen, and has them written a little later.

To tell an event costs microseconds: it waits in memory, which is bounded, and is written with others. What does not fit
meanwhile, or is too long for a line, is counted, and the count is written once there is room. Nothing here raises for
what the disk does: mail goes its way whatever becomes of its record.

What was refused lies apart and has its share of the room, so that a stranger who is refused a million times drives no
message of anybody's from the record.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from mailbox_d.record.events import Event, Lost, Refused
from mailbox_d.record.lines import LINE_MAX, format_event
from mailbox_d.record.segments import Segments
from mailbox_d.store.files import FileSystem

BATCH = 64 * 1024
"""Octets that are written at once, and of which as many are not waited for any longer."""

MEMORY = 4 << 20
"""Octets that wait for the disk at most."""

REFUSED_SHARE = 4
"""Of what may be remembered, the part that is for what was refused: one in so many."""

FOLDER = "record"
REFUSED_FOLDER = "refused"

Run = Callable[[Callable[[], None]], Awaitable[None]]
"""Has blocking work done in a thread."""


class Record(Protocol):
    """Where events are told."""

    def tell(self, event: Event) -> None:
        """Take note of an event. Never raises, never waits. To be called in the reactor's thread."""


class NoRecord(Record):
    """Remembers nothing."""

    def tell(self, event: Event) -> None:
        pass


NO_RECORD = NoRecord()


def record_folders(state: Path) -> tuple[Path, Path]:
    """Where the record lies: of messages, and of what was refused."""
    return state / FOLDER, state / FOLDER / REFUSED_FOLDER


class Recorder(Record):
    """The record of a site in its state folder."""

    _log = Logger()

    def __init__(
        self,
        state: Path,
        *,
        size: int,
        keep: float,
        clock: Callable[[], float],
        run: Run,
        files: FileSystem | None = None,
    ) -> None:
        """`size`: octets of all files; `keep`: seconds; `run`: has the writing done; one piece of work at a time."""
        refused = size // REFUSED_SHARE
        shares = size - refused, refused
        self._shelves = tuple(
            _Shelf(Segments(files or FileSystem(), os.fsencode(folder), size=share, keep=keep, clock=clock))
            for folder, share in zip(record_folders(state), shares, strict=True)
        )
        self._clock = clock
        self._run = run
        self._lost = 0
        self._is_failing = False
        self._turn = DeferredLock()
        self.full: Callable[[], None] = lambda: None
        """Called when so much waits that it should be flushed at once."""

    @property
    def waits(self) -> bool:
        """Whether there is anything to be written."""
        return bool(self._lost) or any(shelf.octets for shelf in self._shelves)

    def tell(self, event: Event) -> None:
        try:
            line = format_event(event)
        except Exception:  # mail is not to fail with what is told of it
            self._log.failure("an event has no line")
            line = b""
        shelf = self._shelves[isinstance(event, Refused)]
        waiting = shelf.take(line)
        if not waiting:
            self._lost += 1
        elif waiting >= BATCH and not self._turn.locked and not self._is_failing:
            self.full()

    async def flush(self) -> None:
        """Have all that waits written. What cannot be is kept, to be tried again, and is told to the log once."""
        async with self._turn:
            self._tell_what_is_lost()
            waiting = [(shelf, shelf.waiting()) for shelf in self._shelves]
            try:
                await self._run(partial(_write, waiting))
            except OSError as error:
                if not self._is_failing:
                    self._log.error("the record of messages cannot be written now: {error}", error=str(error))
                self._is_failing = True
            else:
                self._is_failing = False

    def close(self) -> None:
        """The last flush is done: close the files; what could not be written is told to the log. Blocks."""
        left = self._lost + sum(shelf.count for shelf in self._shelves)
        if left:
            self._log.error("{count} events of messages could not be written", count=left)
        for shelf in self._shelves:
            shelf.close()

    def _tell_what_is_lost(self) -> None:
        if self._lost and self._shelves[0].take(format_event(Lost("", self._clock(), self._lost))):
            self._lost = 0


class _Shelf:
    """Lines on their way into segments. They are taken in the reactor's thread, and written in another."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._line_max = min(LINE_MAX, segments.at_once)
        self._lines: deque[bytes] = deque()
        self._taken = 0
        """Octets so far; counted in the one thread, as `_written` is in the other."""
        self._written = 0

    @property
    def octets(self) -> int:
        """What waits."""
        return self._taken - self._written

    @property
    def count(self) -> int:
        """How many lines wait."""
        return len(self._lines)

    def take(self, line: bytes) -> int:
        """The octets that wait with this line; 0 where there is no room for it."""
        octets = len(line)
        waiting = self._taken - self._written + octets
        if not 0 < octets <= self._line_max or waiting > MEMORY:
            return 0
        self._lines.append(line)
        self._taken += octets
        return waiting

    def waiting(self) -> tuple[bytes, ...]:
        return tuple(self._lines)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write the first of the lines that wait. Raises `OSError`; what was not written waits on."""
        for batch in _batches(lines, min(BATCH, self._segments.at_once)):
            self._segments.add(b"".join(batch))
            for _ in batch:
                self._written += len(self._lines.popleft())

    def close(self) -> None:
        with suppress(OSError):
            self._segments.close()


def _write(waiting: Sequence[tuple[_Shelf, Sequence[bytes]]]) -> None:
    for shelf, lines in waiting:
        shelf.write(lines)


def _batches(lines: Sequence[bytes], most: int) -> Iterator[list[bytes]]:
    """The lines in groups of up to `most` octets, one at least."""
    batch: list[bytes] = []
    octets = 0
    for line in lines:
        if batch and octets + len(line) > most:
            yield batch
            batch, octets = [], 0
        batch.append(line)
        octets += len(line)
    if batch:
        yield batch
