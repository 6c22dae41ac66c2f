"""Sessions with other servers that are kept for further mail, and how many there may be with one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger

from mailbox_d.relay.outcomes import Tried
from mailbox_d.relay.ports import Handed, Shipment


class Session(Protocol):
    """A session with a server, ready for mail."""

    tried: Tried
    """Who is there, and how the connection is secured."""
    extensions: Mapping[str, str]
    is_usable: bool
    """Whether it can take another message."""

    async def send(self, shipment: Shipment) -> tuple[Handed, ...]:
        """Hand a message over. Raises `PeerFailure`."""

    async def close(self) -> None:
        """Take leave, for a moment at most."""


class Connections:
    """By the key of a route: those of equal keys lead to the same servers, in the same way."""

    _log = Logger()

    def __init__(self, call_later: Callable[..., Any], *, most_each: int, idle_seconds: float) -> None:
        self._call_later = call_later
        self._most_each = most_each
        self._idle_seconds = idle_seconds
        self._idle: dict[str, list[tuple[Session, Any]]] = defaultdict(list)
        self._places: dict[str, DeferredSemaphore] = {}

    @asynccontextmanager
    async def place(self, key: str) -> AsyncIterator[None]:
        """Wait until there may be one more session with these servers, and have it counted."""
        places = self._places.setdefault(key, DeferredSemaphore(self._most_each))
        await places.acquire()
        try:
            yield
        finally:
            places.release()
            if places.tokens == places.limit and not places.waiting:
                self._places.pop(key, None)

    def take(self, key: str) -> Session | None:
        """A session that waits for mail, None where there is none."""
        waiting = self._idle.get(key, [])
        session: Session | None = None
        while waiting and session is None:
            found, timer = waiting.pop()
            timer.cancel()
            session = found if found.is_usable else None
        if not waiting:
            self._idle.pop(key, None)
        return session

    def keep(self, key: str, session: Session) -> None:
        """Let a session wait for further mail; after a while it is closed."""
        if not session.is_usable or not self._idle_seconds:
            self.close(session)
            return
        timer = self._call_later(self._idle_seconds, self._end, key, session)
        self._idle[key].append((session, timer))

    def close(self, session: Session) -> None:
        """Take leave; nobody waits for that."""
        Deferred.fromCoroutine(session.close()).addErrback(
            lambda failure: self._log.failure("a session did not end as it should", failure)
        )

    def close_idle(self) -> None:
        """Close all that wait for mail."""
        for key, waiting in list(self._idle.items()):
            for session, timer in waiting:
                timer.cancel()
                self.close(session)
            self._idle.pop(key, None)

    def _end(self, key: str, session: Session) -> None:
        self._idle[key] = [each for each in self._idle[key] if each[0] is not session]
        if not self._idle[key]:
            self._idle.pop(key)
        self.close(session)
