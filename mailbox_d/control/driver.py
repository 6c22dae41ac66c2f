"""Carries work on: turn by turn in a lane, its questions by child processes, its pauses on no thread."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, gatherResults

from mailbox_d.net.child_frames import FrameTooLong
from mailbox_d.net.children import ChildFailed, Children
from mailbox_d.net.lanes import Lane
from mailbox_d.store.upkeep.steps import Answered, Ask, Pause

_TURN_SECONDS = 0.05
_TURN_TOLD = 200
"""What a turn may take, and tell, before it is told and others have theirs."""

Steps: TypeAlias = Generator[object, Any, None]
"""Work: it yields what is to be told, or what it wants, an `Ask`, a `Pause` or an `InReactor`."""

Tell = Callable[[Sequence[Any]], Awaitable[None]]
"""Passes on what was told, and waits for a reader that is slow; raises where there is none any more."""


class Stopped(Exception):
    """The work was ended before it was done."""


@dataclass(frozen=True, slots=True)
class InReactor:
    """The driver is to have this done in the reactor's thread, and to send in what comes of it."""

    work: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Turn:
    """What came of a turn: what was told, what is wanted before the next one, or that there is none."""

    told: list[object] = field(default_factory=list)
    wants: Ask | Pause | InReactor | None = None
    is_last: bool = False
    error: Exception | None = None


class Driver:
    """Carries one piece of work on. `stop` is for the reactor's thread: the work ends where it next could wait."""

    def __init__(self, reactor: Any, lane: Lane, children: Children) -> None:
        self._reactor = reactor
        self._lane = lane
        self._children = children
        self._pausing: Deferred[None] | None = None
        self._is_stopped = False

    async def drive(self, work: Steps, tell: Tell) -> None:
        """Do all of the work. Raises `Stopped`, what `tell` raises, and what the work raises that it should not."""
        service: Any = self._children
        service.startService()
        try:
            await self._turns(work, tell)
        finally:
            self._children.stopService()
            await self._lane.run(work.close)

    def stop(self) -> None:
        """Nobody wants it any more: end pauses and children at once."""
        self._is_stopped = True
        if self._children.running:
            self._children.stopService()
        pausing, self._pausing = self._pausing, None
        if pausing is not None:
            pausing.callback(None)

    async def _turns(self, work: Steps, tell: Tell) -> None:
        answered: object = None
        while not self._is_stopped:
            turn = await self._lane.run(take_turn, work, answered)
            await tell(turn.told)
            if turn.error is not None:
                raise turn.error
            if turn.is_last:
                return
            answered = await self._given(turn.wants)
        raise Stopped

    async def _given(self, wants: Ask | Pause | InReactor | None) -> object:
        """What the work wants before it goes on."""
        if isinstance(wants, Ask):
            return await self._answers(wants)
        if isinstance(wants, InReactor):
            return await wants.work()
        if isinstance(wants, Pause):
            await self._pause(wants.seconds)
        return None

    async def _answers(self, asked: Ask) -> Answered:
        """What children answer, all at once; None for each one that failed."""
        answers = [Deferred.fromCoroutine(self._answer(question)) for question in asked.questions]
        return await gatherResults(answers)

    async def _answer(self, question: Sequence[bytes]) -> list[bytes] | None:
        try:
            return await self._children.run(question)
        except (ChildFailed, FrameTooLong):
            return None

    async def _pause(self, seconds: float) -> None:
        if self._is_stopped:
            return
        pausing: Deferred[None] = Deferred()
        self._pausing = pausing
        call = self._reactor.callLater(seconds, pausing.callback, None)
        try:
            await pausing
        finally:
            self._pausing = None
            if call.active():
                call.cancel()


def take_turn(work: Steps, answered: object, monotonic: Callable[[], float] = time.monotonic) -> Turn:
    """Do a piece of work, for a moment, or up to where something is wanted."""
    turn, until = Turn(), monotonic() + _TURN_SECONDS
    try:
        while len(turn.told) < _TURN_TOLD:
            step = work.send(answered)
            answered = None
            if isinstance(step, Ask | Pause | InReactor):
                turn.wants = step
                break
            turn.told.append(step)
            if monotonic() > until:
                break
    except StopIteration:
        turn.is_last = True
    except Exception as error:  # the lane would do it again for some of them, and there is nothing left to be done
        turn.error = error
    return turn
