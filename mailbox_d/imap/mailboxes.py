"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LIST, LSUB and STATUS (RFC 3501 sections 6.3.3 to 6.3.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailbox_d.errors import MailboxNameError
from mailbox_d.imap.session import IMAPSession
from mailbox_d.store import ports
from mailbox_d.store.ports import INBOX, Listed
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.commands import StatusItem
from mailbox_d.wire.imap.mailbox_names import SEPARATOR
from mailbox_d.wire.imap.patterns import MailboxPattern
from mailbox_d.wire.imap.responses import Completion, Condition

_LONGEST_PATTERN = 2000
"""Characters of a LIST pattern: beyond every name that the store holds."""


async def create(session: IMAPSession, command: commands.Create) -> Completion:
    """RFC 3501 section 6.3.3; a separator at the end announces mailboxes below and makes no other difference."""
    await session.user.create(command.mailbox.removesuffix(SEPARATOR))
    return Completion(Condition.OK, "CREATE completed")


async def delete(session: IMAPSession, command: commands.Delete) -> Completion:
    """RFC 3501 section 6.3.4."""
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


async def list_(session: IMAPSession, command: commands.List) -> Completion:
    """RFC 3501 section 6.3.8; an empty pattern asks for the separator."""
    _check_pattern(command.reference + command.pattern)
    if command.pattern:
        for mailbox in await session.user.listMailboxes(command.reference, command.pattern):
            session.connection.send(responses.listed(b"LIST", _attributes(mailbox), mailbox.name))
    else:
        session.connection.send(responses.listed(b"LIST", (b"\\Noselect",), ""))
    return Completion(Condition.OK, "LIST completed")


async def lsub(session: IMAPSession, command: commands.Lsub) -> Completion:
    """RFC 3501 section 6.3.9; where `%` hides a subscription, its parent stands for it as `\\Noselect`."""
    _check_pattern(command.reference + command.pattern)
    pattern = MailboxPattern(command.reference + command.pattern, SEPARATOR)
    for name, subscribed in _subscribed(await session.user.subscriptions(), pattern):
        session.connection.send(responses.listed(b"LSUB", () if subscribed else (b"\\Noselect",), name))
    return Completion(Condition.OK, "LSUB completed")


async def status(session: IMAPSession, command: commands.Status) -> Completion:
    """RFC 3501 section 6.3.10."""
    mailbox = await session.user.select(command.mailbox, rw=False)
    figures = await mailbox.status()
    told = [(item.value, _figure(figures, item)) for item in command.items]
    session.connection.send(responses.status(command.mailbox, told))
    return Completion(Condition.OK, "STATUS completed")


async def _leave_if_selected(session: IMAPSession, name: str, *, or_below: bool = False) -> None:
    """A mailbox that is gone, or is now called something else, cannot stay selected."""
    selected = session.view.mailbox.name if session.view is not None else INBOX
    if selected != INBOX and (selected == name or (or_below and selected.startswith(name + SEPARATOR))):
        await session.unselect()


def _attributes(mailbox: Listed) -> tuple[bytes, ...]:
    return (
        b"\\HasChildren" if mailbox.children else b"\\HasNoChildren",
        *(() if mailbox.selectable else (b"\\Noselect",)),
    )


def _subscribed(names: Sequence[str], pattern: MailboxPattern) -> Iterator[tuple[str, bool]]:
    """Names that match, each once, with whether they are subscribed to themselves."""
    told = set()
    subscribed = set(names)
    for name in names:
        levels = name.split(SEPARATOR)
        candidates = [name, *(SEPARATOR.join(levels[:depth]) for depth in range(len(levels) - 1, 0, -1))]
        match = next((candidate for candidate in candidates if pattern.matches(candidate)), None)
        if match is not None and match not in told:
            told.add(match)
            yield match, match in subscribed


def _check_pattern(pattern: str) -> None:
    if len(pattern) > _LONGEST_PATTERN:
        raise MailboxNameError("The pattern is too long")


def _figure(figures: ports.Status, item: StatusItem) -> int:
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
