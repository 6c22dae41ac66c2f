"""Every change has a number, above all numbers before it (RFC 7162 section 3.1)."""

from __future__ import annotations

from mailbox_d.store.ports import Arrived, FlagAction, Mailbox, Store
from tests.contract.store.mailboxes import ALICE, SEEN, append, archive, deliver, inbox

FLAGGED = frozenset({"\\Flagged"})


def highest(mailbox: Mailbox) -> int:
    return mailbox.status().highest_mod_sequence


def number(mailbox: Mailbox, uid: int) -> int:
    return next(message.mod_sequence for message in mailbox.messages() if message.uid == uid)


def test_what_comes_has_a_number_above_all_others(store: Store) -> None:
    mailbox = inbox(store)
    before = highest(mailbox)
    assert 0 < before < 1 << 63
    append(mailbox)
    deliver(store)
    mailbox.refresh()
    assert before < number(mailbox, 1) < number(mailbox, 2) == highest(mailbox)


def test_changed_flags_have_a_new_number(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    append(mailbox)
    before = highest(mailbox)
    now = mailbox.change_flags([1], FlagAction.ADD, SEEN)
    assert now[1].mod_sequence == number(mailbox, 1) == highest(mailbox) > before
    assert number(mailbox, 2) == before


def test_flags_that_do_not_change_keep_their_number(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    before = highest(mailbox)
    assert mailbox.change_flags([1], FlagAction.ADD, SEEN)[1].mod_sequence == before
    mailbox.recent(claim=True)
    mailbox.refresh()
    assert highest(mailbox) == number(mailbox, 1) == before


def test_a_message_that_changed_since_is_let_be(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    append(mailbox)
    since = highest(mailbox)
    mailbox.change_flags([2], FlagAction.ADD, FLAGGED)
    now = mailbox.change_flags([1, 2, 9], FlagAction.ADD, SEEN, unchanged_since=since)
    assert now.keys() == {1}
    assert {message.uid: message.flags for message in mailbox.messages()} == {1: SEEN, 2: FLAGGED}
    assert not mailbox.change_flags([1, 2], FlagAction.REPLACE, frozenset(), unchanged_since=0)


def test_what_is_gone_is_known(store: Store) -> None:
    mailbox = inbox(store)
    for _ in range(4):
        append(mailbox)
    before = highest(mailbox)
    mailbox.expunge([2])
    between = highest(mailbox)
    mailbox.move([1, 3], archive(store))
    assert before < between < highest(mailbox)
    assert sorted(mailbox.vanished(before) or ()) == [1, 2, 3]
    assert sorted(mailbox.vanished(between) or ()) == [1, 3]
    assert mailbox.vanished(highest(mailbox)) == []


def test_numbers_that_were_never_told_are_not_known(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    assert mailbox.vanished(0) is None
    assert mailbox.vanished(highest(mailbox) + 1) is None


def test_feeds_tell_the_numbers(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    append(mailbox)
    feed = mailbox.feed()
    assert feed.highest == highest(mailbox)
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    flagged = highest(mailbox)
    mailbox.expunge([2])
    expunged = highest(mailbox)
    append(mailbox)
    told = [
        change.message.mod_sequence if isinstance(change, Arrived) else change.mod_sequence for change in feed.take()
    ]
    assert told == [expunged, flagged, highest(mailbox)]


def test_a_renamed_mailbox_keeps_its_numbers(store: Store) -> None:
    mailbox = archive(store)
    append(mailbox)
    append(mailbox)
    mailbox.expunge([1])
    (number,) = [message.mod_sequence for message in mailbox.messages()]
    before = highest(mailbox)
    store.account(ALICE).rename(mailbox.name, "Other")
    renamed = store.account(ALICE).open("Other")
    assert highest(renamed) == before
    assert [message.mod_sequence for message in renamed.messages()] == [number]
