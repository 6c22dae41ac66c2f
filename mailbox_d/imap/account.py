"""The avatar of a user who logged in to IMAP: their mailboxes, reached through a lane.

twisted.mail's `IAccountIMAP`, with coroutines in place of Deferreds or values, text in place of octets for names, and
errors of our own vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from twisted.mail.interfaces import IAccountIMAP
from zope.interface import implementer

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxExists, MailError
from mailbox_d.imap.incoming import Addressed, IncomingMessage
from mailbox_d.imap.mailbox import IMAPMailbox
from mailbox_d.net.lanes import Lane
from mailbox_d.store.ports import Account, Listed, Mailbox, Quota, SpecialUse, Status
from mailbox_d.wire.imap.mailbox_names import SEPARATOR, is_name
from mailbox_d.wire.imap.patterns import MailboxPattern


@dataclass(frozen=True, slots=True)
class Folders:
    """All that LIST may tell of an account's mailboxes."""

    mailboxes: Sequence[Listed]
    subscriptions: Sequence[str] = ()
    special_uses: Mapping[str, SpecialUse] = field(default_factory=dict)
    """By mailbox name (RFC 6154)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What STATUS may tell of a mailbox; of messages with `\\Deleted` count and octets, where that was asked for."""

    status: Status
    deleted: int = 0
    deleted_octets: int = 0


@implementer(IAccountIMAP)
class IMAPAccount:
    """One user's mailboxes. Each method raises what `store.ports.Account` says, and `StorageFault`."""

    def __init__(self, account: Account, lane: Lane, opened: Callable[[Mailbox], None] = lambda _: None) -> None:
        """`opened` is told of each mailbox that the user selects."""
        self._account = account
        self._lane = lane
        self._opened = opened

    @property
    def address(self) -> EmailAddress:
        return self._account.address

    async def select(self, name: str, rw: bool = True) -> IMAPMailbox:
        """The mailbox of that name; with `rw` false nothing in it is to be changed."""
        mailbox = await self._lane.run(self._account.open, name)
        return IMAPMailbox(mailbox, self._lane, read_only=not rw, opened=self._opened)

    async def figures(self, name: str, *, deleted: bool) -> Figures:
        """A mailbox's figures as they are now; with `deleted` those of what is to be expunged."""
        return await self._lane.run(_figures, self._account, name, deleted)

    def append(self, addressed: Addressed) -> IncomingMessage:
        """A message that is to come for one of the mailboxes."""
        return IncomingMessage(self._account, self._lane, addressed)

    async def addMailbox(self, name: str, mbox: None = None) -> None:
        """As `create`: where mail is kept, no mailbox can be brought along."""
        await self.create(name)

    async def create(self, pathspec: str, use: SpecialUse | None = None) -> None:
        """Make a mailbox, then those above it that do not exist (RFC 3501 section 6.3.3)."""
        await self._lane.run(_create, self._account, pathspec, use)
        await self._make_parents(pathspec)

    async def delete(self, name: str) -> None:
        await self._lane.run(self._account.delete, name)

    async def rename(self, oldname: str, newname: str) -> None:
        """Rename a mailbox and all below it, then make those above it that do not exist (RFC 3501 section 6.3.5)."""
        await self._lane.run(self._account.rename, oldname, newname)
        await self._make_parents(newname)

    async def quota(self) -> Quota | None:
        return await self._lane.run(self._account.quota)

    async def folders(self) -> Folders:
        return await self._lane.run(_folders, self._account)

    async def subscriptions(self) -> Sequence[str]:
        """Every name subscribed to, whether or not there is such a mailbox."""
        return await self._lane.run(_subscriptions, self._account)

    async def isSubscribed(self, name: str) -> bool:
        return name in await self.subscriptions()

    async def subscribe(self, name: str) -> None:
        await self._lane.run(self._account.subscribe, name)

    async def unsubscribe(self, name: str) -> None:
        await self._lane.run(self._account.subscribe, name, False)

    async def listMailboxes(self, ref: str, wildcard: str) -> Sequence[Listed]:
        """The mailboxes whose names match `ref` and `wildcard` written one behind the other."""
        pattern = MailboxPattern(ref + wildcard, SEPARATOR)
        mailboxes = await self._lane.run(self._account.mailboxes)
        return [mailbox for mailbox in mailboxes if pattern.matches(mailbox.name)]

    async def _make_parents(self, name: str) -> None:
        """Each in a turn of its own: none of them is made twice where a lock makes the lane try again."""
        levels = name.split(SEPARATOR)
        for depth in range(1, len(levels)):
            with suppress(MailboxExists):
                await self._lane.run(self._account.create, SEPARATOR.join(levels[:depth]))


def _create(account: Account, name: str, use: SpecialUse | None) -> None:
    """Make a mailbox for this use, or none (RFC 6154 section 3)."""
    account.create(name)
    if use is not None:
        try:
            account.assign_special_use(name, use)
        except MailError:
            account.delete(name)
            raise


def _figures(account: Account, name: str, deleted: bool) -> Figures:
    mailbox = account.open(name)
    if not deleted:
        return Figures(mailbox.status())
    gone = mailbox.messages().deleted
    return Figures(mailbox.status(), len(gone), sum(message.size for message in gone))


def _folders(account: Account) -> Folders:
    uses = account.special_uses() or {}
    return Folders(account.mailboxes(), _subscriptions(account), uses)


def _subscriptions(account: Account) -> Sequence[str]:
    """The names that can be told: other programs may have subscribed to what no mailbox can be called."""
    return [name for name in account.subscriptions() if is_name(name)]
