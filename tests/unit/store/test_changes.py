"""Feeds: every session hears of every change, and is woken once until it asks."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.store import changes as changes_module
from mailbox_d.store.changes import Feeds
from mailbox_d.store.ports import Arrived, Change, Expunged, Flagged, Message, Snapshot

SEEN = frozenset({r"\Seen"})
NONE: frozenset[str] = frozenset()


def test_it_is_woken_once_until_it_asks_though_there_was_nothing_to_tell() -> None:
    woken: list[str] = []
    feeds = Feeds(lambda: True)
    feed = feeds.open(Snapshot(), lambda: woken.append("woken"))
    feeds.wake()
    feeds.wake()
    assert woken == ["woken"]
    assert not feed.may_tell()
    feeds.publish([Arrived(Message(1, NONE, 9))])
    assert woken == ["woken", "woken"]
    assert feed.take() == (Arrived(Message(1, NONE, 9)),)
    feeds.wake()
    assert woken == ["woken", "woken", "woken"]


@given(st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=12), st.integers(0, 3))
def test_what_came_and_went_is_never_mentioned_however_the_changes_come(bundles: list[list[int]], kept: int) -> None:
    feeds = Feeds(lambda: True)
    feed = feeds.open(Snapshot([Message(uid, NONE, 1) for uid in range(1, 5)]))
    known = dict.fromkeys(range(1, 5), NONE)
    there = dict(known)
    before = changes_module._UNSORTED_MAX
    changes_module._UNSORTED_MAX = kept
    try:
        for bundle in bundles:
            feeds.publish([change for uid in bundle for change in _step(uid, there)])
    finally:
        changes_module._UNSORTED_MAX = before
    for change in feed.take():
        if isinstance(change, Arrived):
            assert change.message.uid not in known
            known[change.message.uid] = change.message.flags
        elif isinstance(change, Flagged):
            known[change.uid] = change.flags
        else:
            del known[change.uid]
    assert known == there
    assert feed.take() == ()


def _step(uid: int, there: dict[int, frozenset[str]]) -> list[Change]:
    """One thing after the other happens to a message: it comes, is read, goes."""
    if uid not in there:
        if uid <= 4:
            return []
        there[uid] = NONE
        return [Arrived(Message(uid, NONE, 1))]
    if there[uid]:
        del there[uid]
        return [Expunged(uid)]
    there[uid] = SEEN
    return [Flagged(uid, SEEN)]


def test_whoever_publishes_while_others_take_loses_nothing() -> None:
    feeds = Feeds(lambda: True)
    feed = feeds.open(Snapshot())
    taken: list[int] = []
    done = threading.Event()

    def take() -> None:
        while not done.is_set() or feed.may_tell():
            taken.extend(change.message.uid for change in feed.take() if isinstance(change, Arrived))

    taker = threading.Thread(target=take)
    taker.start()
    for uid in range(1, 3001):
        feeds.publish([Arrived(Message(uid, NONE, 1))])
    done.set()
    taker.join()
    assert taken == list(range(1, 3001))
