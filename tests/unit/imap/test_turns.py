"""FETCH and SEARCH go in pieces and turns: bounded, one command after the other, and ended with their client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from mailbox_d.imap.fetch.contents import ContentLimits
from mailbox_d.imap.mailbox import IMAPMailbox, News, Stored
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.store.changes import ChangeFeed
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.message_file import HeldMessage
from mailbox_d.store.ports import Feed, FlagAction, Message
from mailbox_d.wire.imap.cursor import GrammarLimits
from tests.contract.store.mailboxes import append
from tests.dialogues.imap_server import filled_store
from tests.unit.imap.talking import inbox, said, selected

SMALL = IMAPLimits(messages_a_write=2, contents=ContentLimits(held=10))
MANY_KEYS = b"c SEARCH" + b"".join(b" OR SEEN NOT KEYWORD k%d" % number for number in range(200))


def test_replies_are_the_same_in_small_pieces() -> None:
    commands = [b"c FETCH 1:* (UID FLAGS INTERNALDATE)", b"d UID FETCH 1:* (BODY.PEEK[HEADER] BODY[TEXT]<3.90>)"]
    commands += [b"e STORE 1:* +FLAGS (x)"]
    stores = [filled_store(), filled_store()]
    for store in stores:
        for number in range(5):
            inbox(store).add(b"Subject: %d\r\n\r\n%b" % (number, b"line\r\n" * 20), internal_date=number)
    whole, small = selected(stores[0]), selected(stores[1], SMALL)
    for command in commands:
        assert said(whole, command) == said(small, command)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_the_end_of_a_header_is_found_across_pieces(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.store.message_file.BLOCK", size)
    store = filled_store()
    inbox(store).add(b"\r\nbody")
    inbox(store).add(b"A: b\r\nno end")
    connection = selected(store)
    assert b"BODY[HEADER] {41}" in said(connection, b"c FETCH 1 BODY.PEEK[HEADER]")[0]
    assert said(connection, b"d FETCH 3 (BODY.PEEK[HEADER] BODY.PEEK[TEXT])")[:4] == [
        b"* 3 FETCH (BODY[HEADER] {2}",
        b"",
        b" BODY[TEXT] {4}",
        b"body)",
    ]
    assert said(connection, b"e FETCH 4 BODY.PEEK[TEXT]")[:2] == [b"* 4 FETCH (BODY[TEXT] {0}", b")"]


def test_a_client_that_does_not_read_is_waited_for() -> None:
    store = filled_store()
    uid = inbox(store).add(b"x" * 1_000_000)
    connection = selected(store, SMALL)
    connection.transport.producer.pauseProducing()
    connection.send(b"c UID FETCH %d BODY.PEEK[]\r\n" % uid)
    assert len(connection.transport.take()) < 2 * 65536
    connection.transport.producer.resumeProducing()
    connection.settle()
    assert connection.transport.take().endswith(b"c OK FETCH completed\r\n")


def test_a_store_tells_what_is_new_without_a_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    connection, mailbox = selected(store), inbox(store)
    looks: list[IMAPMailbox] = []
    news = IMAPMailbox.news

    async def counted(mailbox: IMAPMailbox, feed: Feed, note: Callable[[News], None]) -> None:
        looks.append(mailbox)
        await news(mailbox, feed, note)

    monkeypatch.setattr(IMAPMailbox, "news", counted)
    monkeypatch.setattr(ChangeFeed, "may_tell", lambda feed: True)  # as on a disk, where nothing is certain so soon
    mailbox.change_flags([2], FlagAction.ADD, frozenset({r"\Answered"}))
    append(mailbox, b"Subject: new\r\n\r\n")
    connection.send(b"c STORE 1 +FLAGS.SILENT (\\Flagged)\r\n")
    connection.settle()
    told = connection.transport.take()
    assert not looks
    assert b"EXISTS\r\n" in told and b"* 2 FETCH (UID 2 FLAGS (\\Answered" in told
    mailbox.change_flags([1], FlagAction.ADD, frozenset({r"\Answered"}))
    connection.send(b"d NOOP\r\n")
    connection.settle()
    assert looks and b"* 1 FETCH (UID 1 FLAGS (\\Answered" in connection.transport.take()


def test_a_command_waits_for_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store())
    waiting: Deferred[Stored] = Deferred()

    async def slowly(*args: object, learn: Callable[[object], None], note: object) -> object:
        stored = await waiting
        learn(stored.now)
        return stored

    monkeypatch.setattr("mailbox_d.imap.mailbox.IMAPMailbox.change_flags", slowly)
    connection.send(b"c STORE 1 FLAGS.SILENT (x)\r\nd NOOP\r\n")
    assert connection.transport.take() == b""
    waiting.callback(Stored({1: Message(1, frozenset({"x"}), 9)}, ()))
    connection.settle()
    completions = connection.transport.take().splitlines()[2:]
    assert completions == [b"c OK STORE completed", b"d OK NOOP completed"]


def test_attack_63_a_search_of_many_keys_gives_way_to_others() -> None:
    connection = selected(filled_store(), IMAPLimits(messages_a_slice=10))
    turns: list[float] = []
    connection.protocol.callLater = lambda delay, *args: turns.append(delay) or connection.clock.callLater(delay, *args)
    assert said(connection, MANY_KEYS) == [b"* SEARCH 1 2", b"c OK SEARCH completed"]
    assert turns.count(0) > 20


def test_attack_63_a_search_ends_with_its_connection() -> None:
    connection = selected(filled_store(), IMAPLimits(messages_a_slice=10))
    connection.protocol.dataReceived(MANY_KEYS + b"\r\n")
    connection.protocol.connectionLost(Failure(ConnectionDone()))
    assert connection.protocol.session.view is not None
    connection.clock.advance(0)
    assert connection.protocol.session.view is None
    assert connection.transport.take() == b""


def test_messages_are_marked_as_seen_as_they_are_sent() -> None:
    store = filled_store()
    for _ in range(10):
        inbox(store).add(b"x" * 70_000)
    connection = selected(store, IMAPLimits(contents=ContentLimits(octets_a_turn=1)))
    connection.transport.producer.pauseProducing()
    connection.send(b"c FETCH 3:* BODY[]\r\n")
    seen = [message for message in inbox(store).messages()[2:] if r"\Seen" in message.flags]
    assert len(seen) < 3
    connection.transport.producer.resumeProducing()
    connection.settle()
    assert all(r"\Seen" in message.flags for message in inbox(store).messages()[2:])


def test_examine_and_peek_set_no_seen() -> None:
    store = filled_store()
    assert b"FLAGS" not in said(selected(store, verb=b"EXAMINE"), b"c FETCH 1 BODY[TEXT]<0.1>")[0]
    assert b"FLAGS" not in said(selected(store), b"c FETCH 1 (BODY.PEEK[] RFC822.HEADER BINARY.PEEK[1])")[0]
    assert r"\Seen" not in inbox(store).messages()[0].flags


def test_attack_63_a_search_in_messages_gives_way_and_ends_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    reads: list[int] = []
    read = MemoryMailbox.read
    monkeypatch.setattr(MemoryMailbox, "read", lambda self, uid: reads.append(uid) or read(self, uid))
    connection = selected(store, IMAPLimits(search_turn=0.0))
    connection.protocol.dataReceived(b"c SEARCH TEXT nothing\r\n")
    assert reads == [1]
    connection.protocol.connectionLost(Failure(ConnectionDone()))
    connection.clock.advance(0)
    assert reads == [1]
    assert connection.protocol.session.view is None


def test_attack_98_a_message_of_many_parts_is_told() -> None:
    store = filled_store()
    inbox(store).add(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 100_000)
    connection = selected(store)
    [told, completion] = said(connection, b"c FETCH 3 BODY")
    assert told.count(b'"text" "plain"') <= 10_000
    assert completion == b"c OK FETCH completed"
    assert said(connection, b"d FETCH 3 BODY[10001]")[0] == b"* 3 FETCH (FLAGS (\\Recent \\Seen) BODY[10001] NIL)"


def test_attack_99_a_header_that_floods_parameters_is_told() -> None:
    store = filled_store()
    inbox(store).add(b'Content-Type: text/plain; a="' + b";" * 80_000 + b"\r\n\r\n")
    flood = b"".join(b"; a*%d=x" % number for number in range(10_000))
    inbox(store).add(b"Content-Type: text/plain" + flood + b"\r\n\r\n")
    connection = selected(store)
    for number in (b"3", b"4"):
        told = said(connection, b"c FETCH %b BODYSTRUCTURE" % number)
        assert told[0].startswith(b'* %b FETCH (BODYSTRUCTURE ("text" "plain"' % number)
        assert told[-1] == b"c OK FETCH completed"


def test_attack_104_parts_of_no_octets_are_told() -> None:
    store = filled_store()
    inbox(store).add(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n--b--")
    connection = selected(store)
    told = said(connection, b"c FETCH 3 (BODY BODY.PEEK[1] BODY.PEEK[2])")
    assert told[0].endswith(b"BODY[1] {0}")
    assert told[1:] == [b" BODY[2] {0}", b")", b"c OK FETCH completed"]


def test_attack_63_a_client_that_is_gone_ends_its_search(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    opened: list[HeldMessage] = []
    read = MemoryMailbox.read

    def watched(mailbox: MemoryMailbox, uid: int) -> HeldMessage:
        opened.append(read(mailbox, uid))
        return opened[-1]

    monkeypatch.setattr(MemoryMailbox, "read", watched)
    connection = selected(store, IMAPLimits(search_turn=0.0))
    connection.protocol.dataReceived(b"c SEARCH BODY nowhere\r\n")
    connection.protocol.connectionLost(Failure(ConnectionDone()))
    connection.settle()
    assert len(opened) == 1
    assert opened[0].read(0, 1) == b""


def test_attack_63_too_much_at_once_is_refused_with_what_to_do() -> None:
    limits = IMAPLimits(grammar=GrammarLimits(search_keys=2, fetch_attributes=2))
    connection = selected(filled_store(), limits)
    for _ in range(limits.bad_commands_in_a_row + 1):
        assert said(connection, b"c SEARCH SEEN SEEN SEEN") == [
            b"c NO [LIMIT] At most 2 search keys at once: search for some, then others"
        ]
        assert said(connection, b"d FETCH 1 (BODY.PEEK[1.MIME] BODY.PEEK[2.MIME] UID)") == [
            b"d NO [LIMIT] At most 2 attributes at once: ask for some, then others"
        ]
    assert not connection.closed
