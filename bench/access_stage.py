"""Where a work of `bench.access` is done, and what is measured of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

from bench.access_client import IMAPClient
from bench.access_corpus import Corpus
from bench.access_servers import AccessServer
from bench.processes import cpu_seconds
from bench.servers import DOMAIN, PASSWORD

SELECT = "SELECT INBOX"
OF_A_MESSAGE = b" FETCH ("
SETTLED = 0.05
"""Seconds in which processes that have nothing to do have ended, and a tick of the watchdog that is late has come."""
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Figure:
    """What one of the row's unit costs: seconds (or kB) and seconds of the server's CPU; and the seconds of each time
    that the reactor was held up in the work.
    """

    each: float
    cpu: float
    stalls: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A server over the accounts that a work is done on; a short run has a share of what is done."""

    server: AccessServer
    users: tuple[str, ...]
    mail: Corpus
    share: float

    def some(self, count: int) -> int:
        """That many of what the Maildirs do not bound, or the share."""
        return max(1, round(count * self.share))

    def address(self, number: int = 0) -> str:
        return f"{self.users[number % len(self.users)]}@{DOMAIN}"

    def imap(self, number: int = 0, *, tls: bool = False) -> IMAPClient:
        """A session of a user, logged in."""
        return IMAPClient(self.server.ports["imaps" if tls else "imap"], self.address(number), PASSWORD, tls=tls)

    def selected(self) -> IMAPClient:
        client = self.imap()
        client.ask(SELECT)
        return client

    def measure(self, amount: float, do: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Figure:
        """What one of an amount costs that a function does. What it leaves open is closed when that is known."""
        time.sleep(SETTLED)
        known = len(self.server.stalls())
        cpu, begun = cpu_seconds(self.server.pid), time.perf_counter()
        do(*args, **kwargs)
        seconds, cpu = time.perf_counter() - begun, cpu_seconds(self.server.pid) - cpu
        time.sleep(SETTLED)
        return Figure(seconds / amount, cpu / amount, tuple(self.server.stalls()[known:]))
