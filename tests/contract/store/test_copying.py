"""Copies and moves from mailbox to mailbox, in every store."""

from __future__ import annotations

import contextlib
import threading

import pytest

from mailbox_d.errors import MailboxBusy, MessageGone, NoSuchMailbox
from mailbox_d.store.ports import Arrived, Expunged, Mailbox, Message, Store
from tests.contract.store.mailboxes import ALICE, BODY, SEEN, append, archive, content, inbox, told, uids


def test_a_copy_has_text_flags_and_date_of_the_message(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(goal)
    first = append(source, flags=frozenset({"\\Seen", "work"}), internal_date=1e9)
    second = append(source, b"Subject: b\r\n\r\n", internal_date=2e9)
    assert source.copy([second, first], goal) == {first: 2, second: 3}
    flags = {message.uid: message.flags for message in goal.messages()}
    assert flags == {1: frozenset(), 2: frozenset({"\\Seen", "work"}), 3: frozenset()}
    assert (content(goal, 2), goal.internal_date(2)) == (BODY, 1e9)
    assert (content(goal, 3), goal.internal_date(3)) == (b"Subject: b\r\n\r\n", 2e9)
    assert uids(source) == [first, second]
    assert sorted(goal.recent(claim=False)) == [1, 2, 3]


def test_a_copy_within_one_mailbox_and_a_second_one(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source, flags=SEEN)
    assert source.copy([1], source) == {1: 2}
    assert source.copy([1, 2], goal) == {1: 1, 2: 2}
    assert source.copy([1, 2], goal) == {1: 3, 2: 4}
    again = store.account(ALICE).open("Archive")
    assert [content(again, uid) for uid in uids(again)] == [BODY] * 4
    assert {message.flags for message in again.messages()} == {SEEN}


def test_a_copy_that_was_removed_can_be_made_again(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    source.copy([1], goal)
    goal.expunge([1])
    assert source.copy([1], goal) == {1: 2}
    goal.refresh()
    assert uids(goal) == [2]


def test_what_is_gone_is_left_out_of_a_copy_or_keeps_all_from_being_made(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    append(source)
    source.expunge([1])
    with pytest.raises(MessageGone):
        source.copy([1, 2], goal, strict=True)
    assert uids(goal) == []
    assert source.copy([1, 2, 7], goal) == {2: 1}
    assert source.copy([1], goal) == {}


def test_nothing_is_copied_into_a_mailbox_that_was_removed(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    store.account(ALICE).delete("Archive")
    with pytest.raises(NoSuchMailbox):
        source.copy([1], goal)
    with pytest.raises(NoSuchMailbox):
        source.move([1], goal)
    assert uids(source) == [1]


def test_a_keyword_for_which_there_is_no_room_is_not_copied(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(goal, flags=frozenset(f"k{number}" for number in range(25)))
    append(source, flags=frozenset({"\\Flagged", "K3", "one", "two"}))
    source.copy([1], goal)
    assert goal.messages()[1].flags == {"\\Flagged", "k3", "one"}


def test_a_moved_message_is_in_the_other_mailbox_alone(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    feed, other = source.feed(), goal.feed()
    append(source, flags=SEEN)
    append(source)
    feed.take()
    assert source.move([1, 9], goal) == {1: 1}
    assert (uids(source), uids(goal)) == ([2], [1])
    assert list(feed.take()) == [Expunged(1)]
    assert told(other) == [Arrived(Message(1, SEEN, len(BODY)))]
    assert content(goal, 1) == BODY


def test_two_threads_that_move_in_opposite_directions_lose_nothing(store: Store) -> None:
    one, two = inbox(store), archive(store)
    append(one)

    def carry(source: Mailbox, goal: Mailbox) -> None:
        for _ in range(20):
            with contextlib.suppress(MailboxBusy):
                source.move([message.uid for message in source.messages()], goal)

    threads = [threading.Thread(target=carry, args=pair) for pair in [(one, two), (two, one)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [content(mailbox, uid) for mailbox in (one, two) for uid in uids(mailbox)] == [BODY]
