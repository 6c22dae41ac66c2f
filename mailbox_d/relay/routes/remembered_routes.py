"""Routes that were found a moment ago: many messages for one domain need no lookup each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from mailbox_d.address import EmailAddress
from mailbox_d.relay.ports import Route

SECONDS = 5.0
ROUTES_MAX = 1000


class Routing(Protocol):
    """Finds the servers for a domain."""

    async def route(self, domain: str, sender: EmailAddress | None) -> Route:
        """Raises `Undeliverable`."""


class RememberedRoutes(Routing):
    """Asks another one only where it has not just answered. What it refused is asked again each time."""

    def __init__(self, routing: Routing, monotonic: Callable[[], float]) -> None:
        self._routing = routing
        self._monotonic = monotonic
        self._known: OrderedDict[tuple[str, EmailAddress | None], tuple[float, Route]] = OrderedDict()

    async def route(self, domain: str, sender: EmailAddress | None) -> Route:
        key = domain, sender
        found_at, route = self._known.get(key, (float("-inf"), None))
        if route is not None and self._monotonic() < found_at + SECONDS:
            return route
        route = await self._routing.route(domain, sender)
        self._known[key] = self._monotonic(), route
        self._known.move_to_end(key)
        while len(self._known) > ROUTES_MAX:
            self._known.popitem(last=False)
        return route
