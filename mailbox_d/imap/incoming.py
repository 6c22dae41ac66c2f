"""A message on its way from a connection into a mailbox (APPEND), through a lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailbox_d.errors import NoSuchMailbox
from mailbox_d.net.lanes import Lane
from mailbox_d.store.ports import Account, Delivery, Flags, Mailbox, Outcome

HELD_MAX = 64 * 1024
"""Octets of a message under way that wait for a lane; a message that is no larger goes there once, whole."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """What APPEND says of its message: the mailbox, flags and date for it, its octets."""

    mailbox: str
    flags: Flags
    internal_date: float | None
    size: int


@dataclass(frozen=True, slots=True)
class _Begun:
    """A message that the store expects."""

    mailbox: Mailbox
    delivery: Delivery


class IncomingMessage:
    """A message for a mailbox of an account. Its octets go to the lane many at a time.

    Each method raises what `store.ports` says of `Account.open`, `Mailbox.append` and `Delivery`.
    """

    def __init__(self, account: Account, lane: Lane, addressed: Addressed) -> None:
        self._account = account
        self._lane = lane
        self._addressed = addressed
        self._begun: _Begun | None = None
        self._pieces: list[bytes] = []
        self._octets = 0
        """In these pieces."""
        self._written = 0
        """Of these pieces, how many the store was given."""

    @property
    def is_small(self) -> bool:
        """Whether the message is held until it is there whole, so that the lane need not know of it before."""
        return self._addressed.size < HELD_MAX

    @property
    def uid_validity(self) -> int:
        """Of the mailbox that the message went into."""
        assert self._begun is not None
        return self._begun.mailbox.uid_validity

    async def begin(self) -> None:
        """See that the mailbox is there, and has room, if that was not done yet."""
        if self._begun is None:
            await self._lane.run(self._begin)

    async def write(self, data: bytes) -> None:
        self._pieces.append(data)
        self._octets += len(data)
        if self._octets >= HELD_MAX:
            await self._lane.run(self._write_on)

    async def commit(self) -> Sequence[Outcome]:
        """Make the message durable. What fails leaves nothing behind."""
        commit = self._commit if self._begun is not None else self._commit_whole
        try:
            return await self._lane.run(commit)
        except BaseException:
            await self.abort()
            raise

    async def abort(self) -> None:
        """Leave nothing behind."""
        self._pieces.clear()
        if self._begun is not None:
            await self._lane.run(self._begun.delivery.abort)

    def _begin(self, *, look: bool = True) -> _Begun:
        wanted = self._addressed
        mailbox = self._account.open(wanted.mailbox, look=look)
        delivery = mailbox.append(flags=wanted.flags, internal_date=wanted.internal_date, size=wanted.size)
        self._begun, self._written = _Begun(mailbox, delivery), 0
        return self._begun

    def _write_on(self) -> None:
        self._write(self._begun or self._begin())
        self._pieces.clear()
        self._octets = self._written = 0

    def _write(self, begun: _Begun) -> None:
        for piece in self._pieces[self._written :]:
            begun.delivery.write(piece)
            self._written += 1

    def _commit(self, *, look: bool = True) -> Sequence[Outcome]:
        """May be called again after `MailboxBusy`: nothing is written twice."""
        begun = self._begun or self._begin(look=look)
        self._write(begun)
        return begun.delivery.commit(all_or_nothing=True)

    def _commit_whole(self) -> Sequence[Outcome]:
        """All in one, and once more where the mailbox turns out to have been replaced: it is looked at as it takes the
        message, and not before."""
        try:
            return self._commit(look=False)
        except NoSuchMailbox:
            if self._begun is not None:
                self._begun.delivery.abort()
            self._begin()
            return self._commit()
