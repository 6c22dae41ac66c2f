"""Sessions with other servers that are kept for further mail, and how many there may be with one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger

from mailbox_d.relay.dispatch.outcomes import Tried
from mailbox_d.relay.peer.client import PeerSession


@dataclass(slots=True, eq=False)
class Link:
    """A session with a server, ready for mail, and what is to be told of that server."""

    session: PeerSession
    tried: Tried
    messages: int = 0
    """That were handed over so far."""

    @property
    def is_usable(self) -> bool:
        """Whether it can take another message."""
        return self.session.is_usable


class Connections:
    """By the key of a route: those of equal keys lead to the same servers, in the same way."""

    _log = Logger()

    def __init__(
        self, call_later: Callable[..., Any], *, most: int, most_each: int, idle_seconds: float, messages: int
    ) -> None:
        """`most`: sessions in all, as far as those that wait for mail can make room; `most_each`: of one key;
        `messages`: handed over in one session."""
        self._call_later = call_later
        self._most = most
        self._most_each = most_each
        self._idle_seconds = idle_seconds
        self._messages = messages
        self._idle: dict[str, list[tuple[Link, Any]]] = defaultdict(list)
        self._places: dict[str, DeferredSemaphore] = {}

    @property
    def count(self) -> int:
        """How many sessions there are, or are being made."""
        used = sum(places.limit - places.tokens for places in self._places.values())
        return used + sum(map(len, self._idle.values()))

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

    def is_crowded(self, key: str) -> bool:
        """Whether as many wait for a place there as there are places."""
        places = self._places.get(key)
        return places is not None and len(places.waiting) >= self._most_each

    def make_room(self, key: str) -> None:
        """Before a session is made for a place: close those that have waited longest, where there would be too many."""
        places = self._places.get(key)
        used = places.limit - places.tokens if places else 0
        while self._idle.get(key) and used + len(self._idle[key]) > self._most_each:
            self._close_oldest(key)
        while self._idle and self.count > self._most:
            self._close_oldest(next(iter(self._idle)))

    def take(self, key: str) -> Link | None:
        """A session that waits for mail, None where there is none."""
        waiting = self._idle.get(key, [])
        link: Link | None = None
        while waiting and link is None:
            found, timer = waiting.pop()
            timer.cancel()
            link = found if found.is_usable else None
        if not waiting:
            self._idle.pop(key, None)
        return link

    def keep(self, key: str, link: Link) -> None:
        """Let a session, over which a message went, wait for further mail; after a while it is closed."""
        link.messages += 1
        if not link.is_usable or not self._idle_seconds or link.messages >= self._messages:
            self.close(link)
            return
        timer = self._call_later(self._idle_seconds, self._end, key, link)
        self._idle[key].append((link, timer))

    def close(self, link: Link) -> None:
        """Take leave; nobody waits for that."""
        Deferred.fromCoroutine(link.session.close()).addErrback(
            lambda failure: self._log.failure("a session did not end as it should", failure)
        )

    def close_idle(self) -> None:
        """Close all that wait for mail."""
        for key, waiting in list(self._idle.items()):
            for link, timer in waiting:
                timer.cancel()
                self.close(link)
            self._idle.pop(key, None)

    def _close_oldest(self, key: str) -> None:
        link, timer = self._idle[key][0]
        timer.cancel()
        self._end(key, link)

    def _end(self, key: str, link: Link) -> None:
        self._idle[key] = [each for each in self._idle[key] if each[0] is not link]
        if not self._idle[key]:
            self._idle.pop(key)
        self.close(link)
