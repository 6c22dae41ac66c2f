"""How flags change, in every store."""

from __future__ import annotations

import contextlib
import threading

import pytest

from mailbox_d.errors import MailboxBusy, MailError, TooManyKeywords
from mailbox_d.store.ports import FlagAction, Store
from tests.contract.store.mailboxes import SEEN, append, inbox


def test_flags_are_replaced_added_and_removed(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox, flags=frozenset({"\\Draft"}))
    assert mailbox.change_flags([uid], FlagAction.ADD, SEEN)[uid].flags == {"\\Draft", "\\Seen"}
    assert mailbox.change_flags([uid], FlagAction.REMOVE, frozenset({"\\Draft"}))[uid].flags == {"\\Seen"}
    assert mailbox.change_flags([uid], FlagAction.REPLACE, frozenset({"$Junk"}))[uid].flags == {"$Junk"}
    assert mailbox.change_flags([uid], FlagAction.REPLACE, frozenset())[uid].flags == frozenset()
    assert mailbox.messages()[0].flags == frozenset()


def test_flags_change_only_on_messages_that_are_there(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    assert mailbox.change_flags([uid, 77], FlagAction.ADD, SEEN)[uid].flags == SEEN


def test_flags_that_no_message_can_have_are_passed_over(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox, flags=frozenset({"\\Recent", "\\Seen"}))
    assert mailbox.change_flags([uid], FlagAction.ADD, frozenset({"\\Recent", "\\Other"}))[uid].flags == SEEN


def test_keywords_are_one_in_any_case(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox, flags=frozenset({"$Work"}))
    assert mailbox.change_flags([uid], FlagAction.ADD, frozenset({"$WORK"}))[uid].flags == {"$Work"}
    assert mailbox.change_flags([uid], FlagAction.REMOVE, frozenset({"$work"}))[uid].flags == frozenset()


def test_a_27th_keyword_changes_nothing(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    assert not mailbox.keywords_full()
    mailbox.change_flags([uid], FlagAction.ADD, frozenset(f"k{number:02}" for number in range(26)))
    assert mailbox.keywords_full()
    with pytest.raises(TooManyKeywords):
        mailbox.change_flags([uid], FlagAction.REPLACE, frozenset({"\\Seen", "k26"}))
    assert len(mailbox.messages()[0].flags) == 26


def test_removing_an_unknown_keyword_needs_no_letter(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    mailbox.change_flags([uid], FlagAction.ADD, frozenset(f"k{number:02}" for number in range(26)))
    assert len(mailbox.change_flags([uid], FlagAction.REMOVE, frozenset({"k26"}))[uid].flags) == 26


@pytest.mark.parametrize("keyword", ["a b", "a\nb", "", "é", "a(b", "x" * 201])
def test_what_is_no_keyword_is_refused(store: Store, keyword: str) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    with pytest.raises(MailError):
        mailbox.change_flags([uid], FlagAction.ADD, frozenset({keyword}))
    assert mailbox.messages()[0].flags == frozenset()


def test_threads_that_add_different_flags_lose_none(store: Store) -> None:
    mailbox = inbox(store)
    for _ in range(5):
        append(mailbox)
    flags = ["\\Seen", "\\Flagged", "\\Draft", "\\Answered"]

    def work(flag: str) -> None:
        missing = [1, 2, 3, 4, 5]
        while missing:
            with contextlib.suppress(MailboxBusy):
                mailbox.change_flags(missing[:1], FlagAction.ADD, frozenset({flag}))
                del missing[0]

    threads = [threading.Thread(target=work, args=(flag,)) for flag in flags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [message.flags for message in mailbox.messages()] == [frozenset(flags)] * 5
