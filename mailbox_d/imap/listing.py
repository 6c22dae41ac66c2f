"""LIST with its options, and LSUB (RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, RFC 5819, RFC 6154)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from mailbox_d.errors import MailboxNameError, MailError
from mailbox_d.imap.account import Folders
from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.status import told_status
from mailbox_d.printable import one_line
from mailbox_d.store.ports import Listed
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.listing import CRITERIA, List, ListReturn, ListSelection
from mailbox_d.wire.imap.mailbox_names import SEPARATOR
from mailbox_d.wire.imap.patterns import MailboxPattern
from mailbox_d.wire.imap.responses import Completion, Condition

log = Logger()

_LONGEST_PATTERN: Final = 2000
"""Characters of all patterns of a LIST together: beyond every name that the store holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """A mailbox that LIST tells of."""

    name: str
    attributes: tuple[bytes, ...]
    chosen: bool = True
    """Whether the selection options chose it; otherwise only mailboxes below it were."""
    below: tuple[bytes, ...] = ()
    """Options that chose mailboxes below it: CHILDINFO of RFC 5258 section 3.5."""


async def list_(session: IMAPSession, command: List) -> Completion:
    """RFC 3501 section 6.3.8 and RFC 5258; without options an empty pattern asks for the separator."""
    if command.patterns == ("",) and not command.extended:
        session.connection.send(responses.listed(b"LIST", (b"\\Noselect",), ""))
    else:
        patterns = _patterns(command.reference, command.patterns)
        listing = Listing(await session.user.folders(), command)
        for names in _slices(listing.told(await _all_matching(session, listing.names, patterns)), _slice_of(session)):
            for name in names:
                await _tell(session, listing.find(name), command)
            await session.connection.give_way()
    return Completion(Condition.OK, "LIST completed")


async def lsub(session: IMAPSession, command: commands.Lsub) -> Completion:
    """RFC 3501 section 6.3.9; where `%` at the end hides a subscription, its parent stands for it as `\\Noselect`."""
    patterns = _patterns(command.reference, [command.pattern])
    hides = command.pattern.endswith("%")
    subscribed = dict.fromkeys(await session.user.subscriptions())
    told: set[str] = set()
    for names in _slices(list(subscribed), _slice_of(session)):
        for name in names:
            match = next(iter(_matching([name, *_parents(name)] if hides else [name], patterns)), None)
            if match is not None and match not in told:
                told.add(match)
                attributes = () if match in subscribed else (b"\\Noselect",)
                session.connection.send(responses.listed(b"LSUB", attributes, match, utf8=session.utf8))
        await session.connection.give_way()
    return Completion(Condition.OK, "LSUB completed")


class Listing:
    """What one LIST has to choose from, and what it is to tell."""

    def __init__(self, folders: Folders, command: List) -> None:
        self._folders = folders
        self._mailboxes = {mailbox.name: mailbox for mailbox in folders.mailboxes}
        self._subscribed = frozenset(folders.subscriptions)
        self._criteria = command.selection & CRITERIA
        self._tells_subscribed = ListSelection.SUBSCRIBED in self._criteria or ListReturn.SUBSCRIBED in command.returns
        self._extended = command.extended
        self._chosen = self._choose()
        recursive = ListSelection.RECURSIVEMATCH in command.selection
        self._above = {parent for name in self._chosen for parent in _parents(name)} if recursive else set()

    @property
    def names(self) -> Sequence[str]:
        """Every mailbox that would be told if it matched a pattern, in the store's order, then what does not exist."""
        wanted = self._above.union(self._chosen)
        return [*(name for name in self._mailboxes if name in wanted), *sorted(wanted - self._mailboxes.keys())]

    def told(self, matching: Mapping[str, None]) -> Sequence[str]:
        """The names that are told, of those that match a pattern.

        A mailbox that only has chosen ones below it is not told if all of these are (RFC 5258 section 3.5).
        """
        if not self._above:
            return list(matching)
        hidden = {parent for name in self._chosen if name not in matching for parent in _parents(name)}
        return [name for name in matching if name in self._chosen or name in hidden]

    def find(self, name: str) -> Found:
        return Found(name, tuple(self._attributes(name)), name in self._chosen, self._below(name))

    def _choose(self) -> Collection[str]:
        """The mailboxes that the selection options choose; a subscription counts though its mailbox does not exist."""
        sets: list[Collection[str]] = []
        if ListSelection.SUBSCRIBED in self._criteria:
            sets.append(self._subscribed)
        if ListSelection.SPECIAL_USE in self._criteria:
            selectable = {name for name, mailbox in self._mailboxes.items() if mailbox.selectable}
            sets.append(self._folders.special_uses.keys() & selectable)
        return frozenset.intersection(*map(frozenset, sets)) if sets else self._mailboxes.keys()

    def _attributes(self, name: str) -> Iterator[bytes]:
        mailbox = self._mailboxes.get(name, Listed(name, selectable=False))
        yield b"\\HasChildren" if mailbox.children else b"\\HasNoChildren"
        if not mailbox.selectable:
            yield b"\\Noselect"
            if self._extended:
                yield b"\\NonExistent"
        elif name in self._folders.special_uses:
            yield self._folders.special_uses[name].value.encode("ascii")
        if self._tells_subscribed and name in self._subscribed:
            yield b"\\Subscribed"

    def _below(self, name: str) -> tuple[bytes, ...]:
        return tuple(sorted(option.value for option in self._criteria)) if name in self._above else ()


async def _tell(session: IMAPSession, found: Found, command: List) -> None:
    line = responses.listed(b"LIST", found.attributes, found.name, found.below, utf8=session.utf8)
    session.connection.send(line)
    if command.status and found.chosen and b"\\Noselect" not in found.attributes:
        try:
            session.connection.send(await told_status(session, found.name, command.status))
        except MailError as error:  # then LIST goes on without (RFC 5819 section 2)
            log.warn("no STATUS of a mailbox of {peer}: {error}", peer=session.connection.peer, error=one_line(error))
        await session.connection.drained()


def _patterns(reference: str, patterns: Sequence[str]) -> Sequence[MailboxPattern]:
    """The patterns behind the reference. Raises `MailboxNameError`."""
    written = [reference + pattern for pattern in patterns if pattern]
    if sum(map(len, written)) > _LONGEST_PATTERN:
        raise MailboxNameError("The pattern is too long")
    return [MailboxPattern(each, SEPARATOR) for each in dict.fromkeys(written)]


async def _all_matching(
    session: IMAPSession, names: Sequence[str], patterns: Sequence[MailboxPattern]
) -> Mapping[str, None]:
    """The names that match a pattern, in their order; between two slices others have their turn."""
    matching: dict[str, None] = {}
    for some in _slices(names, _slice_of(session) // max(1, len(patterns))):
        matching.update(dict.fromkeys(_matching(some, patterns)))
        await session.connection.give_way()
    return matching


def _matching(names: Sequence[str], patterns: Sequence[MailboxPattern]) -> Iterator[str]:
    return (name for name in names if any(pattern.matches(name) for pattern in patterns))


def _slice_of(session: IMAPSession) -> int:
    return session.service.limits.names_a_slice


def _slices(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    step = max(1, size)
    return (names[at : at + step] for at in range(0, len(names), step))


def _parents(name: str) -> Iterator[str]:
    """The names above a name, the nearest first."""
    while name := name.rpartition(SEPARATOR)[0]:
        yield name
