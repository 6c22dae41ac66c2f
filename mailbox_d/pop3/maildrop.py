"""The avatar of a user who logged in to POP3: INBOX as it was at login, reached through a lane.

twisted.mail's `IMailboxPOP3`, with coroutines in place of Deferreds or values, and errors of our own vocabulary. A
message's index counts from 0, its number on the wire from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.mail.interfaces import IMailboxPOP3
from zope.interface import implementer

from mailbox_d.address import EmailAddress
from mailbox_d.net.lanes import Lane
from mailbox_d.pop3.errors import NoSuchMessage
from mailbox_d.printable import one_line
from mailbox_d.store.ports import INBOX, Account, FlagAction, Mailbox, Message, WireReader

log = Logger()

_UNIQUE_ID = re.compile(rb"[!-~]{1,255}")
"""RFC 1939 section 7, which has 70 at most; Dovecot told the whole names of files, and who loaded them knows them."""
_SEEN = frozenset({"\\Seen"})


@implementer(IMailboxPOP3)
class POP3Maildrop:
    """One user's messages. Until `open` there are none; nothing is changed in the store but by `sync` and `flag_seen`.

    Methods raise `NoSuchMessage`, and what `store.ports.Mailbox` says.
    """

    def __init__(self, account: Account, lane: Lane) -> None:
        self.count = 0
        """Messages that are not marked."""
        self.octets = 0
        """Of those messages, on the wire."""
        self._account = account
        self._lane = lane
        self._mailbox: Mailbox | None = None
        self._uid_validity = 0
        self._named: Mapping[int, bytes] = {}
        self._messages: Sequence[Message] = ()
        self._marked: set[int] = set()
        self._retrieved: set[int] = set()
        self._last = -1
        self._ahead: tuple[int, Deferred[tuple[WireReader, bytes] | None]] | None = None

    @property
    def address(self) -> EmailAddress:
        return self._account.address

    async def open(self) -> None:
        """Take the messages that are there now for the whole session."""
        opened = await self._lane.run(_open, self._account)
        self._mailbox, self._messages = opened.mailbox, opened.messages
        self._uid_validity, self._named = opened.uid_validity, opened.named
        self.undelete()

    def __len__(self) -> int:
        """How many numbers there are, those of marked messages included."""
        return len(self._messages)

    def sizes(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(Number, octets) of the messages from one index up to another, those that are marked left out."""
        return ((index + 1, self._messages[index].size) for index in self._unmarked(start, end))

    def unique_ids(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(Number, unique id), likewise."""
        return ((index + 1, self._unique_id(index)) for index in self._unmarked(start, end))

    def size(self, index: int) -> int:
        return self._message(index).size

    def unique_id(self, index: int) -> bytes:
        self._message(index)
        return self._unique_id(index)

    async def listMessages(self, i: int | None = None) -> int | list[int]:
        """The octets of one message, or of each: 0 for one that is marked."""
        if i is not None:
            return self.size(i)
        return [0 if index in self._marked else message.size for index, message in enumerate(self._messages)]

    async def getUidl(self, index: int) -> bytes:
        return self.unique_id(index)

    async def getMessage(self, index: int, ahead: int = 0) -> MessageReader:
        """A message, of which so many octets are read already: most messages need the lane only once."""
        uid = self._message(index).uid
        assert self._mailbox is not None
        begun = await self._taken_ahead(index)
        reader, first = begun if begun else await self._lane.run(_begin, self._mailbox, uid, ahead)
        if index == self._last + 1:
            self._take_ahead(index + 1, ahead)
        self._last = index
        return MessageReader(reader, first, self._lane)

    async def deleteMessage(self, index: int) -> None:
        self.mark(index)

    async def undeleteMessages(self) -> None:
        self.undelete()

    def mark(self, index: int) -> None:
        """Mark a message as deleted."""
        size = self._message(index).size
        self._marked.add(index)
        self.count -= 1
        self.octets -= size

    def note_retrieved(self, index: int) -> None:
        """This message went out whole."""
        self._retrieved.add(index)

    def undelete(self) -> None:
        """Take all marks back, and forget what was retrieved."""
        self._marked.clear()
        self._retrieved.clear()
        self.count = len(self._messages)
        self.octets = sum(message.size for message in self._messages)

    @property
    def marked(self) -> int:
        """How many messages are marked as deleted."""
        return len(self._marked)

    async def sync(self) -> None:
        """Remove what is marked, for good."""
        uids = [self._messages[index].uid for index in self._marked]
        if uids and self._mailbox is not None:
            await self._lane.run(self._mailbox.expunge, uids)

    async def flag_seen(self) -> None:
        """Give `\\Seen` to what was retrieved and stays."""
        uids = [self._messages[index].uid for index in self._retrieved - self._marked]
        if uids and self._mailbox is not None:
            await self._lane.run(self._mailbox.change_flags, uids, FlagAction.ADD, _SEEN)

    def _take_ahead(self, index: int, octets: int) -> None:
        """Begin to read the message that a client that takes one after the other will ask for next, if it is small."""
        if index < len(self._messages) and index not in self._marked and self._messages[index].size <= octets:
            assert self._mailbox is not None
            begun = self._lane.run(_read_whole, self._mailbox, self._messages[index].uid, octets)
            self._ahead = index, Deferred.fromCoroutine(begun).addErrback(lambda _: None)

    async def _taken_ahead(self, index: int) -> tuple[WireReader, bytes] | None:
        """What was read of a message already; None where that was another one, or failed."""
        ahead, self._ahead = self._ahead, None
        return await ahead[1] if ahead is not None and ahead[0] == index else None

    def _message(self, index: int) -> Message:
        if not 0 <= index < len(self._messages):
            raise NoSuchMessage("There is no such message")
        if index in self._marked:
            raise NoSuchMessage("This message is marked as deleted")
        return self._messages[index]

    def _unmarked(self, start: int, end: int) -> Iterator[int]:
        return (index for index in range(start, min(end, len(self._messages))) if index not in self._marked)

    def _unique_id(self, index: int) -> bytes:
        """What the store was told, or UID and UIDVALIDITY as Dovecot's `%08Xu%08Xv` writes them: none loads twice."""
        uid = self._messages[index].uid
        return self._named.get(uid) or b"%08x%08x" % (uid, self._uid_validity)


class MessageReader:
    """A message that is open for reading, and its first octets. Octets are those on the wire."""

    def __init__(self, reader: WireReader, first: bytes, lane: Lane) -> None:
        self.size = reader.size
        self.first = first
        self._reader = reader
        self._lane = lane

    async def read(self, offset: int, length: int) -> bytes:
        return await self._lane.run(self._reader.read, offset, length)

    async def close(self) -> None:
        """Give back the file. Raises nothing: a part of the message is out, and no response may stand inside it."""
        if len(self.first) < self.size:
            await self._lane.run(_close, self._reader)


@dataclass(frozen=True, slots=True)
class _Opened:
    """INBOX at login."""

    mailbox: Mailbox
    messages: Sequence[Message]
    uid_validity: int
    named: Mapping[int, bytes]


def _begin(mailbox: Mailbox, uid: int, ahead: int) -> tuple[WireReader, bytes]:
    """Open a message and read its first octets; a message that has no others is closed."""
    reader = mailbox.read(uid)
    try:
        first = reader.read(0, ahead)
    except BaseException:
        _close(reader)
        raise
    if len(first) >= reader.size:
        _close(reader)
    return reader, first


def _read_whole(mailbox: Mailbox, uid: int, most: int) -> tuple[WireReader, bytes] | None:
    """As `_begin`; None for a message that is larger after all, of which nobody may ever want the rest."""
    reader, first = _begin(mailbox, uid, most)
    if len(first) >= reader.size:
        return reader, first
    _close(reader)
    return None


def _close(reader: WireReader) -> None:
    try:
        reader.close()
    except Exception as error:  # what was read is right all the same
        log.warn("the file of a message could not be closed: {error}", error=one_line(error))


def _open(account: Account) -> _Opened:
    mailbox = account.open(INBOX)
    mailbox.refresh()
    named = {uid: name for uid, name in mailbox.unique_ids().items() if _UNIQUE_ID.fullmatch(name)}
    return _Opened(mailbox, tuple(mailbox.messages()), mailbox.uid_validity, named)
