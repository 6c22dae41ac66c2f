"""STATUS (RFC 3501 section 6.3.10, RFC 8438, RFC 7889, RFC 9208): a mailbox's figures without selecting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mailbox_d.imap.account import Figures
from mailbox_d.imap.condstore import want_mod_sequences
from mailbox_d.imap.session import IMAPSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.imap.status import StatusItem

_OF_DELETED: Final = frozenset({StatusItem.DELETED, StatusItem.DELETED_STORAGE})


async def status(session: IMAPSession, command: commands.Status) -> Completion:
    """RFC 3501 section 6.3.10."""
    session.connection.send(await told_status(session, command.mailbox, command.items))
    return Completion(Condition.OK, "STATUS completed")


async def told_status(session: IMAPSession, name: str, items: Sequence[StatusItem]) -> bytes:
    """The response that tells a mailbox's figures. Raises what `store.ports.Account.open` says."""
    if StatusItem.HIGHESTMODSEQ in items and session.service.condstore:
        want_mod_sequences(session)
    told = await session.user.figures(name, deleted=not _OF_DELETED.isdisjoint(items))
    all_figures = {
        **_figures(told, session.service.limits.message_size),
        StatusItem.HIGHESTMODSEQ: told.status.highest_mod_sequence if session.service.condstore else 0,
    }
    return responses.status(name, [(item.value, all_figures[item]) for item in items], utf8=session.utf8)


def _figures(told: Figures, append_limit: int) -> Mapping[StatusItem, int]:
    figures = told.status
    return {
        StatusItem.MESSAGES: figures.messages,
        StatusItem.RECENT: figures.recent,
        StatusItem.UIDNEXT: figures.uid_next,
        StatusItem.UIDVALIDITY: figures.uid_validity,
        StatusItem.UNSEEN: figures.unseen,
        StatusItem.SIZE: figures.size,
        StatusItem.APPENDLIMIT: append_limit,
        StatusItem.DELETED: told.deleted,
        StatusItem.DELETED_STORAGE: told.deleted_octets,
    }
