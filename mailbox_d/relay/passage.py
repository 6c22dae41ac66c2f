"""A message on its way in that goes to mailboxes here and into the queue: all of it stands, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailbox_d.store.ports import Delivery, Outcome


class Draft(Protocol):
    """A message on its way into the queue. Every method blocks, and may raise `StorageFault`."""

    def write(self, octets: bytes) -> None:
        """Take the next piece."""

    def publish(self) -> None:
        """Make it durable; nobody sends it yet."""

    def schedule(self) -> None:
        """Let it be sent. Does not fail: what could not be scheduled now is found later."""

    def withdraw(self) -> None:
        """Take a published message back."""

    def abort(self) -> None:
        """Leave nothing behind of one that is not published."""


class Passage(Delivery):
    """`local`: the copies for mailboxes here, None where there are none.

    The queue's files are made durable first and are sent by nobody before the copies are in their places: what cannot
    be kept here is taken out of the queue again. A crash in between sends what was never answered for, as one behind
    the answer would.
    """

    def __init__(self, local: Delivery | None, drafts: Sequence[Draft]) -> None:
        self._local = local
        self._drafts = drafts

    def write(self, data: bytes) -> None:
        if self._local is not None:
            self._local.write(data)
        for draft in self._drafts:
            draft.write(data)

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        published: list[Draft] = []
        try:
            for draft in self._drafts:
                draft.publish()
                published.append(draft)
            outcomes = () if self._local is None else self._local.commit(all_or_nothing=all_or_nothing)
        except BaseException:
            for draft in published:
                draft.withdraw()
            raise
        for draft in published:
            draft.schedule()
        return outcomes

    def abort(self) -> None:
        if self._local is not None:
            self._local.abort()
        for draft in self._drafts:
            draft.abort()
