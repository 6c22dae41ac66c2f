"""Whether the mailboxes that a message goes to have room for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from mailbox_d.address import EmailAddress
from mailbox_d.policy.verdict import Reason, Refused

TRACE = 1024
"""Octets that a message may grow by on its way into a mailbox."""

PUBLIC = "The mailbox is full"


async def _nobody_is_full(mailboxes: Sequence[EmailAddress], octets: int) -> EmailAddress | None:
    return None


class MailboxRoom:
    """Refuses, for now or for good, what would not fit."""

    def __init__(
        self,
        first_full: Callable[[Sequence[EmailAddress], int], Awaitable[EmailAddress | None]] = _nobody_is_full,
        *,
        refuses: bool = False,
    ) -> None:
        """`first_full` gives the first of the mailboxes that has no room for so many octets. `refuses`: for good."""
        self._first_full = first_full
        self._refuses = refuses

    async def check(self, mailboxes: Sequence[EmailAddress], size: int, *, alone: bool = True) -> Refused | None:
        """Refuse a message of `size` octets, as its sender says, if one of the mailboxes is full.

        All must have room, for the copies of a message stand or fall together; `alone` as for `refused`. Raises
        `StorageFault`.
        """
        full = await self._first_full(mailboxes, size + TRACE)
        return None if full is None else self.refused(str(full), alone=alone)

    def refused(self, cause: str, *, alone: bool = True) -> Refused:
        """The refusal; never for good where it is not of one mailbox `alone`: others have room for their copies."""
        reason = Reason.MAILBOX_FULL if self._refuses and alone else Reason.MAILBOX_FULL_FOR_NOW
        return Refused(reason, PUBLIC, cause)
