"""Expunges, what is recent, and the figures of a mailbox, in every store."""

from __future__ import annotations

from mailbox_d.store.ports import FlagAction, Store
from tests.contract.store.mailboxes import BODY, SEEN, append, content, deliver, inbox, uids


def test_expunge_removes_what_is_there(store: Store) -> None:
    mailbox = inbox(store)
    for _ in range(3):
        append(mailbox)
    assert set(mailbox.expunge([1, 3, 9])) == {1, 3}
    assert set(mailbox.expunge([1])) == set()
    assert uids(mailbox) == [2]
    assert uids(inbox(store)) == [2]


def test_recent_is_told_once(store: Store) -> None:
    deliver(store)
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    assert set(mailbox.recent(claim=False)) == {1, 2}
    assert set(mailbox.recent(claim=True)) == {1, 2}
    assert set(mailbox.recent(claim=True)) == set()
    deliver(store)
    mailbox.refresh()
    assert set(mailbox.recent(claim=True)) == {3}
    assert content(mailbox, 3) == BODY


def test_status_counts(store: Store) -> None:
    deliver(store)
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    status = mailbox.status()
    assert (status.messages, status.unseen, status.recent, status.uid_next) == (2, 1, 2, 3)
    assert status.size == 2 * len(BODY)
    assert status.uid_validity == mailbox.uid_validity > 0
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    assert mailbox.status().unseen == 0
