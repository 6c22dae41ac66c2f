"""Child processes work ahead of a FETCH of many messages, from the far end, while the lane comes from the near one.

What they answer waits here, in bounded memory, until FETCH comes to it. Nobody waits for a child: where there is no
answer yet the lane looks the message up as ever. A child that is slow, hangs or dies costs what it would have spared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailbox_d.imap.fetch.child import answers, question
from mailbox_d.imap.fetch.remembered import OCTETS_MAX
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.children import ChildFailed
from mailbox_d.net.lanes import Lane
from mailbox_d.store.ports import Mailbox


class Workers(Protocol):
    """Who works things out."""

    async def run(self, asked: Sequence[bytes]) -> list[bytes]:
        """Raises `ChildFailed`."""


@dataclass(frozen=True, slots=True)
class AheadLimits:
    """When children are asked, and how far ahead. Messages, octets."""

    worth: int = 500
    """With fewer messages left than this no child is troubled."""
    piece: int = 100
    """Messages that a child is given at once."""
    window: int = 4000
    """Messages before the far end that is worked on; what lies behind it has its turn when the ends have met."""
    held: int = 4 << 20
    """Octets of answers that wait for their turn; 0: no child is asked."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works, and on how many pieces at a time for each FETCH: each child has the next while it does one."""

    workers: Workers
    at_once: int = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose answers are wanted: so many messages, in FETCH's order, under the name by which they are remembered."""

    name: bytes
    count: int
    uids: Callable[[range], Sequence[int]]
    """Of some of them."""
    mime: MimeLimits


class FetchAhead:
    """What children find out for one FETCH. FETCH takes in the lane's thread, all else is for the reactor's."""

    _log = Logger()

    def __init__(self, crew: Crew, lane: Lane, limits: AheadLimits, mailbox: Mailbox, wanted: Wanted) -> None:
        """The lane is that of the user whose FETCH it is."""
        self._crew = crew
        self._lane = lane
        self._limits = limits
        self._mailbox = mailbox
        self._wanted = wanted
        self._near = 0
        """How many messages FETCH is done with."""
        self._start = self._far = self._end = 0
        """The window, and the first of its messages that a child has begun with."""
        self._answers: dict[int, bytes] = {}
        self._came = self._taken = 0
        """Octets of answers; each is counted by one thread at a time."""
        self._under_way: dict[Deferred[None], range] = {}
        """Which messages each piece of work is about."""
        self._is_over = self._is_handing_out = False

    def take(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The answers for those of these messages for which there are some; they are forgotten here."""
        found = {uid: octets for uid in uids if (octets := self._answers.pop(uid, None)) is not None}
        self._taken += sum(map(len, found.values()))
        return found

    def go_on(self, done: int) -> None:
        """FETCH is done with so many of the messages: see that children are at work on others. Not while it takes.

        Answers that it did not take, for the index had them by then, are forgotten.
        """
        self.take(self._wanted.uids(range(self._near, done)))
        self._near = done
        for doing in [doing for doing, piece in self._under_way.items() if piece.start < done]:
            doing.cancel()
        self._hand_out()

    def stop(self) -> None:
        """FETCH has ended."""
        self._is_over = True
        self._answers.clear()
        for doing in list(self._under_way):
            doing.cancel()

    def _hand_out(self) -> None:
        """Have as much under way as there may be, one piece after the other."""
        if self._is_handing_out:
            return
        self._is_handing_out = True
        while not self._is_over and len(self._under_way) < self._crew.at_once and (piece := self._next_piece()):
            doing = Deferred.fromCoroutine(self._look_at(piece))
            self._under_way[doing] = piece
            doing.addErrback(self._fail).addCallback(self._done, doing)
        self._is_handing_out = False

    def _done(self, _: None, doing: Deferred[None]) -> None:
        del self._under_way[doing]
        self._hand_out()

    def _fail(self, failure: Failure) -> None:
        """Whoever has failed once is asked for nothing more; FETCH goes on alone."""
        if failure.check(CancelledError):
            return
        self._is_over = True
        self._log.warn("no child works ahead in {mailbox!r} any more", mailbox=self._mailbox.name)
        if not failure.check(ChildFailed):
            self._log.failure("working ahead", failure)

    async def _look_at(self, piece: range) -> None:
        paths = await self._lane.run(self._unknown, self._wanted.uids(piece))
        if paths:
            asked = question(self._wanted.mime, [self._wanted.name], list(paths.values()))
            self._take_in(piece, paths, await self._crew.workers.run(asked))

    def _next_piece(self) -> range | None:
        """The last messages that nobody has begun with; None where there are none, or too much waits already."""
        if self._came - self._taken >= self._limits.held:
            return None
        size = self._limits.piece
        while self._far <= (first := max(self._near + size, self._start)):
            if self._end == self._wanted.count:
                return None
            self._start, self._end = self._end, min(self._end + self._limits.window, self._wanted.count)
            self._far = self._end
        piece = range(max(self._far - size, first), self._far)
        self._far = piece.start
        return piece

    def _unknown(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        """The paths of those of which the index does not tell; blocking."""
        known = self._mailbox.index.remembered(self._wanted.name, uids)
        return self._mailbox.index.paths([uid for uid in uids if uid not in known])

    def _take_in(self, piece: range, paths: Mapping[int, bytes], answered: Sequence[bytes]) -> None:
        """Keep answers for messages that FETCH has not come to. An empty one is none."""
        if len(answered) != len(paths):
            raise ChildFailed
        if piece.start >= self._near and not self._is_over:
            found = {
                uid: octets
                for uid, (octets,) in zip(paths, answers(answered, 1), strict=True)
                if 0 < len(octets) <= OCTETS_MAX
            }
            self._came += sum(map(len, found.values()))
            self._answers.update(found)
