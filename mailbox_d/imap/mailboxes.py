"""CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.3 to 6.3.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mailbox_d.imap.errors import UseNotKept
from mailbox_d.imap.session import IMAPSession
from mailbox_d.store.ports import INBOX, SpecialUse
from mailbox_d.wire.imap import commands
from mailbox_d.wire.imap.mailbox_names import SEPARATOR
from mailbox_d.wire.imap.responses import Completion, Condition

_USES: Final = {use.value.lower().encode("ascii"): use for use in SpecialUse}


async def create(session: IMAPSession, command: commands.Create) -> Completion:
    """RFC 3501 section 6.3.3; a separator at the end announces mailboxes below and makes no other difference."""
    await session.user.create(command.mailbox.removesuffix(SEPARATOR), _use(command.uses))
    return Completion(Condition.OK, "CREATE completed")


async def delete(session: IMAPSession, command: commands.Delete) -> Completion:
    """RFC 3501 section 6.3.4: what lies below stays, and the name with it, as `\\Noselect`."""
    await session.user.delete(command.mailbox)
    await _leave_if_selected(session, command.mailbox)
    return Completion(Condition.OK, "DELETE completed")


async def rename(session: IMAPSession, command: commands.Rename) -> Completion:
    """RFC 3501 section 6.3.5."""
    await session.user.rename(command.mailbox, command.new_name.removesuffix(SEPARATOR))
    await _leave_if_selected(session, command.mailbox, or_below=True)
    return Completion(Condition.OK, "RENAME completed")


async def subscribe(session: IMAPSession, command: commands.Subscribe) -> Completion:
    """RFC 3501 section 6.3.6."""
    await session.user.subscribe(command.mailbox)
    return Completion(Condition.OK, "SUBSCRIBE completed")


async def unsubscribe(session: IMAPSession, command: commands.Unsubscribe) -> Completion:
    """RFC 3501 section 6.3.7."""
    await session.user.unsubscribe(command.mailbox)
    return Completion(Condition.OK, "UNSUBSCRIBE completed")


def _use(attributes: Sequence[bytes]) -> SpecialUse | None:
    """What a mailbox is to be for (RFC 6154 section 3). Raises `UseNotKept`."""
    wanted = {_USES.get(attribute.lower()) for attribute in attributes}
    if None in wanted:
        raise UseNotKept("Mailboxes are not kept for this use")
    if len(wanted) > 1:
        raise UseNotKept("A mailbox is kept for one use alone")
    return next(iter(wanted), None)


async def _leave_if_selected(session: IMAPSession, name: str, *, or_below: bool = False) -> None:
    """A mailbox that is gone, or is now called something else, cannot stay selected."""
    selected = session.view.mailbox.name if session.view is not None else INBOX
    if selected != INBOX and (selected == name or (or_below and selected.startswith(name + SEPARATOR))):
        await session.unselect()
