"""What the sessions of a mailbox are told, and when they are woken, by every store."""

from __future__ import annotations

from mailbox_d.store.ports import Arrived, Expunged, FlagAction, Flagged, Message, Store, Target
from tests.contract.store.mailboxes import BOB, BODY, SEEN, append, deliver, inbox, told


def test_every_session_is_told_what_changed(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    append(mailbox)
    feeds = [mailbox.feed(), inbox(store).feed()]
    mailbox.change_flags([2], FlagAction.ADD, SEEN)
    mailbox.expunge([1])
    deliver(store)
    mailbox.refresh()
    for feed in feeds:
        assert told(feed) == [Expunged(1), Flagged(2, SEEN), Arrived(Message(3, frozenset(), len(BODY)))]
        assert list(feed.take()) == []


def test_a_feed_begins_with_what_is_there(store: Store) -> None:
    deliver(store)
    feed = inbox(store).feed()
    assert list(feed.take()) == []


def test_a_feed_goes_on_where_its_messages_end(store: Store) -> None:
    """What came between the two would be an arrival that is known, and its expunge never told."""
    mailbox = inbox(store)
    append(mailbox)
    feed = mailbox.feed()
    append(mailbox)
    mailbox.expunge([2])
    assert [message.uid for message in feed.messages] == [1]
    assert list(feed.take()) == []


def test_a_feed_tells_the_last_flags_once(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    feed = mailbox.feed()
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    mailbox.change_flags([1], FlagAction.ADD, frozenset({"\\Flagged"}))
    mailbox.change_flags([1], FlagAction.REMOVE, SEEN)
    assert list(feed.take()) == [Flagged(1, frozenset({"\\Flagged"}))]


def test_what_did_not_change_is_not_told(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    feed = mailbox.feed()
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    assert list(feed.take()) == []


def test_what_came_and_went_is_not_told(store: Store) -> None:
    mailbox = inbox(store)
    feed = mailbox.feed()
    append(mailbox)
    append(mailbox)
    mailbox.change_flags([1, 2], FlagAction.ADD, SEEN)
    mailbox.expunge([1])
    assert told(feed) == [Arrived(Message(2, SEEN, len(BODY)))]


def test_a_closed_feed_collects_nothing(store: Store) -> None:
    mailbox = inbox(store)
    feed = mailbox.feed()
    feed.close()
    append(mailbox)
    assert list(feed.take()) == []


# Who waits for news


def test_a_change_wakes_each_feed_once_until_it_is_taken(store: Store) -> None:
    mailbox = inbox(store)
    woken: list[str] = []
    feed = mailbox.feed(lambda: woken.append("a"))
    other = mailbox.feed(lambda: woken.append("b"))
    append(mailbox)
    append(mailbox)
    assert sorted(woken) == ["a", "b"]
    feed.take()
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    assert sorted(woken) == ["a", "a", "b"]
    other.close()
    feed.take()
    mailbox.expunge([1])
    assert sorted(woken) == ["a", "a", "a", "b"]
    feed.take()
    mailbox.change_flags([2], FlagAction.REMOVE, SEEN)
    assert len(woken) == 4


def test_a_delivery_wakes_whoever_has_the_mailbox_open(store: Store) -> None:
    mailbox = inbox(store)
    woken: list[bool] = []
    feed = mailbox.feed(lambda: woken.append(True))
    deliver(store, Target(BOB))
    assert not woken
    deliver(store)
    assert woken == [True]
    mailbox.refresh()
    assert [type(change) for change in feed.take()] == [Arrived]
    assert woken == [True]
