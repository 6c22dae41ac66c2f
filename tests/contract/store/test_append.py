"""What every store does with a message that is appended to an open mailbox."""

from __future__ import annotations

import pytest

from mailbox_d.errors import TooManyKeywords
from mailbox_d.store.ports import Refusal, Store
from tests.contract.store.mailboxes import BODY, SEEN, append, content, deliver, inbox, uids


def test_append_tells_the_uid(store: Store) -> None:
    mailbox = inbox(store)
    assert append(mailbox) == 1
    assert append(mailbox, flags=SEEN) == 2
    assert uids(mailbox) == [1, 2]
    assert content(mailbox, 2) == BODY


def test_append_keeps_flags_and_date(store: Store) -> None:
    mailbox = inbox(store)
    flags = frozenset({"\\Seen", "\\Flagged", "$Forwarded"})
    uid = append(mailbox, flags=flags, internal_date=1_000_000_000.0)
    assert mailbox.messages()[0].flags == flags
    assert mailbox.internal_date(uid) == 1_000_000_000.0
    assert inbox(store).messages()[0].flags == flags


def test_uids_follow_deliveries_and_appends_alike(store: Store) -> None:
    mailbox = inbox(store)
    deliver(store)
    mailbox.refresh()
    append(mailbox)
    deliver(store)
    mailbox.refresh()
    assert uids(mailbox) == [1, 2, 3]
    assert mailbox.status().uid_next == 4


def test_a_uid_is_never_used_again(store: Store) -> None:
    mailbox = inbox(store)
    last = [append(mailbox) for _ in range(3)][-1]
    mailbox.expunge([last])
    assert append(mailbox) == last + 1


def test_a_27th_keyword_refuses_an_append(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox, flags=frozenset(f"k{number:02}" for number in range(26)))
    with pytest.raises(TooManyKeywords):
        append(mailbox, flags=frozenset({"k26"}))
    delivery = mailbox.append(flags=frozenset({"k26"}))
    delivery.write(BODY)
    (refused,) = delivery.commit(all_or_nothing=False)
    assert isinstance(refused, Refusal)
    assert len(mailbox.messages()) == 1
