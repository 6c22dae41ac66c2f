"""Child processes for work that burns Python: in a thread it would keep the reactor from its own.

Each does one piece of work at a time, at a lower priority than the daemon's. One that dies, takes too long or talks
nonsense fails the work that it had, and another is started for the next.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailbox_d.net.child_frames import FrameReader, FrameTooLong, frame
from mailbox_d.printable import one_line

_SAID_MAX = 1000
"""Octets of what a child says at its end that are told: the end of a traceback."""


_RESPITE = 10.0
"""Seconds after a child could not be begun in which none is: what is missing (descriptors, memory) others miss too."""


class ChildFailed(Exception):
    """The child that had the work is no more, or none could be begun for it."""


class Children(Service):
    """At most `count` children, begun when there is work, that run `entry` (`module:function`, see `net/child`).

    A piece of work may take `seconds`. With `ready` one is begun at once, for to begin takes a while.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, entry: str, *, count: int = 1, seconds: float = 120.0, ready: bool = False
    ) -> None:
        self._reactor = reactor
        self._entry = entry
        self._count = count
        self._seconds = seconds
        self._ready = ready
        self._waiting: deque[tuple[bytes, Deferred[list[bytes]]]] = deque()
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []
        self._not_before = 0.0

    def startService(self) -> None:
        Service.startService(self)
        if self._ready:
            self._reactor.callWhenRunning(self._prepare)

    async def run(self, asked: Sequence[bytes]) -> list[bytes]:
        """Have a child answer. Raises `ChildFailed`; `FrameTooLong` for what cannot be sent."""
        if not self.running:
            raise ChildFailed
        answer: Deferred[list[bytes]] = Deferred(self._forget)
        self._waiting.append((frame(asked), answer))
        self._hand_out()
        return await answer

    def _forget(self, unwanted: Deferred[list[bytes]]) -> None:
        """Whoever asked wants no answer any more: what no child has begun with is not begun."""
        self._waiting = deque((asked, answer) for asked, answer in self._waiting if answer is not unwanted)

    def stopService(self) -> None:
        Service.stopService(self)
        self._give_up()
        for child in list(self._children):
            child.kill()

    def _prepare(self) -> None:
        if self.running and not self._children and (child := self._begin()) is not None:
            self._idle.append(child)

    def _hand_out(self) -> None:
        while self._waiting and (self._idle or len(self._children) < self._count):
            child = self._idle.pop() if self._idle else self._begin()
            if child is not None:
                child.work(*self._waiting.popleft(), self._seconds)
            elif self._children:
                return  # who lives takes it up later
            else:
                self._give_up()

    def _give_up(self) -> None:
        """There is nobody for what waits."""
        waiting, self._waiting = self._waiting, deque()
        for _, answer in waiting:
            answer.errback(ChildFailed())

    def _begin(self) -> _Child | None:
        """A further child; None where there can be none now."""
        if self._reactor.seconds() < self._not_before:
            return None
        child = _Child(self._reactor, self._is_free, self._is_gone)
        command = [sys.executable, "-P", "-m", "mailbox_d.net.child", self._entry]
        try:
            self._reactor.spawnProcess(child, command[0], command, env=dict(os.environ))
        except OSError as error:
            self._not_before = self._reactor.seconds() + _RESPITE
            self._log.warn("no child process can be begun: {error}", error=str(error))
            return None
        self._children.add(child)
        return child

    def _is_free(self, child: _Child) -> None:
        self._idle.append(child)
        self._hand_out()

    def _is_gone(self, child: _Child) -> None:
        self._children.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        if self.running:
            self._hand_out()


class _Child(ProcessProtocol):
    """One child process, and the work that it has."""

    log = Logger()

    def __init__(self, reactor: Any, is_free: Any, is_gone: Any) -> None:
        self._reactor = reactor
        self._is_free = is_free
        self._is_gone = is_gone
        self._reader = FrameReader()
        self._said = b""
        self._answer: Deferred[list[bytes]] | None = None
        self._timer: Any = None
        self.transport: Any

    def work(self, asked: bytes, answer: Deferred[list[bytes]], seconds: float) -> None:
        self._answer = answer
        self._timer = self._reactor.callLater(seconds, self.kill)
        self.transport.write(asked)

    def kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def outReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            answered = self._reader.next_frame()
        except FrameTooLong:
            self.kill()
            return
        if answered is None:
            return
        if self._answer is None:
            self.kill()  # nobody asked
            return
        answer = self._take()
        self._is_free(self)
        if answer is not None:
            answer.callback(answered)

    def errReceived(self, data: bytes) -> None:
        self._said = (self._said + data)[-_SAID_MAX:]

    def processEnded(self, reason: Failure) -> None:
        answer = self._take()
        self._is_gone(self)
        if self._said:
            told = self._said.decode(errors="replace")
            self.log.warn("a child process ended; its last words: {text}", text=one_line(told, _SAID_MAX))
        if answer is not None:
            answer.errback(ChildFailed(reason.getErrorMessage()))

    def _take(self) -> Deferred[list[bytes]] | None:
        """Whoever is to be told, unless they want to know no more."""
        answer, self._answer = self._answer, None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        return None if answer is None or answer.called else answer
