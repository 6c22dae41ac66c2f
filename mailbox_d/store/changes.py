"""Who is told what changed: one feed per session, of both kinds of store.

A feed tells every change since it was opened or last taken, those of its own session included, each message at most
once per kind: what came and went unseen is never mentioned. Whoever waits for news is woken once, and then again when
the feed was taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from weakref import WeakSet

from mailbox_d.store.ports import Arrived, Change, Expunged, Feed, Flagged, Flags, Message, Snapshot


class ChangeFeed(Feed):
    """Changes of one mailbox, gathered for one session."""

    def __init__(self, feeds: Feeds, messages: Snapshot, changed: Callable[[], None] | None = None) -> None:
        self.messages = messages
        self._feeds = feeds
        self._changed = changed
        self._is_woken = False
        self._expunged: set[int] = set()
        self._flagged: dict[int, Flags] = {}
        self._arrived: dict[int, Message] = {}

    def take(self) -> Sequence[Change]:
        with self._feeds.guard:
            expunged, flagged, arrived = self._expunged, self._flagged, self._arrived
            self._expunged, self._flagged, self._arrived = set(), {}, {}
            self._is_woken = False
        return (
            *(Expunged(uid) for uid in sorted(expunged)),
            *(Flagged(uid, flagged[uid]) for uid in sorted(flagged)),
            *(Arrived(arrived[uid]) for uid in sorted(arrived)),
        )

    def may_tell(self) -> bool:
        return bool(self._expunged or self._flagged or self._arrived) or not self._feeds.is_quiet()

    def close(self) -> None:
        self._feeds.drop(self)

    def note(self, change: Change) -> None:
        """Take in one change; called under the feeds' guard."""
        if isinstance(change, Arrived):
            self._arrived[change.message.uid] = change.message
        elif isinstance(change, Flagged):
            self._note_flags(change.uid, change.flags)
        elif self._arrived.pop(change.uid, None) is None:
            self._flagged.pop(change.uid, None)
            self._expunged.add(change.uid)

    def waking(self) -> Callable[[], None] | None:
        """Whom to wake now, if anybody; called under the feeds' guard."""
        if self._is_woken:
            return None
        self._is_woken = True
        return self._changed

    def _note_flags(self, uid: int, flags: Flags) -> None:
        unseen = self._arrived.get(uid)
        if unseen is not None:
            self._arrived[uid] = Message(uid, flags, unseen.size)
        else:
            self._flagged[uid] = flags


class Feeds:
    """The feeds of one mailbox. One that is forgotten without being closed ends by itself.

    `is_quiet` tells, without waiting, whether it is certain that nothing happened that the feeds do not know.
    """

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self.is_quiet = is_quiet
        self.guard = threading.Lock()
        self._feeds: WeakSet[ChangeFeed] = WeakSet()

    def open(self, messages: Snapshot, changed: Callable[[], None] | None = None) -> ChangeFeed:
        """A feed that goes on from these messages; called under the lock under which they change."""
        feed = ChangeFeed(self, messages, changed)
        with self.guard:
            self._feeds.add(feed)
        return feed

    def has_listeners(self) -> bool:
        """Whether any session has the mailbox open."""
        return bool(self._feeds)

    def drop(self, feed: ChangeFeed) -> None:
        with self.guard:
            self._feeds.discard(feed)

    def publish(self, changes: Iterable[Change]) -> None:
        """Note changes in every feed, and wake whoever waits for them."""
        with self.guard:
            listeners = list(self._feeds)
            told = list(changes) if listeners else []
            for feed in listeners:
                for change in told:
                    feed.note(change)
            woken = [feed.waking() for feed in listeners if told]
        _call(woken)

    def wake(self) -> None:
        """Wake whoever waits for news: a look at the disk will find some."""
        with self.guard:
            woken = [feed.waking() for feed in self._feeds]
        _call(woken)


def _call(woken: Iterable[Callable[[], None] | None]) -> None:
    for changed in woken:
        if changed is not None:
            changed()
