"""IDLE and several sessions: who is told what, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.errors import StorageFault
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import INBOX, Block, FlagAction, Store, Target
from tests.dialogues.imap_server import ANN, filled_store
from tests.dialogues.memory import Connection
from tests.unit.imap.talking import said, selected

POLL = 5.0
DELETED = frozenset({r"\Deleted"})


@pytest.fixture
def store() -> MemoryStore:
    return filled_store()


def idling(store: Store, limits: IMAPLimits | None = None) -> Connection:
    connection = selected(store, limits)
    assert said(connection, b"c IDLE") == [b"+ Waiting for news"]
    return connection


def told(connection: Connection) -> list[bytes]:
    """What comes without being asked for, no time having passed."""
    connection.settle()
    return connection.transport.take().splitlines()


def deliver(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ANN),))])
    delivery.write(b"Subject: x\r\n\r\n")
    delivery.commit(all_or_nothing=True)


def test_a_delivery_is_told_at_once_on_every_store(tmp_path: Path) -> None:
    for store in (MemoryStore(), MaildirStore(tmp_path)):
        first, second = idling(store), idling(store)
        deliver(store)
        assert told(first) == [b"* 1 EXISTS", b"* 1 RECENT"]
        assert told(second) == [b"* 1 EXISTS", b"* 0 RECENT"]
        deliver(store)
        assert told(first) == [b"* 2 EXISTS", b"* 2 RECENT"]
        assert said(first, b"DONE") == [b"c OK IDLE completed"]


def test_flags_and_expunges_of_another_session_are_told(store: MemoryStore) -> None:
    waiting, other = idling(store), selected(store)
    said(other, b"c STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert told(waiting) == [b"* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))"]
    said(other, b"d EXPUNGE")
    assert told(waiting) == [b"* 1 EXPUNGE"]
    said(other, b"e COPY 1 INBOX")
    assert [line.split()[2] for line in told(waiting)] == [b"EXISTS", b"RECENT"]
    said(other, b"f MOVE 1:2 Archive/2024")
    assert told(waiting) == [b"* 2 EXPUNGE", b"* 1 EXPUNGE"]


def test_what_happened_before_is_told_when_idle_begins(store: MemoryStore) -> None:
    connection = selected(store)
    deliver(store)
    assert told(connection) == []
    assert said(connection, b"c IDLE") == [b"+ Waiting for news", b"* 3 EXISTS", b"* 3 RECENT"]


def test_nothing_is_told_unasked_outside_of_idle(store: MemoryStore) -> None:
    connection = idling(store)
    said(connection, b"DONE")
    deliver(store)
    connection.clock.advance(10 * POLL)
    assert told(connection) == []
    assert said(connection, b"d NOOP")[0] == b"* 3 EXISTS"


def test_what_other_programs_do_is_seen_before_long(tmp_path: Path) -> None:
    connection = idling(MaildirStore(tmp_path))
    deliver(MaildirStore(tmp_path))
    assert told(connection) == []
    connection.clock.advance(POLL)
    assert told(connection) == [b"* 1 EXISTS", b"* 1 RECENT"]
    deliver(MaildirStore(tmp_path))
    connection.clock.advance(POLL)
    assert told(connection) == [b"* 2 EXISTS", b"* 2 RECENT"]


def test_news_do_not_give_the_client_more_time(store: MemoryStore) -> None:
    connection = idling(store, IMAPLimits(idle_time=60))
    for _ in range(3):
        connection.clock.advance(19)
        deliver(store)
        assert told(connection)
    connection.clock.advance(4)
    assert told(connection) == [b"* BYE You took too long"]
    assert connection.closed


def test_a_mailbox_that_is_removed_ends_the_session(store: MemoryStore) -> None:
    connection = selected(store)
    said(connection, b"c SELECT Archive/2024")
    said(connection, b"d IDLE")
    store.account(ANN).delete("Archive/2024")
    connection.clock.advance(POLL)
    assert told(connection) == [b"* BYE The mailbox that you selected is gone"]
    assert connection.closed


def test_a_look_that_fails_is_made_again(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = idling(store)
    inbox = store.account(ANN).open(INBOX)
    with monkeypatch.context() as patch:

        def fail() -> None:
            raise StorageFault("The mail store is not available now")

        patch.setattr(inbox, "refresh", fail)
        connection.clock.advance(POLL)
        assert told(connection) == []
    deliver(store)
    assert told(connection) == [b"* 3 EXISTS", b"* 3 RECENT"]


def test_attack_66_a_client_in_idle_that_does_not_read_slows_itself_alone(store: MemoryStore) -> None:
    deaf, reading = idling(store), idling(store)
    deaf.transport.producer.pauseProducing()
    inbox = store.account(ANN).open(INBOX)
    for turn in range(1000):
        action = FlagAction.ADD if turn % 2 else FlagAction.REMOVE
        inbox.change_flags([1], action, DELETED)
        told(reading)
        assert told(deaf) == []
    deliver(store)
    assert told(reading)[0] == b"* 3 EXISTS"
    deaf.transport.producer.resumeProducing()
    assert told(deaf) == [
        b"* 3 EXISTS",
        b"* 2 RECENT",
        b"* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))",
    ]


def test_attack_66_a_client_in_idle_that_never_reads_is_dropped(store: MemoryStore) -> None:
    connection = idling(store)
    connection.transport.producer.pauseProducing()
    connection.clock.advance(301)
    assert connection.closed


def test_attack_58_a_line_in_idle_is_bounded(store: MemoryStore) -> None:
    connection = idling(store)
    connection.send(b"x" * 70_000)
    assert connection.transport.take().startswith(b"c BAD The command line is too long\r\n* BYE")
    assert connection.closed


def test_a_connection_that_is_lost_in_idle_leaves_no_timer(store: MemoryStore) -> None:
    connection = idling(store)
    connection.protocol.connectionLost()
    deliver(store)
    connection.settle()
    assert connection.protocol.session.idling is None
    assert [call for call in connection.clock.getDelayedCalls() if call.getTime() == POLL] == []


def test_a_message_that_is_gone_fails_a_copy_by_number_and_none_by_uid(store: MemoryStore) -> None:
    connection = selected(store)
    store.account(ANN).open(INBOX).expunge([1])
    assert said(connection, b"c COPY 1:2 Archive/2024")[0] == b"* 1 EXPUNGE"
    assert store.account(ANN).open("Archive/2024").messages() == ()
    (line,) = said(connection, b"d UID COPY 1:2 Archive/2024")
    assert line.endswith(b" 2 1] COPY completed")


def test_attack_40_who_may_be_here_no_more_is_told_so_in_idle(store: MemoryStore) -> None:
    waiting = idling(store)
    waiting.protocol.dismiss()
    assert told(waiting) == [b"* BYE [EXPIRED] This login is no longer good"]
    assert waiting.closed
    deliver(store)
    assert told(waiting) == []
