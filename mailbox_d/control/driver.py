"""Carries work on the store on: turn by turn in a lane, its questions by child processes, its pauses on no thread."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from mailbox_d.net.child_frames import FrameTooLong
from mailbox_d.net.children import ChildFailed, Children
from mailbox_d.net.lanes import Lane
from mailbox_d.store.upkeep.steps import Answered, Ask, Pause, Told, Work

_TURN_SECONDS = 0.05
_TURN_TOLD = 200
"""What a turn may take, and tell, before it is told and others have theirs."""

Tell = Callable[[Sequence[Told]], Awaitable[None]]
"""Passes on what was told, and waits for a reader that is slow; raises where there is none any more."""


class Stopped(Exception):
    """The work was ended before it was done."""


@dataclass(slots=True)
class Turn:
    """What came of a turn: what was told, what is wanted before the next one, or that there is none."""

    told: list[Told] = field(default_factory=list)
    wants: Ask | Pause | None = None
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

    async def drive(self, work: Work[None], tell: Tell) -> None:
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

    async def _turns(self, work: Work[None], tell: Tell) -> None:
        answered: Answered | None = None
        while not self._is_stopped:
            turn = await self._lane.run(take_turn, work, answered)
            await tell(turn.told)
            if turn.error is not None:
                raise turn.error
            if turn.is_last:
                return
            answered = await self._answers(turn.wants) if isinstance(turn.wants, Ask) else None
            if isinstance(turn.wants, Pause):
                await self._pause(turn.wants.seconds)
        raise Stopped

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


def take_turn(work: Work[None], answered: Answered | None, monotonic: Callable[[], float] = time.monotonic) -> Turn:
    """Do a piece of work, for a moment, or up to where something is wanted."""
    turn, until = Turn(), monotonic() + _TURN_SECONDS
    try:
        while len(turn.told) < _TURN_TOLD:
            step = work.send(answered)
            answered = None
            if isinstance(step, Ask | Pause):
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
