"""FETCH, SEARCH and APPEND where something fails: the rest goes on, the peer hears nothing of the cause."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailbox_d.errors import MailboxBusy, MailError, MessageGone, NoSuchMailbox, StorageFault, StorageFull
from mailbox_d.imap import incoming
from mailbox_d.imap.fetch.contents import ContentLimits
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.store.memory_mailbox import MemoryDelivery, MemoryMailbox
from mailbox_d.store.message_file import HeldMessage
from tests.dialogues.imap_server import HELLO, filled_store
from tests.unit.imap.talking import inbox, raising, said, selected

SMALL = IMAPLimits(messages_a_write=2, contents=ContentLimits(held=10))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            StorageFault("The mailbox cannot be read now", cause="EIO"),
            b"c NO [UNAVAILABLE] The mailbox cannot be read now",
        ),
        (StorageFull("No space is left", cause="ENOSPC"), b"c NO [OVERQUOTA] No space is left"),
        (MailboxBusy("The mailbox is locked", cause="dotlock"), b"c NO [INUSE] The mailbox is locked"),
        (NoSuchMailbox("No such mailbox"), b"c NO [NONEXISTENT] No such mailbox"),
        (MailError("So not"), b"c NO So not"),
    ],
)
def test_an_error_is_told_without_its_cause(
    monkeypatch: pytest.MonkeyPatch, error: MailError, line: bytes, failures: list[dict[str, object]]
) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "change_flags", raising(error))
    assert said(connection, b"c STORE 1 FLAGS (x)") == [line]
    assert failures == []
    assert not connection.closed


def test_an_unexpected_exception_is_logged_once_and_told_without_its_text(
    monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, object]]
) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "change_flags", raising(RuntimeError("secret path")))
    assert said(connection, b"c STORE 1 FLAGS (x)") == [b"c NO [SERVERBUG] Internal error, see the server's log"]
    assert len(failures) == 1
    assert said(connection, b"d NOOP") == [b"d OK NOOP completed"]


def test_reading_goes_on_where_seen_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "change_flags", raising(StorageFault("Read-only file system")))
    assert said(connection, b"c FETCH 1 BODY[]")[0] == b"* 1 FETCH (BODY[] {%d}" % len(HELLO)


def test_a_body_that_ends_early_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store(), SMALL)
    monkeypatch.setattr(HeldMessage, "chunks", raising(StorageFault("I/O error")))
    assert said(connection, b"c FETCH 1 BODY.PEEK[]") == [b"* 1 FETCH (BODY[] {%d}" % len(HELLO)]
    assert connection.closed


def test_a_message_that_cannot_be_opened_is_not_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "read", raising(StorageFault("I/O error")))
    assert said(connection, b"c FETCH 1 BODY.PEEK[]") == [b"c NO [UNAVAILABLE] 1 message could not be read: I/O error"]
    assert not connection.closed


def reading(broken: dict[int, Exception]) -> Callable[[MemoryMailbox, int], HeldMessage]:
    """`MemoryMailbox.read` where some messages cannot be read."""
    read = MemoryMailbox.read

    def read_or_fail(mailbox: MemoryMailbox, uid: int) -> HeldMessage:
        if uid in broken:
            raise broken[uid]
        return read(mailbox, uid)

    return read_or_fail


def test_messages_that_cannot_be_read_keep_nobody_from_the_others(
    monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, object]]
) -> None:
    store = filled_store()
    inbox(store).add(b"\r\n3")
    inbox(store).add(b"\r\n4")
    connection = selected(store)
    error = StorageFault("Cannot be read now", cause="EIO\r\nforged line")
    monkeypatch.setattr(MemoryMailbox, "read", reading({1: error, 3: error}))
    lines = said(connection, b"c UID FETCH 1:* (BODY[TEXT]<0.1>)")
    assert [line for line in lines if line.startswith(b"*")] == [
        b"* 2 FETCH (UID 2 BODY[TEXT]<0> {1}",
        b"* 4 FETCH (UID 4 FLAGS (\\Recent \\Seen) BODY[TEXT]<0> {1}",
    ]
    assert lines[-1] == b"c NO [UNAVAILABLE] 2 messages could not be read: Cannot be read now"
    assert [message.uid for message in inbox(store).messages() if r"\Seen" in message.flags] == [2, 4]
    assert failures == []


def test_dates_that_cannot_be_had_keep_nobody_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store())
    date = MemoryMailbox.internal_date

    def date_or_fail(mailbox: MemoryMailbox, uid: int) -> float:
        if uid == 1:
            raise StorageFault("Cannot be read now", cause="EIO")
        return date(mailbox, uid)

    monkeypatch.setattr(MemoryMailbox, "internal_date", date_or_fail)
    assert said(connection, b"c FETCH 1:* (UID INTERNALDATE)") == [
        b'* 2 FETCH (UID 2 INTERNALDATE "09-Sep-2001 01:46:40 +0000")',
        b"c NO [UNAVAILABLE] 1 message could not be read: Cannot be read now",
    ]
    lines = said(connection, b"d FETCH 1:* (INTERNALDATE BODY.PEEK[TEXT]<0.1>)")
    assert [line for line in lines if line.startswith(b"*")] == [
        b'* 2 FETCH (INTERNALDATE "09-Sep-2001 01:46:40 +0000" BODY[TEXT]<0> {1}'
    ]
    assert lines[-1] == b"d NO [UNAVAILABLE] 1 message could not be read: Cannot be read now"


def test_a_fault_of_ours_in_one_message_is_logged_once_and_told_without_its_text(
    monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, object]]
) -> None:
    store = filled_store()
    inbox(store).add(b"\r\n3")
    connection = selected(store)
    secret = ValueError("secret path")
    monkeypatch.setattr(MemoryMailbox, "read", reading({1: StorageFault("I/O error"), 2: secret, 3: secret}))
    assert said(connection, b"c FETCH 1:* BODY.PEEK[]") == [
        b"c NO [SERVERBUG] 3 messages could not be read: Internal error, see the server's log"
    ]
    assert [event["log_failure"].value for event in failures] == [secret]
    assert not connection.closed


def test_a_message_that_fails_half_way_ends_early_and_in_order(
    monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, object]]
) -> None:
    connection = selected(filled_store(), SMALL)
    monkeypatch.setattr("mailbox_d.imap.fetch.contents.envelope", raising(ValueError("secret")))
    lines = said(connection, b"c FETCH 1:2 (BODY.PEEK[HEADER.FIELDS (From)] ENVELOPE)")
    assert lines[-1] == b"c NO [SERVERBUG] 2 messages could not be read: Internal error, see the server's log"
    assert lines[:3] == [b"* 1 FETCH (BODY[HEADER.FIELDS (From)] {25}", b"From: bob@example.org", b""]
    assert lines.count(b")") == 2
    assert len(failures) == 1
    assert said(connection, b"d NOOP") == [b"d OK NOOP completed"]


def test_an_append_that_fails_half_way_leaves_nothing_and_the_rest_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    connection = selected(store)
    said(connection, b"c APPEND INBOX {20}")
    monkeypatch.setattr(incoming, "HELD_MAX", 1)
    monkeypatch.setattr(MemoryDelivery, "write", raising(StorageFull("No space is left")))
    connection.send(b"0123456789")
    assert connection.transport.take() == b"c NO [OVERQUOTA] No space is left\r\n"
    connection.send(b"d NOOP\r\n99\r\ne NOOP\r\n")
    assert connection.transport.take() == b"e OK NOOP completed\r\n"
    assert len(inbox(store).messages()) == 2


def test_an_append_that_cannot_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    connection = selected(store)
    monkeypatch.setattr(MemoryDelivery, "commit", raising(StorageFault("Not written")))
    assert said(connection, b"c APPEND INBOX {3+}\r\nabc") == [b"c NO [UNAVAILABLE] Not written"]


def test_an_append_that_stays_locked_out_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    aborted: list[bool] = []
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryDelivery, "commit", raising(MailboxBusy("In use")))
    monkeypatch.setattr(MemoryDelivery, "abort", lambda delivery: aborted.append(True))
    assert said(connection, b"c APPEND INBOX {3+}\r\nabc") == [b"c NO [INUSE] In use"]
    assert aborted


def test_a_date_of_a_message_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "internal_date", raising(MessageGone("gone")))
    assert said(connection, b"c UID FETCH 1:* INTERNALDATE") == [b"c OK FETCH completed"]
    assert said(connection, b"d FETCH 1 INTERNALDATE") == [b"d NO [EXPUNGEISSUED] Some of these messages are gone"]


def test_a_search_tells_what_it_can_read_and_ends_with_no(
    monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, object]]
) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "read", reading({1: StorageFault("Cannot be read now", cause="EIO")}))
    assert said(connection, b"c SEARCH NOT BODY nowhere") == [
        b"* SEARCH 2",
        b"c NO [UNAVAILABLE] 1 message could not be read: Cannot be read now",
    ]
    assert said(connection, b"d UID SEARCH RETURN (COUNT) OR SEEN BODY x")[-1] == (
        b"d NO [UNAVAILABLE] 1 message could not be read: Cannot be read now"
    )
    assert failures == []
