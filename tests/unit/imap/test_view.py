"""A session's view: what may be told when (RFC 3501 section 7.4.1)."""

from __future__ import annotations

import pytest

from mailbox_d.imap.mailbox import IMAPMailbox, News, Opened
from mailbox_d.imap.view import View
from mailbox_d.net.lanes import InlineLane
from mailbox_d.store.ports import Arrived, Change, Expunged, Flagged, Flags, Message, Status
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.sequence import SequenceSet

NONE: Flags = frozenset()
SEEN = frozenset({r"\Seen"})


def view_of(*uids: int, recent: tuple[int, ...] = ()) -> View:
    messages = [Message(uid, NONE, 100 + uid) for uid in uids]
    status = Status(len(uids), 0, 0, 99, 7, 0)
    opened = Opened(object(), tuple(messages), uids, NONE, None, recent, status, keywords_full=False)
    return View(IMAPMailbox(object(), InlineLane(), read_only=False), opened)


def told(view: View, *changes: Change, expunges: bool = True, recent: tuple[int, ...] = ()) -> bytes:
    view.note(News(changes, recent))
    return b"".join(view.announcements(expunges=expunges))


def test_nothing_new_is_nothing_told() -> None:
    assert told(view_of(1, 2)) == b""


def test_arrivals() -> None:
    view = view_of(1, 2)
    assert told(view, Arrived(Message(5, NONE, 9)), recent=(5,)) == b"* 3 EXISTS\r\n* 1 RECENT\r\n"
    assert view.uids == [1, 2, 5]
    assert view.messages[2].size == 9
    assert view.shown_flags(2) == b"(\\Recent)"
    assert told(view) == b""


def test_expunges_are_told_from_the_end() -> None:
    view = view_of(10, 20, 30, 40)
    assert told(view, Expunged(20), Expunged(40)) == b"* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n"
    assert view.uids == [10, 30]
    assert told(view) == b""


def test_while_numbers_must_stand_no_expunge_is_told() -> None:
    view = view_of(10, 20, 30)
    assert told(view, Expunged(10), Arrived(Message(40, NONE, 1)), expunges=False) == b"* 4 EXISTS\r\n* 0 RECENT\r\n"
    assert view.uids == [10, 20, 30, 40]
    assert told(view, expunges=False) == b""
    assert told(view) == b"* 1 EXPUNGE\r\n"
    assert view.uids == [20, 30, 40]


def test_expunges_and_arrivals_together() -> None:
    view = view_of(10, 20)
    assert told(view, Expunged(10), Arrived(Message(30, NONE, 1)), Arrived(Message(40, NONE, 1))) == (
        b"* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 0 RECENT\r\n"
    )


def test_a_message_that_came_and_went_untold_is_never_told() -> None:
    view = view_of(10)
    assert told(view, Arrived(Message(20, NONE, 1)), Expunged(20)) == b""
    assert view.uids == [10]


def test_flags_that_others_changed() -> None:
    view = view_of(10, 20)
    assert told(view, Flagged(20, SEEN)) == b"* 2 FETCH (UID 20 FLAGS (\\Seen))\r\n"
    assert told(view, Flagged(20, SEEN)) == b""


def test_flags_of_ones_own_are_not_told_again() -> None:
    view = view_of(10)
    view.learn({10: Message(10, SEEN, 110)})
    assert told(view, Flagged(10, SEEN)) == b""


def test_flags_of_a_message_that_is_gone_are_not_told() -> None:
    view = view_of(10, 20)
    assert told(view, Flagged(10, SEEN), Expunged(10), expunges=False) == b""
    assert told(view) == b"* 1 EXPUNGE\r\n"


def test_news_of_messages_that_nobody_knows_is_nothing() -> None:
    view = view_of(10)
    assert told(view, Expunged(99), Flagged(99, SEEN), Arrived(Message(10, SEEN, 1)), recent=(99,)) == b""
    assert view.recent == set()


def test_recent_messages_that_go_are_recent_no_more() -> None:
    view = view_of(10, 20, recent=(10, 20))
    told(view, Expunged(10))
    assert view.recent == {20}


def test_choosing_by_number_and_by_uid() -> None:
    view = view_of(10, 20, 30)
    assert list(view.chosen(SequenceSet(((2, 3),)), by_uid=False)) == [range(1, 3)]
    assert list(view.chosen(SequenceSet(((15, 25),)), by_uid=True)) == [range(1, 2)]
    with pytest.raises(BadSyntax):
        list(view.chosen(SequenceSet(((4, 4),)), by_uid=False))


def test_a_hundred_thousand_expunges_are_one_pass() -> None:
    view = view_of(*range(1, 100_001))
    assert told(view, *map(Expunged, range(1, 100_001))).count(b"EXPUNGE") == 100_000
    assert view.uids == []
