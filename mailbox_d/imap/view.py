"""A session's view of the mailbox that it selected: which message has which sequence number.

The store tells what changed; the view keeps what the client was told. A message that is gone keeps its number until the
client may be told so (RFC 3501 section 7.4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mailbox_d.imap.known_messages import KnownMessages
from mailbox_d.imap.mailbox import IMAPMailbox, News, Opened
from mailbox_d.store.ports import Arrived, Expunged, Flagged, Flags
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.flags import SYSTEM_FLAGS
from mailbox_d.wire.imap.responses import Condition
from mailbox_d.wire.imap.sequence import SequenceSet

RECENT = r"\Recent"

_SYSTEM = frozenset(SYSTEM_FLAGS.values())


class View:
    """The messages that a client knows of, and what it is still to be told of them."""

    def __init__(self, mailbox: IMAPMailbox, opened: Opened) -> None:
        self.mailbox = mailbox
        self.messages = KnownMessages(opened.messages, opened.uids)
        """With flags as the client was last told, but for those that wait to be told."""
        self.recent = set(opened.recent)
        self._feed = opened.feed
        self._told_count = len(self.messages)
        self._gone: set[int] = set()
        self._changed: set[int] = set()
        self._defined: Flags = _SYSTEM | opened.flags
        self._told_defined = self._defined
        self._takes_keywords = not opened.keywords_full

    @property
    def read_only(self) -> bool:
        return self.mailbox.read_only

    @property
    def uids(self) -> Sequence[int]:
        """Of all messages that the client knows, ascending."""
        return self.messages.uids

    def chosen(self, numbers: SequenceSet, *, by_uid: bool) -> Iterator[range]:
        """The indexes of messages that a command names. Raises `BadSyntax` for sequence numbers that nothing has."""
        if by_uid:
            yield from numbers.positions(self.uids)
        else:
            for found in numbers.sequence_numbers(len(self.messages)):
                yield range(found.start - 1, found.stop - 1)

    def shown_flags(self, index: int) -> bytes:
        """A message's flags as this session sees them, in parentheses."""
        message = self.messages[index]
        return responses.flag_list(message.flags | {RECENT} if message.uid in self.recent else message.flags)

    def all_shown_flags(self, indexes: Sequence[int]) -> list[bytes]:
        """The same of many messages."""
        messages = self.messages.all()
        if self.recent:
            return [self.shown_flags(index) for index in indexes]
        return [responses.flag_list(messages[index].flags) for index in indexes]

    def defined_flags(self) -> bytes:
        """The flags of this mailbox (RFC 3501 section 7.2.6)."""
        return responses.data(b"FLAGS", responses.flag_list(self._told_defined))

    def permanent_flags(self) -> bytes:
        """Those that a client may change for good; whether new keywords may be made is as it was at the beginning."""
        flags = b"()" if self.read_only else responses.flag_list(self._told_defined)
        if self._takes_keywords and not self.read_only:
            flags = flags[:-1] + b" \\*)"
        return responses.untagged(Condition.OK, "Flags that are kept", b"PERMANENTFLAGS " + flags)

    def learn(self, flags: Mapping[int, Flags]) -> None:
        """Take flags that the client is being told, or knows because it has set them."""
        for uid, now in flags.items():
            index = self.messages.find(uid)
            if index is not None:
                self._take(index, now)
                self._changed.discard(uid)

    def learn_silently(self, flags: Mapping[int, Flags], expected: Callable[[Flags], Flags]) -> None:
        """Take flags that the client has set and is not told, but where it expects others (RFC 3501 section 6.4.6).

        `expected` is what the client must take a message's flags to be, of those that it was told last.
        """
        for uid, now in flags.items():
            index = self.messages.find(uid)
            if index is not None:
                is_expected = expected(self.messages[index].flags) == now
                self._take(index, now)
                (self._changed.discard if is_expected else self._changed.add)(uid)

    async def catch_up(self) -> None:
        """Look at the mailbox, and note what is to be announced. Where nothing can have happened there is no look."""
        if self._feed.may_tell():
            await self.mailbox.news(self._feed, self.note)

    def note(self, news: News) -> None:
        """Take what happened; in the lane's thread, while the session waits for that."""
        for change in news.changes:
            match change:
                case Arrived(message) if self.messages.find(message.uid) is None:
                    self.messages.add(message)
                    self._define(message.flags)
                case Flagged(uid, flags):
                    self._note_flags(uid, flags)
                case Expunged(uid) if self.messages.find(uid) is not None:
                    self._gone.add(uid)
        self.recent.update(uid for uid in news.recent if self.messages.find(uid) is not None)

    def announcements(self, *, expunges: bool) -> Iterator[bytes]:
        """The untagged responses that tell the client what changed; with `expunges` also which messages are gone."""
        if expunges and self._gone:
            yield from self._announce_gone()
        yield from self._announce_defined()
        if len(self.messages) != self._told_count:
            self._told_count = len(self.messages)
            yield responses.exists(self._told_count)
            yield responses.recent(len(self.recent))
        changed, self._changed = self._changed - self._gone, self._changed & self._gone
        for index in self.messages.indexes(changed):
            yield responses.fetch(index + 1, b"UID %d FLAGS %b" % (self.uids[index], self.shown_flags(index)))

    def _announce_defined(self) -> Iterator[bytes]:
        """Keywords that nobody had when FLAGS was told last, but for those that IMAP cannot say."""
        told, self._told_defined = self._told_defined, self._defined
        if told is not self._defined and responses.flag_list(told) != responses.flag_list(self._defined):
            yield self.defined_flags()
            yield self.permanent_flags()

    def _note_flags(self, uid: int, flags: Flags) -> None:
        index = self.messages.find(uid)
        if index is not None and self.messages[index].flags != flags:
            self._take(index, flags)
            self._changed.add(uid)

    def _take(self, index: int, flags: Flags) -> None:
        self.messages.set_flags(index, flags)
        self._define(flags)

    def _define(self, flags: Flags) -> None:
        if not flags <= self._defined:
            self._defined |= flags

    def _announce_gone(self) -> Iterable[bytes]:
        """The highest number first, so that no number shifts before it is told."""
        gone, self._gone = self._gone, set()
        known = self.uids[: self._told_count]
        numbers = [number for number, uid in enumerate(known, 1) if uid in gone]
        self._told_count -= len(numbers)
        self.messages.remove(gone)
        self.recent -= gone
        self._changed -= gone
        return [responses.expunge(number) for number in reversed(numbers)]

    async def close(self) -> None:
        await self.mailbox.close(self._feed)
