"""A mailbox as a session uses it: the store's blocking calls, put together so that each takes one turn in the lane."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from mailbox_d.errors import MailboxBusy, MailError, MessageGone
from mailbox_d.imap.fetch import remembered
from mailbox_d.imap.fetch.ahead import AheadLimits, Crew, FetchAhead, Wanted
from mailbox_d.imap.fetch.contents import ContentLimits, Contents, Failed, Told
from mailbox_d.imap.python_work import in_turn
from mailbox_d.imap.search.content import ContentSearch, Turn
from mailbox_d.imap.search.keeping import Keeping
from mailbox_d.imap.search.program import Verdict
from mailbox_d.imap.search.recorded import RecordedSearch
from mailbox_d.imap.vanished import Vanished
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.lanes import Lane
from mailbox_d.store.ports import (
    Change,
    Feed,
    FlagAction,
    Flags,
    Mailbox,
    Message,
    Status,
)
from mailbox_d.wire.imap.fetch import FetchAttribute
from mailbox_d.wire.imap.search import SearchKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox as it is when a session selects it; all that takes a look at each message was done in the lane."""

    feed: Feed
    messages: Sequence[Message]
    uids: Sequence[int]
    flags: Flags
    """Every flag that some message has."""
    first_unseen: int | None
    """The index of the first message that nobody read."""
    recent: Collection[int]
    status: Status
    keywords_full: bool
    highest: int = 0
    """The mod-sequence of the last change."""


@dataclass(frozen=True, slots=True)
class News:
    """What happened in a mailbox, and which of the messages that came are recent to this session."""

    changes: Sequence[Change]
    recent: Collection[int]


@dataclass(frozen=True, slots=True)
class Stored:
    """What messages are now whose flags were to be changed, and those that were let be, which had changed before."""

    now: Mapping[int, Message]
    modified: Sequence[int]


class IMAPMailbox:
    """One mailbox, and whether this session may change it. Each method raises what `store.ports.Mailbox` says."""

    def __init__(
        self, mailbox: Mailbox, lane: Lane, *, read_only: bool, opened: Callable[[Mailbox], None] = lambda _: None
    ) -> None:
        self.read_only = read_only
        self._opened = opened
        self._mailbox = mailbox
        self._lane = lane
        self._contents: Contents | None = None

    @property
    def name(self) -> str:
        return self._mailbox.name

    @property
    def uid_validity(self) -> int:
        return self._mailbox.uid_validity

    async def open(self, changed: Callable[[], None]) -> Opened:
        """The mailbox as it is; from now on `changed` is called when there may be news."""
        self._opened(self._mailbox)
        return await self._lane.run(_open, self._mailbox, not self.read_only, partial(self._lane.wake, changed))

    async def news(self, feed: Feed, note: Callable[[News], None]) -> None:
        """Look at the disk, and have what happened since the feed last told noted: in the lane, for it may be much."""
        await self._lane.run(_news, self._mailbox, feed, not self.read_only, note)

    async def close(self, feed: Feed) -> None:
        contents, self._contents = self._contents, None
        if contents is not None:
            await self._lane.run(contents.close)
        await self._lane.run(feed.close)
        await self._lane.run(_tidy, self._mailbox)

    def contents(self, limits: ContentLimits) -> Contents:
        """What this session looks up and remembers of the messages' contents."""
        if self._contents is None:
            self._contents = Contents(self._mailbox, limits)
        return self._contents

    async def told(
        self, contents: Contents, uids: Sequence[int], attributes: Sequence[FetchAttribute], ahead: FetchAhead | None
    ) -> list[Told | Failed | None]:
        """What FETCH tells of the first of these messages; see `Contents.told`."""
        told = remembered.told if ahead is None else partial(remembered.told, ahead=ahead.take)
        return await self._lane.run(told, self._mailbox.index, contents, uids, attributes)

    def ahead(self, crew: Crew, limits: AheadLimits, wanted: Wanted) -> FetchAhead:
        """Who looks ahead for a FETCH of this session's user."""
        return FetchAhead(crew, self._lane, limits, self._mailbox, wanted)

    async def more(self, contents: Contents, told: Told) -> Told:
        """What FETCH tells further of a message; see `Contents.more`."""
        return await self._lane.run(contents.more, told)

    async def give_back(self, contents: Contents, told: Sequence[Told | Failed | None]) -> None:
        """These were sent; see `Contents.give_back`."""
        for each in told:
            if isinstance(each, Told) and each.reader is not None:
                await self._lane.run(contents.give_back, each)

    async def next_octets(self, octets: Iterator[bytes]) -> bytes:
        """The next of the octets that are read from a message; empty at their end."""
        return await self._lane.run(next, octets, b"")

    async def python_work(self, work: Callable[[], T]) -> T:
        """Do some milliseconds of work that waits for nothing; see `imap/python_work`."""
        return await self._lane.run(in_turn, work)

    async def search(self, content: ContentSearch, messages: Sequence[tuple[int, int]]) -> Turn:
        """Look at the first of these messages; see `ContentSearch.turn`."""
        return await self._lane.run(content.turn, self._mailbox, messages)

    async def recorded(self, search: RecordedSearch) -> Mapping[SearchKey, Verdict] | None:
        """Look on for what is kept of messages; see `RecordedSearch.turn`."""
        return await self._lane.run(search.turn, self._mailbox)

    async def keeping(self, uids: Sequence[int], limits: MimeLimits, octets_max: int) -> Keeping:
        """What is found out about these messages goes there."""
        return await self._lane.run(Keeping.of, self._mailbox, uids, limits, octets_max)

    async def keep(self, keeping: Keeping) -> None:
        """What was found out about messages is to be kept."""
        await self._lane.run(keeping.write, self._mailbox)

    async def internal_dates(self, uids: Sequence[int]) -> Mapping[int, float | Failed]:
        """When the messages came, those that are gone left out."""
        return await self._lane.run(_internal_dates, self._mailbox, uids)

    async def change_flags(
        self,
        uids: Collection[int],
        action: FlagAction,
        flags: Flags,
        unchanged_since: int | None = None,
        *,
        learn: Callable[[Mapping[int, Message]], None],
        note: Callable[[Mailbox], None] = lambda _: None,
    ) -> Stored:
        """Change flags; `learn` takes what the messages have now: in the lane, for they may be many. Then `note` is
        called there, if the change was made."""
        return await self._lane.run(_change_flags, self._mailbox, uids, action, flags, unchanged_since, learn, note)

    def note_news(self, feed: Feed, note: Callable[[News], None], mailbox: Mailbox) -> None:
        """Have what happened noted, as far as it is known without a look at the disk; for the lane.

        Raises nothing: what cannot be had now is had with the next look.
        """
        with suppress(MailError):
            _take_news(mailbox, feed, not self.read_only, note)

    async def vanished(self, asked: Vanished) -> Sequence[tuple[int, int]]:
        """Which UIDs the client is to forget, as ranges; see `Vanished.ranges`."""
        return await self._lane.run(asked.ranges, self._mailbox)

    async def expunge(self, uids: Collection[int]) -> Collection[int]:
        return await self._lane.run(self._mailbox.expunge, uids)

    async def copy(self, uids: Collection[int], destination: IMAPMailbox, *, strict: bool) -> Mapping[int, int]:
        return await self._lane.run(self._mailbox.copy, uids, destination._mailbox, strict=strict)

    async def move(self, uids: Collection[int], destination: IMAPMailbox, *, strict: bool) -> Mapping[int, int]:
        return await self._lane.run(self._mailbox.move, uids, destination._mailbox, strict=strict)


