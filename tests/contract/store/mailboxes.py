"""Accounts and mailboxes of the store under test, and what the tests do with them over and over."""

from __future__ import annotations

import contextlib

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxExists
from mailbox_d.store.ports import INBOX, Arrived, Block, Change, Feed, Mailbox, Receipt, Store, Target

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
BODY = b"Subject: tea\r\n\r\nWhen?\r\n"
SEEN = frozenset({"\\Seen"})


def deliver(store: Store, *targets: Target, body: bytes = BODY, header: bytes = b"") -> None:
    delivery = store.deliver([Block(header, targets or (Target(ALICE),))])
    delivery.write(body)
    outcomes = delivery.commit(all_or_nothing=True)
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)


def told(feed: Feed) -> list[Change]:
    """What the feed tells, whatever the mod-sequences of messages that came."""
    return [
        Arrived(change.message._replace(mod_sequence=0)) if isinstance(change, Arrived) else change
        for change in feed.take()
    ]


def append(mailbox: Mailbox, body: bytes = BODY, **options: object) -> int:
    delivery = mailbox.append(**options)  # type: ignore[arg-type]
    delivery.write(body)
    (receipt,) = delivery.commit(all_or_nothing=True)
    assert isinstance(receipt, Receipt) and receipt.uid is not None
    return receipt.uid


def inbox(store: Store, address: EmailAddress = ALICE) -> Mailbox:
    return store.account(address).open(INBOX)


def content(mailbox: Mailbox, uid: int) -> bytes:
    reader = mailbox.read(uid)
    try:
        whole = reader.read(0, reader.size + 1)
        assert len(whole) == reader.size
        assert b"".join(reader.chunks()) == whole
        return whole
    finally:
        reader.close()


def uids(mailbox: Mailbox) -> list[int]:
    return [message.uid for message in mailbox.messages()]


def names(store: Store) -> list[str]:
    return [listed.name for listed in store.account(ALICE).mailboxes()]


def archive(store: Store) -> Mailbox:
    account = store.account(ALICE)
    with contextlib.suppress(MailboxExists):
        account.create("Archive")
    return account.open("Archive")
