"""Several sessions in one mailbox: what each is told of the others' doings, and when."""

from __future__ import annotations

import pytest

from mailbox_d.errors import MailboxBusy, StorageFault
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.ports import FlagAction, Message
from tests.dialogues.imap_server import ANN, HELLO, filled_store
from tests.unit.imap.talking import inbox, logged_in, raising, said, selected


def test_what_another_session_does_is_told() -> None:
    store = filled_store()
    first, second = selected(store), selected(store)
    said(first, b"c STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert said(second, b"c NOOP") == [b"* 1 FETCH (UID 1 FLAGS (\\Deleted))", b"c OK NOOP completed"]
    said(first, b"d EXPUNGE")
    assert said(second, b"d NOOP") == [b"* 1 EXPUNGE", b"d OK NOOP completed"]


def test_no_expunge_is_told_while_sequence_numbers_must_stand() -> None:
    store = filled_store()
    connection = selected(store)
    inbox(store).expunge([1])
    assert said(connection, b"c FETCH 1:2 UID")[-1] == b"c OK FETCH completed"
    assert said(connection, b"d SEARCH ALL") == [b"* SEARCH 1 2", b"d OK SEARCH completed"]
    assert said(connection, b"e STORE 2 FLAGS.SILENT (work)") == [b"e OK STORE completed"]
    assert said(connection, b"f UID FETCH 2 FLAGS") == [
        b"* 2 FETCH (UID 2 FLAGS (\\Recent work))",
        b"* 1 EXPUNGE",
        b"f OK FETCH completed",
    ]


def test_a_message_that_is_gone_is_left_out_and_told_of() -> None:
    store = filled_store()
    connection = selected(store)
    inbox(store).expunge([1])
    lines = said(connection, b"c FETCH 1:2 (UID BODY.PEEK[]<0.8>)")
    assert lines == [
        b"* 2 FETCH (UID 2 BODY[]<0> {8}",
        b"Subject:)",
        b"c NO [EXPUNGEISSUED] Some of these messages are gone",
    ]
    assert said(connection, b"d STORE 1 +FLAGS (x)") == [b"d NO [EXPUNGEISSUED] Some of these messages are gone"]


def test_a_mailbox_that_is_deleted_under_a_session_ends_it() -> None:
    store = filled_store()
    connection = logged_in(store)
    said(connection, b"b SELECT Archive/2024")
    store.account(ANN).delete("Archive/2024")
    assert said(connection, b"c NOOP") == [b"c OK NOOP completed", b"* BYE The mailbox that you selected is gone"]
    assert connection.closed


def test_messages_are_recent_to_one_session_alone() -> None:
    store = filled_store()
    first, second = selected(store), selected(store)
    inbox(store).add(b"x")
    assert said(first, b"c NOOP") == [b"* 3 EXISTS", b"* 3 RECENT", b"c OK NOOP completed"]
    assert said(second, b"c NOOP") == [b"* 3 EXISTS", b"* 0 RECENT", b"c OK NOOP completed"]


def test_examine_claims_nothing_as_recent() -> None:
    store = filled_store()
    selected(store, verb=b"EXAMINE")
    assert said(logged_in(store), b"c SELECT INBOX")[2] == b"* 2 RECENT"


def test_seen_is_set_though_another_session_has_just_taken_it_off() -> None:
    store = filled_store()
    connection = selected(store)
    said(connection, b"c FETCH 1 BODY[TEXT]<0.1>")
    inbox(store).change_flags([1], FlagAction.REMOVE, frozenset({r"\Seen"}))
    assert said(connection, b"d FETCH 1 BODY[TEXT]<0.1>")[0] == (
        b"* 1 FETCH (FLAGS (\\Recent \\Seen) BODY[TEXT]<0> {1}"
    )
    assert r"\Seen" in inbox(store).messages()[0].flags


@pytest.mark.parametrize("command", [b"DELETE Archive", b"RENAME Archive/2024 INBOX", b"RENAME Archive/2024 a.b"])
def test_a_mailbox_stays_selected_where_it_stays(command: bytes) -> None:
    store = filled_store()
    store.account(ANN).create("Archive")
    connection = logged_in(store)
    assert said(connection, b"b SELECT Archive/2024")[-1].startswith(b"b OK")
    said(connection, b"c " + command)
    assert said(connection, b"d CHECK") == [b"d OK CHECK completed"]


def test_flags_that_another_session_changed_are_told_even_in_silence() -> None:
    store = filled_store()
    connection = selected(store)
    inbox(store).change_flags([1], FlagAction.ADD, frozenset({r"\Flagged"}))
    assert said(connection, rb"c STORE 1,2 +FLAGS.SILENT (\Seen)") == [
        rb"* 1 FETCH (UID 1 FLAGS (\Flagged \Recent \Seen))",
        b"c OK STORE completed",
    ]
    assert said(connection, rb"d STORE 1,2 -FLAGS.SILENT (\Seen)") == [b"d OK STORE completed"]


def test_news_that_cannot_be_had_do_not_spoil_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "refresh", raising(StorageFault("I/O error")))
    assert said(connection, b"c NOOP") == [b"c OK NOOP completed"]


def test_news_that_another_program_s_lock_held_up_are_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    connection = selected(store)
    inbox(store).expunge([1])
    inbox(store).add(HELLO)
    with monkeypatch.context() as locked:
        locked.setattr(MemoryMailbox, "recent", raising(MailboxBusy("In use")))
        said(connection, b"c NOOP")
    assert said(connection, b"d NOOP") == [b"* 1 EXPUNGE", b"* 2 EXISTS", b"* 2 RECENT", b"d OK NOOP completed"]


def test_an_append_announces_itself_in_no_other_mailbox() -> None:
    store = filled_store()
    connection = logged_in(store)
    said(connection, b"b SELECT Archive/2024")
    (line,) = said(connection, b"c APPEND INBOX {3+}\r\nabc")
    assert line.endswith(b"APPEND completed")
    assert len(inbox(store).messages()) == 3


def test_a_keyword_that_is_new_to_the_session_is_told_as_one_of_the_mailbox() -> None:
    store = filled_store()
    connection = selected(store)
    inbox(store).change_flags([1], FlagAction.REPLACE, frozenset({"new"}))
    assert said(connection, b"c NOOP") == [
        rb"* FLAGS (\Answered \Deleted \Draft \Flagged \Seen new work)",
        rb"* OK [PERMANENTFLAGS (\Answered \Deleted \Draft \Flagged \Seen new work \*)] Flags that are kept",
        rb"* 1 FETCH (UID 1 FLAGS (\Recent new))",
        b"c OK NOOP completed",
    ]
    inbox(store).change_flags([2], FlagAction.REPLACE, frozenset({"new"}))
    assert said(connection, b"d NOOP") == [rb"* 2 FETCH (UID 2 FLAGS (\Recent new))", b"d OK NOOP completed"]


def test_attack_67_a_keyword_of_another_program_cannot_split_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    connection = selected(store)
    evil = frozenset({"a)\r\n* BYE", r"\Seen"})
    monkeypatch.setattr(MemoryMailbox, "change_flags", lambda *_, **__: {1: Message(1, evil, 9)})
    assert said(connection, b"c STORE 1 FLAGS (x)") == [b"* 1 FETCH (FLAGS (\\Recent \\Seen))", b"c OK STORE completed"]


def test_flags_reach_the_store() -> None:
    store = filled_store()
    connection = selected(store)
    said(connection, b"c UID STORE 1 +FLAGS (\\Seen Work)")
    [message, _] = inbox(store).messages()
    assert message.flags == {r"\Seen", "work"}
