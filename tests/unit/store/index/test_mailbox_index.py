"""The index of an open mailbox: what it gives back when it is tidied."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.index.open_indexes import FILE_NAME
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX
from tests.contract.store.mailboxes import append

ANN = EmailAddress.parse("ann@example.org")
NAMES = (b"ENVELOPE", b"BODY")
MESSAGES = range(1, 11)


def opened(root: Path, expunges_kept: int = 100) -> MaildirMailbox:
    settings = StoreSettings(expunges_kept=expunges_kept)
    mailbox = MaildirStore(root, settings=settings).account(ANN).open(INBOX)
    mailbox.refresh()
    return mailbox


def rows(root: Path) -> set[int]:
    """The UIDs of which the file says something, under whatever name."""
    path = root / "example.org/ann/Maildir" / FILE_NAME
    with sqlite3.connect(path) as db:
        return {number & 0xFFFFFFFF for (number,) in db.execute("SELECT id FROM answer")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store in which all of a mailbox's messages are known by several names."""
    mailbox = opened(tmp_path)
    for _ in MESSAGES:
        append(mailbox)
    for name in NAMES:
        mailbox.index.remember(name, dict.fromkeys(MESSAGES, b"said"))
    assert rows(tmp_path) == set(MESSAGES)
    return tmp_path


def test_what_was_said_of_messages_that_went_is_given_back(root: Path) -> None:
    mailbox = opened(root)
    for gone in ({2, 3}, {7}):
        mailbox.expunge(gone)
        mailbox.index.tidy()
        assert rows(root).isdisjoint(gone)
    assert rows(root) == set(MESSAGES) - {2, 3, 7}


def test_messages_that_went_while_nobody_looked_are_given_back(root: Path) -> None:
    opened(root).expunge({4})
    next((root / "example.org/ann/Maildir/new").iterdir()).unlink()
    mailbox = opened(root)
    mailbox.index.tidy()
    assert rows(root) == set(mailbox.messages().uids)
    assert len(rows(root)) == len(MESSAGES) - 2


def test_more_messages_than_are_remembered_as_gone_are_given_back_too(root: Path) -> None:
    mailbox = opened(root, expunges_kept=2)
    mailbox.expunge({1})
    mailbox.index.tidy()
    mailbox.expunge(set(MESSAGES) - {1, 9})
    mailbox.index.tidy()
    assert rows(root) == {9}


def test_a_full_index_wants_nothing_worked_out(root: Path) -> None:
    mailbox = opened(root)
    append(mailbox)
    assert mailbox.index.unknown(NAMES[0])
    settings = StoreSettings(index_octets_max=4096)
    full = MaildirStore(root, settings=settings).account(ANN).open(INBOX)
    full.refresh()
    assert not full.index.unknown(NAMES[0])
