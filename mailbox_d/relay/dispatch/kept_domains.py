"""The domains to which mail was delivered lately, over a restart: others that only cost time are new after it too.

It is a plain file, a name for each line, the one delivered to last at the end; written a minute late, and at the end.
Whatever becomes of it, only what it says is lost, and learnt again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.relay.dispatch.admission import KNOWN_MAX, KnownDomains
from mailbox_d.store.files import FileSystem, make_directories, parent, read_whole
from mailbox_d.store.state_file import replace_file

SAVE_INTERVAL = 60.0
"""Seconds between two times that what is new is written down."""

_LINE = re.compile(r"\S{1,300}")
_FILE_MAX = 4 << 20


class KeptDomains(Service):
    """Keeps them in a file. To start before, and stop after, whoever sends; `run`: that of a lane with one thread."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        files: FileSystem,
        path: bytes,
        known: KnownDomains,
        *,
        run: Callable[..., Awaitable[Any]],
    ) -> None:
        self._files = files
        self._path = path
        self._known = known
        self._run = run
        self._saving = LoopingCall(self.save)
        self._saving.clock = reactor

    async def load(self) -> None:
        """Read what is on disk; where that fails, begin without. Nothing may be sent until then."""
        try:
            self._known.recall(await self._run(self._read))
        except Exception as fault:
            self._log.error("The domains that mail was delivered to cannot be read: {fault}", fault=fault)

    async def save(self) -> None:
        """Write what is new; where that fails, the next time."""
        if not self._known.is_new:
            return
        self._known.is_new = False
        try:
            await self._run(self._write, tuple(self._known))
        except Exception as fault:
            self._known.is_new = True
            self._log.error("The domains that mail was delivered to cannot be kept: {fault}", fault=fault)

    def startService(self) -> None:
        Service.startService(self)
        self._saving.start(SAVE_INTERVAL, now=False)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        if self._saving.running:
            self._saving.stop()
        return Deferred.fromCoroutine(self.save())

    # -- in the lane -----------------------------------------------------------------------------------------------

    def _read(self) -> list[str]:
        text = read_whole(self._files, self._path, _FILE_MAX) or b""
        names = [line for line in text.decode("utf-8", "replace").split("\n") if _LINE.fullmatch(line)]
        return names[-KNOWN_MAX:]

    def _write(self, names: Iterable[str]) -> None:
        make_directories(self._files, parent(self._path))
        replace_file(self._files, self._path, "".join(f"{name}\n" for name in names).encode("utf-8"))
