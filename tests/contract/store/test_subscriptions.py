"""Subscriptions, in every store."""

from __future__ import annotations

from mailbox_d.store.ports import Store
from tests.contract.store.mailboxes import ALICE


def test_subscriptions_are_kept(store: Store) -> None:
    account = store.account(ALICE)
    for name in ["INBOX", "Lists/日本", "gone"]:
        account.subscribe(name)
    account.subscribe("inbox")
    assert sorted(store.account(ALICE).subscriptions()) == ["INBOX", "Lists/日本", "gone"]
    account.subscribe("gone", False)
    account.subscribe("never", False)
    assert sorted(store.account(ALICE).subscriptions()) == ["INBOX", "Lists/日本"]
