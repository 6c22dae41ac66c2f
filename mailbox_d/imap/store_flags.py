"""STORE and UID STORE (RFC 3501 section 6.4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from mailbox_d.errors import MessageGone
from mailbox_d.imap.errors import NotAllowed
from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.view import View
from mailbox_d.store.ports import FlagAction, Flags
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.commands import StoreMode
from mailbox_d.wire.imap.responses import Completion, Condition

_ACTIONS = {
    StoreMode.REPLACE: FlagAction.REPLACE,
    StoreMode.ADD: FlagAction.ADD,
    StoreMode.REMOVE: FlagAction.REMOVE,
}


async def store(session: IMAPSession, command: commands.Store) -> Completion:
    """Change flags in one go, then tell them, unless the client wants silence."""
    view = session.selected
    if view.read_only:
        raise NotAllowed("The mailbox is open for reading alone")
    indexes = [index for found in view.chosen(command.numbers, by_uid=command.by_uid) for index in found]
    uids = [view.uids[index] for index in indexes]
    now = await view.mailbox.change_flags(uids, _ACTIONS[command.mode], command.flags) if uids else {}
    if command.silent:
        view.learn_silently(now, partial(_expected, command))
    else:
        view.learn(now)
        told = [index for index in indexes if view.uids[index] in now]
        await _tell(session, told, by_uid=command.by_uid)
    if len(now) < len(uids) and not command.by_uid:
        raise MessageGone("Some of these messages are gone")
    return Completion(Condition.OK, "STORE completed")


def _expected(command: commands.Store, flags: Flags) -> Flags:
    """What a client must take a message's flags to be now, which it was told were `flags`."""
    match command.mode:
        case StoreMode.REPLACE:
            return command.flags
        case StoreMode.ADD:
            return flags | command.flags
        case StoreMode.REMOVE:
            return flags - command.flags


async def _tell(session: IMAPSession, indexes: Sequence[int], *, by_uid: bool) -> None:
    view = session.selected
    size = session.service.limits.messages_a_write
    for start in range(0, len(indexes), size):
        session.connection.send(b"".join(_lines(view, indexes[start : start + size], by_uid=by_uid)))
        await session.connection.drained()


def _lines(view: View, indexes: Sequence[int], *, by_uid: bool) -> Iterable[bytes]:
    for index in indexes:
        flags = b"FLAGS " + view.shown_flags(index)
        yield responses.fetch(index + 1, b"UID %d %b" % (view.uids[index], flags) if by_uid else flags)