def _tidy(mailbox: Mailbox) -> None:
    mailbox.index.tidy()
    mailbox.texts.tidy()


def _open(mailbox: Mailbox, claim: bool, changed: Callable[[], None]) -> Opened:
    mailbox.refresh()
    feed = mailbox.feed(changed)
    messages = feed.messages
    return Opened(
        feed=feed,
        messages=messages,
        uids=messages.uids,
        flags=messages.flags,
        first_unseen=messages.first_unseen,
        recent=frozenset(mailbox.recent(claim=claim)),
        status=mailbox.status(),
        keywords_full=mailbox.keywords_full(),
        highest=feed.highest,
    )


def _news(mailbox: Mailbox, feed: Feed, claim: bool, note: Callable[[News], None]) -> None:
    mailbox.refresh()
    _take_news(mailbox, feed, claim, note)


def _take_news(mailbox: Mailbox, feed: Feed, claim: bool, note: Callable[[News], None]) -> None:
    """The feed is taken last: nothing that it told is lost where a lock makes the lane do all of this again."""
    recent = frozenset(mailbox.recent(claim=claim))
    note(News(feed.take(), recent))


def _change_flags(
    mailbox: Mailbox,
    uids: Collection[int],
    action: FlagAction,
    flags: Flags,
    unchanged_since: int | None,
    learn: Callable[[Mapping[int, Message]], None],
    note: Callable[[Mailbox], None],
) -> Stored:
    now = mailbox.change_flags(uids, action, flags, unchanged_since=unchanged_since)
    learn(now)
    note(mailbox)
    left = [uid for uid in uids if uid not in now]
    if unchanged_since is None or not left:
        return Stored(now, ())
    there = frozenset(mailbox.messages().uids)
    return Stored(now, [uid for uid in left if uid in there])


def _internal_dates(mailbox: Mailbox, uids: Sequence[int]) -> Mapping[int, float | Failed]:
    dates: dict[int, float | Failed] = {}
    for uid in uids:
        try:
            dates[uid] = mailbox.internal_date(uid)
        except MessageGone:
            continue
        except MailboxBusy:
            raise
        except Exception as error:
            dates[uid] = Failed(uid, error)
    return dates
