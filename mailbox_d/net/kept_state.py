"""What the daemon remembers in a small file, so that it knows it after a restart: a line for each thing.

The file is read when the daemon starts, and written whole at most each minute and at the end. Whatever becomes of it,
only what it says is lost.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.auth.realm import RunInLane
from mailbox_d.store.files import FileSystem, make_directories, parent, read_whole
from mailbox_d.store.state_file import replace_file

SAVE_INTERVAL = 60.0
"""Seconds between two times that what is new is written down."""

FILE_MAX = 64 << 20

Row = TypeVar("Row")


class Kept(Protocol[Row]):
    """What is remembered. `line` and `row` are called in a lane, all else in the reactor's thread."""

    is_new: bool
    """Whether something came that is not on disk."""

    def rows(self) -> Sequence[Row]:
        """All that is remembered, the latest at the end."""

    def recall(self, rows: Sequence[Row]) -> None:
        """Take what was remembered before."""

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
        """`most`: octets of a file that is read; a larger one is none of ours."""
        self._files = files or FileSystem()
        self._path = path
        self._kept = kept
        self._run = run
        self._most = most
        self._is_read = False
        self._reading = DeferredLock()
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
        """Read what is on disk, once; where that fails, begin without. For who must know of it before all else."""
        async with self._reading:
            if self._is_read:
                return
            try:
                self._kept.recall(await self._run(self._read))
            except Exception as fault:
                self._log.error("{path} cannot be read: {fault}", path=os.fsdecode(self._path), fault=fault)
            self._is_read = True

    async def save(self) -> None:
        """Write what is new; where that fails, the next time. What was not yet read is not written over."""
        if not self._is_read or not self._kept.is_new:
            return
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

    def _write(self, rows: Sequence[Row]) -> None:
        make_directories(self._files, parent(self._path))
        content = "".join(f"{self._kept.line(row)}\n" for row in rows)
        replace_file(self._files, self._path, content.encode("utf-8"))
