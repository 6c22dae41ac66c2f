"""A session's view of the mailbox that it selected: which message has which sequence number.

The store tells what changed; the view keeps what the client was told. A message that is gone keeps its number until the
client may be told so (RFC 3501 section 7.4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from mailbox_d.imap.fetch.known_messages import KnownMessages
from mailbox_d.imap.mailbox import IMAPMailbox, News, Opened, Stored
from mailbox_d.store.ports import Arrived, Expunged, FlagAction, Flagged, Flags, Message
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.flags import SYSTEM_FLAGS
from mailbox_d.wire.imap.responses import Condition
from mailbox_d.wire.imap.sequence import SequenceSet

RECENT = r"\Recent"

_SYSTEM = frozenset(SYSTEM_FLAGS.values())


class View:
    """The messages that a client knows of, and what it is still to be told of them."""

    def __init__(self, mailbox: IMAPMailbox, opened: Opened, enabled: Collection[bytes] = ()) -> None:
        """`enabled` are the capabilities that the session has enabled by now, at any time."""
        self.mailbox = mailbox
        self.messages = KnownMessages(opened.messages, opened.uids)
        """With flags as the client was last told, but for those that wait to be told."""
        self.recent = set(opened.recent)
        self._feed = opened.feed
        self._told_count = len(self.messages)
        self._enabled = enabled
        self._noted = opened.highest
        """The mod-sequence of the last change that was noted."""
        self._told = 0
        """The highest mod-sequence that the client was told since it was told all that is new."""
        self._is_noted = False
        """Whether what is new was noted in the course of this command."""
        self._is_held_back = False
        """Whether the client was last told that it does not know all up to the highest number that it has seen."""
        self._gone: dict[int, int] = {}
        """UIDs, with the mod-sequence of when they went."""
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

    @property
    def tells_mod_sequences(self) -> bool:
        """Whether the client has said that it wants them (RFC 7162 section 3.1)."""
        return b"CONDSTORE" in self._enabled

    @property
    def highest(self) -> int:
        """The mod-sequence up to which the client was told of every change, once it is told what is new."""
        return min([self._noted, *(number - 1 for number in self._gone.values())])

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
        flags = [messages[index].flags for index in indexes]
        lists = {each: responses.flag_list(each) for each in set(flags)}
        return [lists[each] for each in flags]

    def shown_mod_sequences(self, indexes: Sequence[int]) -> list[int]:
        """Of many messages, which the client is being told."""
        messages = self.messages.all()
        numbers = [messages[index].mod_sequence for index in indexes]
        self._told = max([self._told, *numbers])
        return numbers

    def news_of(self, index: int, *, flags: bool = True) -> bytes:
        """The items of a FETCH response that nobody asked for (RFC 7162 section 3.2.4)."""
        items = [b"UID %d" % self.uids[index]]
        if flags:
            items.append(b"FLAGS " + self.shown_flags(index))
        if self.tells_mod_sequences:
            items.append(b"MODSEQ (%d)" % self.shown_mod_sequences([index])[0])
        return b" ".join(items)

    def defined_flags(self) -> bytes:
        """The flags of this mailbox (RFC 3501 section 7.2.6)."""
        return responses.data(b"FLAGS", responses.flag_list(self._told_defined))

    def permanent_flags(self) -> bytes:
        """Those that a client may change for good; whether new keywords may be made is as it was at the beginning."""
        flags = b"()" if self.read_only else responses.flag_list(self._told_defined)
        if self._takes_keywords and not self.read_only:
            flags = flags[:-1] + b" \\*)"
        return responses.untagged(Condition.OK, "Flags that are kept", b"PERMANENTFLAGS " + flags)

    async def change_flags(
        self,
        uids: Collection[int],
        action: FlagAction,
        flags: Flags,
        unchanged_since: int | None,
        *,
        learn: Callable[[Mapping[int, Message]], None],
    ) -> Stored:
        """Change flags, and note what else is new in the same turn in the lane, where the mailbox was just looked at:
        the look at the command's end is spared."""
        self._feed.hush()
        note = partial(self.mailbox.note_news, self._feed, self._note_now)
        return await self.mailbox.change_flags(uids, action, flags, unchanged_since, learn=learn, note=note)

    def learn(self, messages: Mapping[int, Message]) -> None:
        """Take flags that the client is being told, or knows because it has set them."""
        self.messages.take_all(messages.values())
        for flags in {message.flags for message in messages.values()}:
            self._define(flags)
        self._changed.difference_update(messages)

    def learn_silently(self, messages: Mapping[int, Message], expected: Callable[[Flags], Flags]) -> None:
        """Take flags that the client has set and is not told, but where it expects others (RFC 3501 section 6.4.6).

        `expected` is what the client must take a message's flags to be, of those that it was told last.
        """
        for uid, now in messages.items():
            index = self.messages.find(uid)
            if index is not None:
                is_expected = expected(self.messages[index].flags) == now.flags
                self._take(index, now)
                (self._changed.discard if is_expected else self._changed.add)(uid)

    async def catch_up(self) -> None:
        """Look at the mailbox, and note what is to be announced. Where nothing can have happened there is no look."""
        is_noted, self._is_noted = self._is_noted, False
        if not is_noted and self._feed.may_tell():
            await self.mailbox.news(self._feed, self.note)

    def note(self, news: News) -> None:
        """Take what happened; in the lane's thread, while the session waits for that."""
        numbers = {self._noted}
        for change in news.changes:
            match change:
                case Flagged():
                    self._note_flags(change)
                case Arrived(message) if self.messages.find(message.uid) is None:
                    self.messages.add(message)
                    self._define(message.flags)
                case Expunged(uid, number) if self.messages.find(uid) is not None:
                    self._gone[uid] = number
            numbers.add(change.message.mod_sequence if isinstance(change, Arrived) else change.mod_sequence)
        self._noted = max(numbers)
        self.recent.update(uid for uid in news.recent if self.messages.find(uid) is not None)

    def _note_now(self, news: News) -> None:
        self.note(news)
        self._is_noted = True

    def announcements(self, *, expunges: bool) -> Iterator[bytes]:
        """The untagged responses that tell the client what changed; with `expunges` also which messages are gone."""
        if expunges and self._gone:
            yield from self._announce_gone()
        yield from self._announce_defined()
        if len(self.messages) != self._told_count:
            self._told_count = len(self.messages)
            yield responses.exists(self._told_count)
            yield responses.recent(len(self.recent))
        changed, self._changed = self._changed - self._gone.keys(), self._changed & self._gone.keys()
        for index in self.messages.indexes(changed):
            yield responses.fetch(index + 1, self.news_of(index))
        if self.tells_mod_sequences:
            yield from self._announce_highest()

    def _announce_highest(self) -> Iterator[bytes]:
        """Where a client was told a number above that of a change that it knows nothing of, it must know how far it may
        believe to have heard of all (RFC 7162 section 3.2); and when it has."""
        told, self._told = self._told, 0
        highest = self.highest
        if told > highest or (self._is_held_back and highest == self._noted):
            self._is_held_back = highest < self._noted
            yield responses.highest_mod_sequence(highest)

    def _announce_defined(self) -> Iterator[bytes]:
        """Keywords that nobody had when FLAGS was told last, but for those that IMAP cannot say."""
        told, self._told_defined = self._told_defined, self._defined
        if told is not self._defined and responses.flag_list(told) != responses.flag_list(self._defined):
            yield self.defined_flags()
            yield self.permanent_flags()

    def _note_flags(self, change: Flagged) -> None:
        uid, flags, mod_sequence = change.uid, change.flags, change.mod_sequence
        index = self.messages.find(uid)
        if index is not None:
            _, before, size, number = self.messages[index]
            if before != flags:
                self._changed.add(uid)
            elif number == mod_sequence:
                return
            self._take(index, Message(uid, flags, size, mod_sequence))

    def _take(self, index: int, now: Message) -> None:
        self.messages.take(index, now)
        self._define(now.flags)

    def _define(self, flags: Flags) -> None:
        if not flags <= self._defined:
            self._defined |= flags

    def _announce_gone(self) -> Iterable[bytes]:
        """By UID, or the highest number first, so that no number shifts before it is told."""
        gone, self._gone = self._gone.keys(), {}
        known = self.uids[: self._told_count]
        numbers = [number for number, uid in enumerate(known, 1) if uid in gone]
        uids = [known[number - 1] for number in numbers]
        self._told_count -= len(numbers)
        self.messages.remove(gone)
        self.recent -= gone
        self._changed -= gone
        if b"QRESYNC" in self._enabled:
            return responses.vanished(responses.ranges(uids))
        return [responses.expunge(number) for number in reversed(numbers)]

    async def close(self) -> None:
        await self.mailbox.close(self._feed)
