"""The index is fed in the background: mail that came while nobody looked is worked on before a client asks for it.

What clients of an account asked for last is worked out for all messages of the mailboxes that they open, by child
processes, a piece at a time; what a client asks for meanwhile is looked up as ever, and not worked out again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailbox_d.imap.fetch.ahead import Workers
from mailbox_d.imap.fetch.child import answers, question
from mailbox_d.imap.fetch.remembered import attributes_of
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.children import ChildFailed
from mailbox_d.net.lanes import Lane
from mailbox_d.store.ports import Mailbox

_WORTH = 50
"""Fewer messages than this are looked up when they are asked for."""
_NAMES_MAX = 4
"""How many of the last lists of attributes are prepared for."""
_PIECE = 200
"""Messages that a child is given at once."""
_REPORT_SECONDS = 10.0
_AGAIN_SECONDS = 300.0
_WANTED_MAX = 100
"""Mailboxes that wait; what comes further is looked up when it is asked for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Messages by UID with their paths, of which nothing was said yet under some names."""

    names: tuple[bytes, ...]
    paths: dict[int, bytes]


class IndexFeeding(Service):
    """Works through the mailboxes that were wanted, `at_once` of them at a time."""

    log = Logger()

    def __init__(
        self,
        workers: Workers,
        limits: MimeLimits,
        *,
        at_once: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = workers
        self._limits = limits
        self._monotonic = monotonic
        self._at_once = at_once
        self._wanted: dict[int, tuple[Mailbox, Lane]] = {}
        self._fed_at: WeakKeyDictionary[Mailbox, float] = WeakKeyDictionary()
        self._at_work = 0

    def want(self, mailbox: Mailbox, lane: Lane) -> None:
        """This mailbox was opened: see to it as soon as those before it are done, unless it was seen to just now.

        The lane is that of the user who opened it.
        """
        if self._monotonic() < self._fed_at.get(mailbox, -_AGAIN_SECONDS) + _AGAIN_SECONDS:
            return
        if self.running and len(self._wanted) < _WANTED_MAX:
            self._wanted[id(mailbox)] = (mailbox, lane)
            if self._at_work < self._at_once:
                self._at_work += 1
                Deferred.fromCoroutine(self._work()).addErrback(lambda failure: self.log.failure("no index", failure))

    async def _work(self) -> None:
        try:
            while self._wanted and self.running:
                await self._feed(*self._wanted.pop(next(iter(self._wanted))))
        finally:
            self._at_work -= 1

    async def _feed(self, mailbox: Mailbox, lane: Lane) -> None:
        pieces = await lane.run(self._pieces, mailbox)
        if pieces is None:
            return
        self._fed_at[mailbox] = self._monotonic()
        total = sum(len(piece.paths) for piece in pieces)
        done, told_at = 0, self._monotonic()
        for piece in pieces:
            if not self.running:
                return
            await self._feed_piece(mailbox, lane, piece)
            done += len(piece.paths)
            if done == total or self._monotonic() >= told_at + _REPORT_SECONDS:
                told_at = self._monotonic()
                self.log.info("index of {mailbox!r}: {done} of {total}", mailbox=mailbox.name, done=done, total=total)

    async def _feed_piece(self, mailbox: Mailbox, lane: Lane, piece: Piece) -> None:
        """A piece that a child fails over is left to those who ask: one bad message must not keep the others out."""
        try:
            answered = await self._workers.run(question(self._limits, piece.names, list(piece.paths.values())))
        except ChildFailed:
            self.log.warn("{count} messages of {mailbox!r} not indexed", count=len(piece.paths), mailbox=mailbox.name)
            return
        said = answers(answered, len(piece.names))
        for place, name in enumerate(piece.names):
            rows = {uid: each[place] for uid, each in zip(piece.paths, said, strict=True)}
            await lane.run(mailbox.index.remember, name, rows)

    def _pieces(self, mailbox: Mailbox) -> list[Piece] | None:
        """What there is to do, None while nobody has asked for anything; blocking."""
        index = mailbox.index
        names = [name for name in index.attributes() if attributes_of(name, self._limits)][:_NAMES_MAX]
        if not names:
            return None
        unknown: dict[int, tuple[bytes, ...]] = {}
        for name in names:
            for uid in index.unknown(name):
                unknown[uid] = (*unknown.get(uid, ()), name)
        return list(self._cut(mailbox, unknown)) if len(unknown) >= _WORTH else []

    def _cut(self, mailbox: Mailbox, unknown: dict[int, tuple[bytes, ...]]) -> Iterator[Piece]:
        """Pieces of messages that lack the same; the newest first, for they are looked at first."""
        for names in set(unknown.values()):
            uids = sorted((uid for uid in unknown if unknown[uid] == names), reverse=True)
            for start in range(0, len(uids), _PIECE):
                yield Piece(names, dict(mailbox.index.paths(uids[start : start + _PIECE])))
