"""The mailboxes of a first login."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.errors import StorageFault
from mailbox_d.imap.first_login import FirstMailboxes, open_account, prepare
from mailbox_d.net.lanes import InlineLane
from mailbox_d.store.memory import MemoryAccount, MemoryStore
from mailbox_d.store.ports import SpecialUse
from tests.dialogues.imap_server import ANN

TWO_FOR_SENT = {"Sent": SpecialUse.SENT, "Sent Messages": SpecialUse.SENT, "Trash": SpecialUse.TRASH}


def names(account: MemoryAccount) -> list[str]:
    return [listed.name for listed in account.mailboxes()]


def test_they_are_made_and_subscribed_once() -> None:
    account = MemoryStore().account(ANN)
    prepare(account, FirstMailboxes(TWO_FOR_SENT))
    assert names(account) == ["INBOX", "Sent", "Trash"]
    assert list(account.subscriptions()) == ["Sent", "Trash"]
    account.delete("Trash")
    prepare(account, FirstMailboxes(TWO_FOR_SENT))
    assert names(account) == ["INBOX", "Sent"]
    assert account.special_uses() == TWO_FOR_SENT


def test_none_is_made_for_what_the_user_has_a_mailbox_for() -> None:
    account = MemoryStore().account(ANN)
    account.create("Sent Messages")
    prepare(account, FirstMailboxes(TWO_FOR_SENT))
    assert names(account) == ["INBOX", "Sent Messages", "Trash"]


def test_uses_are_kept_where_nothing_is_made() -> None:
    account = MemoryStore().account(ANN)
    prepare(account, FirstMailboxes(TWO_FOR_SENT, create=False))
    assert names(account) == ["INBOX"]
    assert account.special_uses() == TWO_FOR_SENT


def test_mailboxes_that_cannot_be_made_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(account: MemoryAccount, name: str) -> None:
        raise StorageFault("The mail store is not available now")

    monkeypatch.setattr(MemoryAccount, "create", fail)
    account = MemoryStore().account(ANN)
    opened: list[object] = []
    Deferred.fromCoroutine(open_account(account, InlineLane(), FirstMailboxes(TWO_FOR_SENT))).addCallback(opened.append)
    assert opened
    assert account.special_uses() is None
