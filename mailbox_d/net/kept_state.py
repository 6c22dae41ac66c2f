"""What the daemon remembers in a small file, so that it knows it after a restart: a line for each thing.

The file is read when the daemon starts, and written whole: at once where something is not in it by then, at most each
minute, and at the end. Whatever becomes of it, only what it says is lost. One that cannot be read at the moment is not
written over: it is tried again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.auth.realm import RunInLane
from mailbox_d.net.lanes import sleep
from mailbox_d.store.files import FileSystem, make_directories, parent, read_whole
from mailbox_d.store.state_file import replace_file

SAVE_INTERVAL = 60.0
"""Seconds between two times that what is new is written down."""

FILE_MAX = 64 << 20

PIECE = 250
"""Rows that are taken in one turn of the reactor."""

_NONE_OF_OURS = frozenset({errno.EFBIG, errno.EISDIR, errno.ELOOP, errno.ESPIPE})
"""Why a file cannot be read that was never written here, and need not be spared."""

Row = TypeVar("Row")


class Kept(Protocol[Row]):
    """What is remembered. `line` and `row` are called in a lane, all else in the reactor's thread, where nothing may
    take more than a few milliseconds."""

    is_new: bool
    """Whether something came that is not on disk."""

    def rows(self) -> Iterable[Row]:
        """All that is remembered, the latest at the end. It is asked for in the reactor's thread, and gone through, to
        its end and before the next one, in a lane."""

    def recall(self, rows: Sequence[Row]) -> None:
        """Take a piece of what was remembered, the latest at the end. The latest piece comes first, and each is older
        than all that is remembered by then."""

    def line(self, row: Row, /) -> str:
        """As a line, without its end."""

    def row(self, line: str, /) -> Row | None:
        """What a line says; None where it is damaged."""


class KeptState(Service, Generic[Row]):
    """Keeps it in the file at `path`. To start before, and stop after, whoever has something to remember; `run`: that
    of a lane with one thread."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        path: bytes,
        kept: Kept[Row],
        run: RunInLane,
        files: FileSystem | None = None,
        *,
        most: int = FILE_MAX,
    ) -> None:
        """`most`: octets of a file that is read, a larger one is none of ours; of what is remembered, the latest is
        written, so much of it."""
        self._reactor = reactor
        self._files = files or FileSystem()
        self._path = path
        self._kept = kept
        self._run = run
        self._most = most
        self._is_tried = False
        self._is_read = False
        self._using = DeferredLock()
        self._saving = LoopingCall(lambda: Deferred.fromCoroutine(self.save()))
        self._saving.clock = reactor

    def startService(self) -> None:
        Service.startService(self)
        Deferred.fromCoroutine(self.load())
        self._saving.start(SAVE_INTERVAL, now=False)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        if self._saving.running:
            self._saving.stop()
        return Deferred.fromCoroutine(self.save())

    async def load(self) -> None:
        """Read what is on disk and write what is not, once; where that fails, begin without. For who must know of it
        before all else."""
        async with self._using:
            if not self._is_tried:
                self._is_tried = True
                await self._bring_together()

    async def save(self) -> None:
        """Write what is new; where that fails, the next time."""
        async with self._using:
            await self._bring_together()

    async def _bring_together(self) -> None:
        """What is on disk and what is remembered. What could not yet be read is not written over."""
        if not self._is_read:
            self._is_read = await self._recall()
        if self._is_read and self._kept.is_new:
            await self._save()

    async def _recall(self) -> bool:
        """Whether what is on disk, if anything, is known now."""
        try:
            rows = await self._run(self._read)
            for end in range(len(rows), 0, -PIECE):
                if end < len(rows):
                    await sleep(self._reactor, 0)
                self._kept.recall(rows[max(0, end - PIECE) : end])
        except Exception as fault:
            self._log.error("{path} cannot be read: {fault}", path=os.fsdecode(self._path), fault=fault)
            return isinstance(fault, OSError) and fault.errno in _NONE_OF_OURS
        return True

    async def _save(self) -> None:
        self._kept.is_new = False
        try:
            await self._run(self._write, self._kept.rows())
        except Exception as fault:
            self._kept.is_new = True
            self._log.error("{path} cannot be written: {fault}", path=os.fsdecode(self._path), fault=fault)

    # -- in the lane -----------------------------------------------------------------------------------------------

    def _read(self) -> list[Row]:
        text = read_whole(self._files, self._path, self._most) or b""
        rows = map(self._kept.row, text.decode("utf-8", "replace").split("\n"))
        return [row for row in rows if row is not None]

    def _write(self, rows: Iterable[Row]) -> None:
        make_directories(self._files, parent(self._path))
        replace_file(self._files, self._path, self._content(rows))

    def _content(self, rows: Iterable[Row]) -> bytes:
        """The latest rows of as many octets as will be read again."""
        lines: list[bytes] = []
        octets = 0
        for row in reversed(list(rows)):
            line = f"{self._kept.line(row)}\n".encode()
            octets += len(line)
            if octets > self._most:
                break
            lines.append(line)
        return b"".join(reversed(lines))
