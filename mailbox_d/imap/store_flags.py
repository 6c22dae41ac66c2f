"""STORE and UID STORE (RFC 3501 section 6.4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from mailbox_d.errors import MessageGone
from mailbox_d.imap.condstore import want_mod_sequences
from mailbox_d.imap.errors import NotAllowed
from mailbox_d.imap.mailbox import Stored
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
    if command.unchanged_since is not None:
        want_mod_sequences(session)
    indexes = [index for found in view.chosen(command.numbers, by_uid=command.by_uid) for index in found]
    known = view.uids
    uids = [known[index] for index in indexes]
    stored = Stored({}, ())
    if uids:
        learn = partial(view.learn_silently, expected=partial(_expected, command)) if command.silent else view.learn
        action = _ACTIONS[command.mode]
        stored = await view.change_flags(uids, action, command.flags, command.unchanged_since, learn=learn)
    if not command.silent or view.tells_mod_sequences:
        now = stored.now
        await _tell(session, [index for index, uid in zip(indexes, uids, strict=True) if uid in now], command)
    return _completion(view, command, stored, is_whole=len(stored.now) + len(stored.modified) == len(uids))


def _completion(view: View, command: commands.Store, stored: Stored, *, is_whole: bool) -> Completion:
    """With the messages that were let be (RFC 7162 section 3.1.3). Raises `MessageGone`."""
    code = b""
    if stored.modified:
        indexes = view.messages.indexes(stored.modified)
        code = responses.modified([view.uids[index] if command.by_uid else index + 1 for index in indexes])
    if is_whole or command.by_uid:
        return Completion(Condition.OK, "Some messages have changed" if code else "STORE completed", code)
    gone = "Some of these messages are gone"
    if not code:
        raise MessageGone(gone)
    return Completion(Condition.NO, gone, code)


def _expected(command: commands.Store, flags: Flags) -> Flags:
    """What a client must take a message's flags to be now, which it was told were `flags`."""
    match command.mode:
        case StoreMode.REPLACE:
            return command.flags
        case StoreMode.ADD:
            return flags | command.flags
        case StoreMode.REMOVE:
            return flags - command.flags


async def _tell(session: IMAPSession, indexes: Sequence[int], command: commands.Store) -> None:
    view = session.selected
    size = session.service.limits.messages_a_write
    for start in range(0, len(indexes), size):
        session.connection.send(b"".join(_lines(view, indexes[start : start + size], command)))
        await session.connection.drained()


def _lines(view: View, indexes: Sequence[int], command: commands.Store) -> Iterable[bytes]:
    if command.by_uid or view.tells_mod_sequences:
        return [responses.fetch(index + 1, view.news_of(index, flags=not command.silent)) for index in indexes]
    shown = zip(indexes, view.all_shown_flags(indexes), strict=True)
    return [responses.fetch(index + 1, b"FLAGS " + flags) for index, flags in shown]
