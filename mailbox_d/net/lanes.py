"""Lanes: named, bounded pools of threads for work that waits in C, so that nothing blocks the reactor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from typing import Any, Self, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from typing_extensions import ParamSpec

from mailbox_d.errors import MailboxBusy
from mailbox_d.net.lane_threads import LaneThreads

P = ParamSpec("P")
T = TypeVar("T")

DISK_WIDTH = 16
"""How many threads wait for mail at a time, in each lane for it."""


class Lane:
    """A pool of `width` threads for one kind of work.

    Work that finds a mailbox locked by another program raises `MailboxBusy` and gives its thread back; it is tried
    again with growing pauses until `patience` seconds have passed. One user's work (`of`) holds no more than `share`
    threads.
    """

    def __init__(
        self, reactor: Any, name: str, width: int, *, share: int | None = None, patience: float = 120.0
    ) -> None:
        self.name = name
        self._users: tuple[str, ...] = ()
        self._reactor = reactor
        self._patience = patience
        self._threads = LaneThreads(reactor, name, width, share=share)
        self._stopping = [False]
        """The same list in every lane of these threads."""
        self._before_stop: list[Callable[[], None]] = []
        """The same list likewise."""

    def of(self, *users: str) -> Self:
        """The same lane for work of these users, of whom each has a share of the threads."""
        twin = copy(self)
        twin._users = tuple(dict.fromkeys(users))
        return twin

    def before_stop(self, call: Callable[[], None]) -> None:
        """Have `call` end what this lane's work would wait for, when the lane is to stop."""
        self._before_stop.append(call)

    def stop(self) -> None:
        """Finish the work that was taken, try nothing again, then end the threads. Blocks meanwhile."""
        self._stopping[0] = True
        for call in self._before_stop:
            call()
        self._threads.stop()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work` in a thread of this lane. Raises what it raises; `MailboxBusy` only after the lane's patience. To
        cancel it ends a pause, and no work."""
        bound = partial(work, *args, **kwargs)
        for pause in self._pauses():
            try:
                return await self._threads.do(bound, self._users)
            except MailboxBusy:
                if self._stopping[0]:
                    raise
                await sleep(self._reactor, pause)
        return await self._threads.do(bound, self._users)

    def wake(self, call: Callable[[], None]) -> None:
        """Have `call` run in the reactor's thread; to be called from any thread, and waits for nothing."""
        self._reactor.callFromThread(call)

    def _pauses(self) -> Iterator[float]:
        """Seconds between two tries: 2 ms at first, never over half a second, the lane's patience in all."""
        pause, waited = 0.002, 0.0
        while waited < self._patience:
            yield pause
            waited += pause
            pause = min(pause * 1.5, 0.5)


class Lanes(Service):
    """The lanes of a daemon, by what they wait for. They end with it, when the last work is done.

    Of the threads that wait for a user's mail, one user's work may hold some percent. `questions`: those to other
    machines about users, at once, of which each of several `directories` has its share.
    """

    def __init__(self, reactor: Any, *, percent_per_user: int = 50, questions: int = 8, directories: int = 1) -> None:
        share = max(1, DISK_WIDTH * percent_per_user // 100)
        self.delivery = Lane(reactor, "delivery", DISK_WIDTH, share=share)
        """fsync: many at once share the disk's journal."""
        self.store = Lane(reactor, "store", DISK_WIDTH, share=share)
        """Mailboxes: scans, flags, bodies."""
        self.hashing = Lane(reactor, "hashing", 2)
        """Passwords: as many as there are cores worth burning."""
        self.files = Lane(reactor, "files", 1)
        """Users' files and certificates, when they are read."""
        self.upgrades = Lane(reactor, "upgrades", 1)
        """Users' files when passwords are stored anew in them, for which each is read more than once."""
        self.control = Lane(reactor, "control", 2)
        """What operators have done to the store."""
        self.queue = Lane(reactor, "queue", DISK_WIDTH)
        """Outgoing mail."""
        self.conversion = Lane(reactor, "conversion", 2)
        """Large messages for servers that take no 8-bit text: Python's work, which is in the way of all else."""
        self.record = Lane(reactor, "record", 1)
        """The record of messages, which keeps nothing else waiting."""
        self.directory = Lane(reactor, "directory", questions, share=max(1, questions // max(1, directories)))
        """Directories of users (LDAP): other machines, which may be slow."""

    def stopService(self) -> None:
        Service.stopService(self)
        for lane in self._all():
            lane.stop()

    def _all(self) -> tuple[Lane, ...]:
        everyday = (self.delivery, self.store, self.hashing, self.files, self.upgrades, self.control)
        return (*everyday, self.queue, self.conversion, self.record, self.directory)


class InlineLane(Lane):
    """A lane that does the work at once where it stands: for tests, and for stores that never wait."""

    def __init__(self) -> None:
        self.name = "inline"
        self._users = ()

    def stop(self) -> None:
        pass

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)

    def wake(self, call: Callable[[], None]) -> None:
        call()


def sleep(reactor: Any, seconds: float) -> Deferred[None]:
    """A Deferred that fires after `seconds`; cancelling it ends the wait."""
    waiting: Deferred[None] = Deferred(lambda _: call.cancel())
    call: Any = reactor.callLater(seconds, waiting.callback, None)
    return waiting
