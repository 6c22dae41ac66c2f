"""From where users have logged in, over a restart: whoever guesses at that moment shuts nobody out either.

It is a plain file, a network and a user for each line, who was here last at the end; written a minute late, and at the
end. Whatever becomes of it, only what it says is lost, and learnt again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.auth.guessing.acquaintances import Acquaintances
from mailbox_d.store.files import FileSystem, make_directories, parent, read_whole
from mailbox_d.store.state_file import replace_file

FILE_NAME = "acquaintances"
"""In the state folder."""

SAVE_INTERVAL = 60.0
"""Seconds between two times that what is new is written down."""

_LINE = re.compile(r"([0-9a-f.:/]{1,50}) ([^\n]{1,400})")
_FILE_MAX = 256 << 20


class KeptAcquaintances(Service):
    """Keeps them in a file. To start before, and stop after, whoever lets users in; `run`: that of a lane with one
    thread."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        files: FileSystem,
        path: bytes,
        acquaintances: Acquaintances,
        *,
        run: Callable[..., Awaitable[Any]],
    ) -> None:
        self._files = files
        self._path = path
        self._acquaintances = acquaintances
        self._run = run
        self._saving = LoopingCall(self.save)
        self._saving.clock = reactor

    async def load(self) -> None:
        """Read what is on disk; where that fails, begin without."""
        try:
            self._acquaintances.recall(await self._run(self._read))
        except Exception as fault:
            self._log.error("From where users have logged in cannot be read: {fault}", fault=fault)

    async def save(self) -> None:
        """Write what is new; where that fails, the next time."""
        if not self._acquaintances.is_new:
            return
        self._acquaintances.is_new = False
        try:
            await self._run(self._write, tuple(self._acquaintances))
        except Exception as fault:
            self._acquaintances.is_new = True
            self._log.error("From where users have logged in cannot be kept: {fault}", fault=fault)

    def startService(self) -> None:
        Service.startService(self)
        Deferred.fromCoroutine(self.load())  # which raises nothing
        self._saving.start(SAVE_INTERVAL, now=False)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        if self._saving.running:
            self._saving.stop()
        return Deferred.fromCoroutine(self.save())

    # -- in the lane -----------------------------------------------------------------------------------------------

    def _read(self) -> list[tuple[str, str]]:
        text = read_whole(self._files, self._path, _FILE_MAX) or b""
        lines = map(_LINE.fullmatch, text.decode("utf-8", "replace").split("\n"))
        return [(line[2], line[1]) for line in lines if line is not None]

    def _write(self, pairs: Iterable[tuple[str, str]]) -> None:
        make_directories(self._files, parent(self._path))
        replace_file(self._files, self._path, "".join(f"{network} {user}\n" for user, network in pairs).encode("utf-8"))
