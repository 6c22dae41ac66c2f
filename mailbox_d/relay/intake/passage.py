"""A message on its way in that goes to mailboxes here and into the queue: all of it stands, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mailbox_d.store.ports import Delivery, Outcome


class Draft(Protocol):
    """A message on its way into the queue. All but `schedule` and `abort` may raise `StorageFault`."""

    def write(self, octets: bytes) -> None:
        """Take the next piece."""

    def publish(self) -> None:
        """Make it durable; nobody sends it yet."""

    def schedule(self) -> None:
        """Let it be sent."""

    def abort(self) -> None:
        """Leave nothing of it; harmless once it is scheduled."""


class Passage(Delivery):
    """`local`: the copies for mailboxes here, None where there are none; `scheduled` is called at the end, in a lane.

    The queue's files are made durable first and are sent by nobody before the copies are in their places: what cannot
    be kept here is taken out of the queue again. A crash in between sends what was never answered for, as one behind
    the answer would.
    """

    def __init__(self, local: Delivery | None, drafts: Sequence[Draft], scheduled: Callable[[], None]) -> None:
        self._local = local
        self._drafts = drafts
        self._scheduled = scheduled

    def write(self, data: bytes) -> None:
        if self._local is not None:
            self._local.write(data)
        for draft in self._drafts:
            draft.write(data)

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        try:
            for draft in self._drafts:
                draft.publish()
            outcomes = () if self._local is None else self._local.commit(all_or_nothing=all_or_nothing)
        except BaseException:
            self._withdraw()
            raise
        for draft in self._drafts:
            draft.schedule()
        self._scheduled()
        return outcomes

    def abort(self) -> None:
        if self._local is not None:
            self._local.abort()
        self._withdraw()

    def _withdraw(self) -> None:
        for draft in self._drafts:
            draft.abort()
