"""A session's view of the mailbox that it selected: which message has which sequence number.

The store tells what changed; the view keeps what the client was told. A message that is gone keeps its number until the
client may be told so (RFC 3501 section 7.4.1).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from mailbox_d.imap.mailbox import IMAPMailbox, News, Opened
from mailbox_d.store.ports import Arrived, Expunged, Flagged, Flags
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.flags import SYSTEM_FLAGS
from mailbox_d.wire.imap.responses import Condition
from mailbox_d.wire.imap.sequence import SequenceSet

RECENT = r"\Recent"

_SYSTEM = frozenset(SYSTEM_FLAGS.values())


class View:
    """The messages that a client knows of, by ascending UID; the one at index 0 has sequence number 1."""

    def __init__(self, mailbox: IMAPMailbox, opened: Opened) -> None:
        self.mailbox = mailbox
        self._feed = opened.feed
        self.uids = [message.uid for message in opened.messages]
        self.flags: dict[int, Flags] = {message.uid: message.flags for message in opened.messages}
        """As the client was last told, but for those that wait to be told."""
        self.sizes = {message.uid: message.size for message in opened.messages}
        self.recent = set(opened.recent)
        self._told_count = len(self.uids)
        self._gone: set[int] = set()
        self._changed: set[int] = set()
        self._defined: Flags = _SYSTEM.union(*set(self.flags.values()))
        self._told_defined = self._defined
        self._takes_keywords = not opened.keywords_full

    @property
    def read_only(self) -> bool:
        return self.mailbox.read_only

    def chosen(self, numbers: SequenceSet, *, by_uid: bool) -> Iterator[range]:
        """The indexes of messages that a command names. Raises `BadSyntax` for sequence numbers that nothing has."""
        if by_uid:
            yield from numbers.positions(self.uids)
        else:
            for found in numbers.sequence_numbers(len(self.uids)):
                yield range(found.start - 1, found.stop - 1)

    def shown_flags(self, uid: int) -> bytes:
        """A message's flags as this session sees them, in parentheses."""
        flags = self.flags[uid]
        return responses.flag_list(flags | {RECENT} if uid in self.recent else flags)

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
            if uid in self.flags:
                self.flags[uid] = now
                self._define(now)
                self._changed.discard(uid)

    def learn_silently(self, flags: Mapping[int, Flags], expected: Mapping[int, Flags]) -> None:
        """Take flags that the client has set and is not told, but where it expects others (RFC 3501 section 6.4.6)."""
        self.learn(flags)
        self._changed.update(uid for uid, now in flags.items() if uid in self.flags and now != expected[uid])

    async def catch_up(self) -> None:
        """Look at the mailbox, and note what is to be announced. Where nothing can have happened there is no look."""
        if self._feed.may_tell():
            self.note(await self.mailbox.news(self._feed))

    def note(self, news: News) -> None:
        for change in news.changes:
            match change:
                case Arrived(message) if message.uid not in self.flags:
                    self.uids.append(message.uid)
                    self.flags[message.uid] = message.flags
                    self._define(message.flags)
                    self.sizes[message.uid] = message.size
                case Flagged(uid, flags) if self.flags.get(uid, flags) != flags:
                    self.flags[uid] = flags
                    self._define(flags)
                    self._changed.add(uid)
                case Expunged(uid) if uid in self.flags:
                    self._gone.add(uid)
        self.recent.update(uid for uid in news.recent if uid in self.flags)

    def announcements(self, *, expunges: bool) -> Iterator[bytes]:
        """The untagged responses that tell the client what changed; with `expunges` also which messages are gone."""
        if expunges and self._gone:
            yield from self._announce_gone()
        yield from self._announce_defined()
        if len(self.uids) != self._told_count:
            self._told_count = len(self.uids)
            yield responses.exists(len(self.uids))
            yield responses.recent(len(self.recent))
        changed, self._changed = self._changed - self._gone, self._changed & self._gone
        for uid in sorted(changed):
            number = bisect_left(self.uids, uid) + 1
            yield responses.fetch(number, b"UID %d FLAGS %b" % (uid, self.shown_flags(uid)))

    def _announce_defined(self) -> Iterator[bytes]:
        """Keywords that nobody had when FLAGS was told last, but for those that IMAP cannot say."""
        told, self._told_defined = self._told_defined, self._defined
        if told is not self._defined and responses.flag_list(told) != responses.flag_list(self._defined):
            yield self.defined_flags()
            yield self.permanent_flags()

    def _define(self, flags: Flags) -> None:
        if not flags <= self._defined:
            self._defined |= flags

    def _announce_gone(self) -> Iterable[bytes]:
        """The highest number first, so that no number shifts before it is told."""
        gone, self._gone = self._gone, set()
        known = self.uids[: self._told_count]
        numbers = [number for number, uid in enumerate(known, 1) if uid in gone]
        self._told_count -= len(numbers)
        self.uids = [uid for uid in self.uids if uid not in gone]
        self.recent -= gone
        self._changed -= gone
        for uid in gone:
            del self.flags[uid], self.sizes[uid]
        return [responses.expunge(number) for number in reversed(numbers)]

    async def close(self) -> None:
        await self.mailbox.close(self._feed)
