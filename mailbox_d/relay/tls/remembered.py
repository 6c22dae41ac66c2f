"""How well the connections to a domain's servers were secured, so that none is secured less later without being asked.

A domain's level is the best that one of its servers had, and is forgotten when mail was not taken there for 30 days. It
is a plain file, a line for each domain, that is written some seconds late: what a crash loses is learnt again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger

from mailbox_d.relay.ports import Security
from mailbox_d.store.files import FileSystem, make_directories, parent, read_whole
from mailbox_d.store.state_file import replace_file

FORGOTTEN_AFTER = 30 * 86400.0
"""Seconds."""

NOTED_AGAIN = 3600.0
"""Seconds after which times on disk are brought up to date, though no level has changed."""

_LINE = re.compile(r"(\S{1,300}) (encrypted|authenticated) ([0-9]{1,12})")
_FILE_MAX = 256 << 20

_log = Logger()


@dataclass(frozen=True, slots=True)
class RememberedLevel:
    """What a domain's servers had, and when a connection last did (seconds since 1970)."""

    domain: str
    level: Security
    seen: float


class RememberedTls:
    """The levels of up to `most` domains; of more, those whose servers were seen longest ago are forgotten.

    `run`: that of a lane with one thread; `clock`: seconds since 1970. `load` is called before all else, `save` every
    few seconds and at the end.
    """

    def __init__(
        self,
        files: FileSystem,
        path: bytes,
        *,
        run: Callable[..., Awaitable[Any]],
        clock: Callable[[], float],
        most: int,
    ) -> None:
        self._files = files
        self._path = path
        self._run = run
        self._clock = clock
        self._most = most
        self._levels: OrderedDict[str, RememberedLevel] = OrderedDict()
        self._is_new = False
        """Whether something is not on disk."""
        self._written = clock()

    async def load(self) -> None:
        """Read what is on disk; where that fails, begin without."""
        try:
            self._levels = await self._run(self._read)
        except OSError as fault:
            _log.error("How other servers' connections were secured cannot be read: {fault}", fault=fault)

    def level(self, domain: str) -> Security:
        """What connections to a domain's servers must have at least."""
        known = self._levels.get(domain)
        return Security.PLAIN if known is None or self._is_old(known) else known.level

    def note(self, domain: str, level: Security) -> None:
        """A connection to a server of a domain (A-labels) had this level."""
        before = self.level(domain)
        level = max(level, before)
        if level is Security.PLAIN:
            return
        self._is_new = self._is_new or level > before or self._clock() >= self._written + NOTED_AGAIN
        self._levels[domain] = RememberedLevel(domain, level, self._clock())
        self._levels.move_to_end(domain)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)

    def all(self) -> tuple[RememberedLevel, ...]:
        """What is remembered, by domain."""
        return in_order(self._levels.values(), self._clock())

    def kept(self) -> tuple[RememberedLevel, ...]:
        """The same for `in_order`, which somebody else may call: there may be many."""
        return tuple(self._levels.values())

    def forget(self, domain: str) -> bool:
        """Let a domain's servers have less from now on; false where nothing was remembered."""
        known = self._levels.pop(domain, None)
        self._is_new = self._is_new or known is not None
        return known is not None

    async def save(self) -> None:
        """Write what is new; where that fails, the next time."""
        if not self._is_new:
            return
        self._is_new, self._written = False, self._clock()
        try:
            await self._run(self._write, self.kept(), self._clock())
        except OSError as fault:
            self._is_new = True
            _log.error("How other servers' connections were secured cannot be kept: {fault}", fault=fault)

    def _is_old(self, known: RememberedLevel) -> bool:
        return _is_old(known, self._clock())

    # -- in the lane: there may be very many --------------------------------------------------------------------

    def _read(self) -> OrderedDict[str, RememberedLevel]:
        text = read_whole(self._files, self._path, _FILE_MAX) or b""
        levels = [level for line in text.decode("utf-8", "replace").split("\n") for level in _read(line)]
        levels.sort(key=lambda level: level.seen)
        return OrderedDict((level.domain, level) for level in levels[-self._most :])

    def _write(self, levels: Iterable[RememberedLevel], now: float) -> None:
        lines = [f"{one.domain} {one.level.word} {one.seen:.0f}\n" for one in in_order(levels, now)]
        make_directories(self._files, parent(self._path))
        replace_file(self._files, self._path, "".join(lines).encode("utf-8"))


def in_order(levels: Iterable[RememberedLevel], now: float) -> tuple[RememberedLevel, ...]:
    """Those that are not to be forgotten by now, by domain."""
    return tuple(sorted((one for one in levels if not _is_old(one, now)), key=lambda one: one.domain))


def _is_old(known: RememberedLevel, now: float) -> bool:
    return now >= known.seen + FORGOTTEN_AFTER


def _read(line: str) -> list[RememberedLevel]:
    matched = _LINE.fullmatch(line)
    return [RememberedLevel(matched[1], Security[matched[2].upper()], float(matched[3]))] if matched else []
