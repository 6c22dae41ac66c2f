"""How messages are read, from every store."""

from __future__ import annotations

import pytest

from mailbox_d.errors import MessageGone
from mailbox_d.store.ports import Store
from tests.contract.store.mailboxes import append, deliver, inbox


def test_read_by_offset(store: Store) -> None:
    body = b"".join(b"line %d\r\n" % number for number in range(30_000))
    deliver(store, body=body)
    reader = inbox(store).read(1)
    assert reader.size == len(body)
    for offset in (0, 1, 65_535, 65_536, 65_537, 200_000, len(body) - 1, len(body), 17):
        assert reader.read(offset, 1000) == body[offset : offset + 1000]
    assert b"".join(reader.chunks(70_000, 150_000)) == body[70_000:220_000]
    assert max(map(len, reader.chunks())) <= 128 * 1024
    reader.close()


def test_a_message_that_is_not_there_is_gone(store: Store) -> None:
    mailbox = inbox(store)
    with pytest.raises(MessageGone):
        mailbox.read(1)
    uid = append(mailbox)
    mailbox.expunge([uid])
    with pytest.raises(MessageGone):
        mailbox.read(uid)
    with pytest.raises(MessageGone):
        mailbox.internal_date(uid)
