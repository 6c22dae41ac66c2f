"""Connections as they come and go: who may open one, which are open, and how they end when the daemon does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import Logger

from mailbox_d.net.limits import ConnectionLimits, host_of
from mailbox_d.net.session import SessionShell
from mailbox_d.net.turns import Turns

log = Logger()

_LAST_WORDS = 1.0
"""Seconds that an aborted session's command has left to come to its end."""


class OpenSessions(Service):
    """Every open session. Stopping says farewell to all, lets commands that run come to their end, and then insists."""

    def __init__(self, reactor: Any, *, grace: float = 5.0) -> None:
        """`grace`: seconds that running commands have left when the daemon is stopped."""
        self._reactor = reactor
        self._grace = grace
        self._sessions: set[SessionShell] = set()
        self._all_gone: Deferred[None] | None = None
        self.turns = Turns(reactor.callLater)

    def __len__(self) -> int:
        return len(self._sessions)

    def opened(self, session: SessionShell) -> None:
        self._sessions.add(session)

    def ended(self, session: SessionShell) -> None:
        self._sessions.discard(session)
        if not self._sessions and self._all_gone is not None:
            all_gone, self._all_gone = self._all_gone, None
            all_gone.callback(None)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return Deferred.fromCoroutine(self._part())

    async def _part(self) -> None:
        for session in list(self._sessions):
            session.wind_down()
        if not self._sessions:
            return
        all_gone: Deferred[None] = Deferred()
        self._all_gone = all_gone
        timers = [
            self._reactor.callLater(self._grace, self._insist),
            self._reactor.callLater(self._grace + _LAST_WORDS, self._give_up),
        ]
        await all_gone
        for timer in timers:
            if timer.active():
                timer.cancel()

    def _insist(self) -> None:
        log.warn("{count} sessions did not end by themselves", count=len(self._sessions))
        for session in list(self._sessions):
            session.abort()

    def _give_up(self) -> None:
        """What still runs waits for something that may never come; it must not keep the daemon."""
        if self._all_gone is not None:
            all_gone, self._all_gone = self._all_gone, None
            all_gone.callback(None)


class Refusal(Protocol):
    """Ends a connection that is one too many, with a word where there is one.

    It is a protocol even without a word: `TLSMemoryBIOFactory` takes no None for an answer.
    """

    def __init__(self, words: bytes) -> None:
        self._words = words

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if self._words:
            transport.write(self._words)
            transport.loseConnection()
        else:
            transport.abortConnection()


class SessionFactory(ServerFactory):
    """Makes a session for each connection within the limits."""

    noisy = False

    def __init__(
        self,
        make: Callable[[], SessionShell],
        limits: ConnectionLimits,
        sessions: OpenSessions,
        *,
        refusal: bytes,
    ) -> None:
        """`refusal`: what a connection beyond the limits is told; empty where TLS would have to come first."""
        self._make = make
        self._limits = limits
        self._sessions = sessions
        self._refusal = refusal

    def buildProtocol(self, addr: Any) -> Any:
        host = host_of(addr)
        if not self._limits.admit(host):
            log.info("too many connections: {host}", host=host)
            return Refusal(self._refusal)
        session = self._make()
        session.factory = self
        session.turns = self._sessions.turns
        session.when_gone = lambda: self._gone(session, host)
        self._sessions.opened(session)
        return session

    def _gone(self, session: SessionShell, host: str) -> None:
        self._limits.release(host)
        self._sessions.ended(session)
