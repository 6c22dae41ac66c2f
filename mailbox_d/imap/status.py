"""STATUS (RFC 3501 section 6.3.10, RFC 8438, RFC 7889): a mailbox's figures without selecting it."""

from __future__ import annotations

from collections.abc import Sequence

from mailbox_d.imap.session import IMAPSession
from mailbox_d.store import ports
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.imap.status import StatusItem


async def status(session: IMAPSession, command: commands.Status) -> Completion:
    """RFC 3501 section 6.3.10."""
    session.connection.send(await told_status(session, command.mailbox, command.items))
    return Completion(Condition.OK, "STATUS completed")


async def told_status(session: IMAPSession, name: str, items: Sequence[StatusItem]) -> bytes:
    """The response that tells a mailbox's figures. Raises what `store.ports.Account.open` says."""
    mailbox = await session.user.select(name, rw=False)
    figures = await mailbox.status()
    limit = session.service.limits.message_size
    told = [(item.value, _figure(figures, item, limit)) for item in items]
    return responses.status(name, told, utf8=session.utf8)


def _figure(figures: ports.Status, item: StatusItem, append_limit: int) -> int:
    match item:
        case StatusItem.MESSAGES:
            return figures.messages
        case StatusItem.RECENT:
            return figures.recent
        case StatusItem.UIDNEXT:
            return figures.uid_next
        case StatusItem.UIDVALIDITY:
            return figures.uid_validity
        case StatusItem.UNSEEN:
            return figures.unseen
        case StatusItem.SIZE:
            return figures.size
        case StatusItem.APPENDLIMIT:
            return append_limit
