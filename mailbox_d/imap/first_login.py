"""The mailboxes that a user finds at first login, and what they are for (RFC 6154).

Which of them is for what is kept with the account from then on: a user who removes or renames one does not find it
made again at the next login.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from twisted.logger import Logger

from mailbox_d.errors import MailboxExists, MailError
from mailbox_d.imap.account import IMAPAccount
from mailbox_d.net.lanes import Lane
from mailbox_d.printable import one_line
from mailbox_d.store.ports import Account, Mailbox, SpecialUse

log = Logger()


@dataclass(frozen=True, slots=True)
class FirstMailboxes:
    """What mailboxes of these names are for, and whether they are made."""

    special_use: Mapping[str, SpecialUse] = field(default_factory=dict)
    create: bool = True


async def open_account(
    account: Account, lane: Lane, mailboxes: FirstMailboxes, opened: Callable[[Mailbox], None] = lambda _: None
) -> IMAPAccount:
    """The avatar of a user. Mailboxes that cannot be made now keep nobody out: the next login tries again."""
    try:
        await lane.run(prepare, account, mailboxes)
    except MailError as error:
        log.warn(
            "the first mailboxes of {user} cannot be made: {error}", user=str(account.address), error=one_line(error)
        )
    return IMAPAccount(account, lane, opened)


def prepare(account: Account, mailboxes: FirstMailboxes) -> None:
    """Make and subscribe what is missing, if this is the first login. Raises what `store.ports.Account` says."""
    if account.special_uses() is not None:
        return
    if mailboxes.create:
        existing = {listed.name for listed in account.mailboxes()}
        for name in _missing(mailboxes.special_use, existing):
            with suppress(MailboxExists):
                account.create(name)
            account.subscribe(name)
    account.assign_special_uses(mailboxes.special_use)


def _missing(special_use: Mapping[str, SpecialUse], existing: Collection[str]) -> Iterator[str]:
    """The first name for each use that no mailbox has yet."""
    served = {use for name, use in special_use.items() if name in existing}
    for name, use in special_use.items():
        if use not in served:
            served.add(use)
            yield name
