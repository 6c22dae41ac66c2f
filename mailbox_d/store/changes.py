"""Who is told what changed: one feed per session, of both kinds of store.

A feed tells every change since it was opened or last taken, those of its own session included, each message at most
once per kind: what came and went unseen is never mentioned. Whoever waits for news is woken once, and then again when
the feed was taken.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from weakref import WeakSet

from mailbox_d.store.ports import Arrived, Change, Expunged, Feed, Flagged, Message, Snapshot

_UNSORTED_MAX = 256
"""How many bundles of changes wait to be sorted in for a session that does not ask."""


class ChangeFeed(Feed):
    """Changes of one mailbox, gathered for one session.

    They come in bundles that all feeds share, and are sorted in when the session asks: whoever makes a change does not
    work for all who hear of it.
    """

    def __init__(
        self, feeds: Feeds, messages: Snapshot, changed: Callable[[], None] | None = None, highest: int = 0
    ) -> None:
        self.messages = messages
        self.highest = highest
        self._feeds = feeds
        self._changed = changed
        self._is_woken = False
        self._bundles: deque[Sequence[Change]] = deque()
        self._sorting = threading.Lock()
        self._expunged: dict[int, Expunged] = {}
        self._flagged: dict[int, Flagged] = {}
        self._arrived: dict[int, Message] = {}

    def take(self) -> Sequence[Change]:
        with self._sorting:
            self._is_woken = False
            self._sort_in()
            expunged, flagged, arrived = self._expunged, self._flagged, self._arrived
            self._expunged, self._flagged, self._arrived = {}, {}, {}
        return (
            *(expunged[uid] for uid in sorted(expunged)),
            *(flagged[uid] for uid in sorted(flagged)),
            *(Arrived(arrived[uid]) for uid in sorted(arrived)),
        )

    def may_tell(self) -> bool:
        """The session asks: from now on it is to be woken again."""
        self._is_woken = False
        return bool(self._bundles or self._expunged or self._flagged or self._arrived) or not self._feeds.is_quiet()

    def hush(self) -> None:
        self._is_woken = True

    def close(self) -> None:
        self._feeds.drop(self)

    def note(self, changes: Sequence[Change]) -> None:
        """Take in changes, in the order in which they were made."""
        self._bundles.append(changes)
        if len(self._bundles) > _UNSORTED_MAX:
            with self._sorting:
                self._sort_in()

    def wake(self) -> None:
        """Wake the session, unless it was woken and did not ask yet."""
        if not self._is_woken:
            self._is_woken = True
            if self._changed is not None:
                self._changed()

    def _sort_in(self) -> None:
        while self._bundles:
            for change in self._bundles.popleft():
                if isinstance(change, Arrived):
                    self._arrived[change.message.uid] = change.message
                elif isinstance(change, Flagged):
                    self._note_flags(change)
                elif self._arrived.pop(change.uid, None) is None:
                    self._flagged.pop(change.uid, None)
                    self._expunged[change.uid] = change

    def _note_flags(self, change: Flagged) -> None:
        uid = change.uid
        unseen = self._arrived.get(uid)
        if unseen is not None:
            self._arrived[uid] = Message(uid, change.flags, unseen.size, change.mod_sequence)
        else:
            self._flagged[uid] = change


class Feeds:
    """The feeds of one mailbox. One that is forgotten without being closed ends by itself.

    `is_quiet` tells, without waiting, whether it is certain that nothing happened that the feeds do not know.
    """

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self.is_quiet = is_quiet
        self._guard = threading.Lock()
        """Held for a moment, for the reactor's thread wants it too."""
        self._feeds: WeakSet[ChangeFeed] = WeakSet()

    def open(self, messages: Snapshot, changed: Callable[[], None] | None = None, *, highest: int = 0) -> ChangeFeed:
        """A feed that goes on from these messages, and this change; called under the lock under which they change."""
        feed = ChangeFeed(self, messages, changed, highest)
        with self._guard:
            self._feeds.add(feed)
        return feed

    def has_listeners(self) -> bool:
        """Whether any session has the mailbox open."""
        return bool(self._feeds)

    def drop(self, feed: ChangeFeed) -> None:
        with self._guard:
            self._feeds.discard(feed)

    def publish(self, changes: Iterable[Change]) -> None:
        """Note changes in every feed, and wake whoever waits for them; called under the lock of the messages."""
        listeners = self._listeners()
        told = tuple(changes) if listeners else ()
        if told:
            for feed in listeners:
                feed.note(told)
            for feed in listeners:
                feed.wake()

    def wake(self) -> None:
        """Wake whoever waits for news: a look at the disk will find some."""
        for feed in self._listeners():
            feed.wake()

    def _listeners(self) -> list[ChangeFeed]:
        with self._guard:
            return list(self._feeds)
