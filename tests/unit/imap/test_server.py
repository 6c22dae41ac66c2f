"""The IMAP server as a whole, on a transport in memory: what a dialogue cannot show."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.logger import globalLogPublisher
from twisted.mail import imap4
from twisted.python.failure import Failure

from mailbox_d.errors import MailboxBusy, MailError, MessageGone, NoSuchMailbox, StorageFault, StorageFull
from mailbox_d.imap import incoming
from mailbox_d.imap.contents import ContentLimits
from mailbox_d.imap.mailbox import Stored
from mailbox_d.imap.server import INHERITED, IMAPServer
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.net.inherited import inherited_methods
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.memory_mailbox import MemoryDelivery, MemoryMailbox
from mailbox_d.store.message_file import HeldMessage
from mailbox_d.store.ports import FlagAction, Message
from mailbox_d.wire.imap.cursor import GrammarLimits
from tests.dialogues.imap_server import ANN, HELLO, OneUser, filled_store, imap_connection, imap_service
from tests.dialogues.memory import Connection

SMALL = IMAPLimits(messages_a_write=2, contents=ContentLimits(held=10))


def logged_in(store: MemoryStore, limits: IMAPLimits | None = None) -> Connection:
    connection = imap_connection(imap_service(store, limits=limits), secure=True)
    connection.connect()
    connection.send(b"a LOGIN ann@example.org secret\r\n")
    assert b"a OK" in connection.transport.take()
    return connection


def selected(store: MemoryStore, limits: IMAPLimits | None = None, verb: bytes = b"SELECT") -> Connection:
    connection = logged_in(store, limits)
    connection.send(b"b " + verb + b" INBOX\r\n")
    assert b"b OK" in connection.transport.take()
    return connection


def said(connection: Connection, command: bytes) -> list[bytes]:
    connection.send(command + b"\r\n")
    return connection.transport.take().splitlines()


def inbox(store: MemoryStore) -> MemoryMailbox:
    return store.account(ANN).open("INBOX")


def raising(error: BaseException) -> Callable[..., object]:
    def fail(*args: object, **kwargs: object) -> object:
        raise error

    return fail


@pytest.fixture
def failures() -> list[dict[str, object]]:
    """What is logged with a traceback meanwhile."""
    events: list[dict[str, object]] = []

    def observe(event: dict[str, object]) -> None:
        if "log_failure" in event:
            events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


# -- what twisted.mail would do -----------------------------------------------------------------------------------


def test_no_method_of_twisted_mail_can_be_reached() -> None:
    assert inherited_methods(IMAPServer).keys() <= INHERITED


def test_it_is_an_imap4server_whose_capabilities_hook_tells_ours() -> None:
    server = logged_in(filled_store()).protocol
    assert isinstance(server, imap4.IMAP4Server)
    assert server.capabilities().keys() >= {b"IMAP4rev1", b"LITERAL+"}


# -- TLS ----------------------------------------------------------------------------------------------------------


def test_attack_44_what_follows_starttls_in_one_segment_ends_the_connection() -> None:
    connection = imap_connection(imap_service(filled_store()))
    connection.connect()
    connection.transport.take()
    connection.send(b"a STARTTLS\r\nb NOOP\r\n")
    assert connection.closed
    assert not connection.transport.tls_begun
    assert b"b OK" not in connection.transport.take()


def test_attack_46_what_was_said_before_tls_is_forgotten_but_not_what_was_done() -> None:
    connection = imap_connection(imap_service(filled_store()))
    connection.connect()
    said(connection, b'a ID ("name" "x")')
    said(connection, b"b XYZZY")
    before = connection.protocol.session
    assert (before.client_id, before.offences.bad_commands) == (((b"name", b"x"),), 1)
    said(connection, b"c STARTTLS")
    connection.finish_handshake()
    after = connection.protocol.session
    assert (after.client_id, after.offences.bad_commands) == ((), 1)


@pytest.mark.parametrize(
    "command",
    [
        'LOGIN "änn@example.org" "sëcret"'.encode(),
        "LOGIN {16+}\r\nänn@example.org {7+}\r\nsëcret".encode(),
        b"AUTHENTICATE PLAIN " + b64encode("\0änn@example.org\0sëcret".encode()),
    ],
)
def test_a_user_name_and_a_password_may_be_in_utf_8(command: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def ask(checker: OneUser, credentials: UsernamePassword) -> Deferred[bytes]:
        asked.append((credentials.username, credentials.password))
        return succeed(b"ann@example.org")

    monkeypatch.setattr(OneUser, "requestAvatarId", ask)
    connection = imap_connection(imap_service(filled_store()), secure=True)
    connection.connect()
    connection.transport.take()
    assert said(connection, b"a " + command)[-1].startswith(b"a OK ")
    assert asked == [("änn@example.org".encode(), "sëcret".encode())]


# -- several sessions ---------------------------------------------------------------------------------------------


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


# -- leaving ------------------------------------------------------------------------------------------------------


def test_a_lost_connection_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    aborted: list[MemoryDelivery] = []
    monkeypatch.setattr(MemoryDelivery, "abort", lambda delivery: aborted.append(delivery))
    service = imap_service(store, sessions=1)
    connection = imap_connection(service, secure=True)
    connection.connect()
    said(connection, b"a LOGIN ann@example.org secret")
    said(connection, b"b SELECT INBOX")
    said(connection, b"c APPEND INBOX {100}")
    connection.send(b"half a message")
    connection.protocol.connectionLost(Failure(ConnectionDone()))
    assert len(aborted) == 1
    assert len(inbox(store).messages()) == 2
    assert service.gate.portal.realm.logged_out == 1
    assert service.gate.sessions.admit(str(ANN))


def test_a_message_that_cannot_be_removed_does_not_keep_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    service = imap_service(filled_store(), sessions=1)
    connection = imap_connection(service, secure=True)
    connection.connect()
    said(connection, b"a LOGIN ann@example.org secret")
    said(connection, b"b APPEND INBOX {100}")
    monkeypatch.setattr(MemoryDelivery, "abort", raising(StorageFault("I/O error")))
    connection.protocol.connectionLost(Failure(ConnectionDone()))
    assert service.gate.sessions.admit(str(ANN))


def test_a_user_has_only_so_many_sessions() -> None:
    service = imap_service(filled_store(), sessions=1)
    first, second = imap_connection(service, secure=True), imap_connection(service, secure=True)
    for connection in (first, second):
        connection.connect()
        connection.transport.take()
    assert said(first, b"a LOGIN ann@example.org secret")[0].startswith(b"a OK")
    assert said(second, b"a LOGIN ann@example.org secret") == [b"a NO [LIMIT] You have too many connections"]
    first.protocol.connectionLost(Failure(ConnectionDone()))
    assert said(second, b"b LOGIN ann@example.org secret")[0].startswith(b"b OK")


# -- faults -------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr("mailbox_d.imap.contents.envelope", raising(ValueError("secret")))
    lines = said(connection, b"c FETCH 1:2 (BODY.PEEK[HEADER.FIELDS (From)] ENVELOPE)")
    assert lines[-1] == b"c NO [SERVERBUG] 2 messages could not be read: Internal error, see the server's log"
    assert lines[:3] == [b"* 1 FETCH (BODY[HEADER.FIELDS (From)] {25}", b"From: bob@example.org", b""]
    assert lines.count(b")") == 2
    assert len(failures) == 1
    assert said(connection, b"d NOOP") == [b"d OK NOOP completed"]


def test_seen_is_set_though_another_session_has_just_taken_it_off() -> None:
    store = filled_store()
    connection = selected(store)
    said(connection, b"c FETCH 1 BODY[TEXT]<0.1>")
    inbox(store).change_flags([1], FlagAction.REMOVE, frozenset({r"\Seen"}))
    assert said(connection, b"d FETCH 1 BODY[TEXT]<0.1>")[0] == (
        b"* 1 FETCH (FLAGS (\\Recent \\Seen) BODY[TEXT]<0> {1}"
    )
    assert r"\Seen" in inbox(store).messages()[0].flags


def test_examine_and_peek_set_no_seen() -> None:
    store = filled_store()
    assert b"FLAGS" not in said(selected(store, verb=b"EXAMINE"), b"c FETCH 1 BODY[TEXT]<0.1>")[0]
    assert b"FLAGS" not in said(selected(store), b"c FETCH 1 (BODY.PEEK[] RFC822.HEADER BINARY.PEEK[1])")[0]
    assert r"\Seen" not in inbox(store).messages()[0].flags


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


def test_an_append_that_stays_locked_out_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    aborted: list[bool] = []
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryDelivery, "commit", raising(MailboxBusy("In use")))
    monkeypatch.setattr(MemoryDelivery, "abort", lambda delivery: aborted.append(True))
    assert said(connection, b"c APPEND INBOX {3+}\r\nabc") == [b"c NO [INUSE] In use"]
    assert aborted


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


def test_a_date_of_a_message_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store())
    monkeypatch.setattr(MemoryMailbox, "internal_date", raising(MessageGone("gone")))
    assert said(connection, b"c UID FETCH 1:* INTERNALDATE") == [b"c OK FETCH completed"]
    assert said(connection, b"d FETCH 1 INTERNALDATE") == [b"d NO [EXPUNGEISSUED] Some of these messages are gone"]


# -- pieces -------------------------------------------------------------------------------------------------------


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


def test_a_command_waits_for_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = selected(filled_store())
    waiting: Deferred[Stored] = Deferred()

    async def slowly(*args: object, learn: Callable[[object], None]) -> object:
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


MANY_KEYS = b"c SEARCH" + b"".join(b" OR SEEN NOT KEYWORD k%d" % number for number in range(200))


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


def test_attack_67_a_keyword_of_another_program_cannot_split_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store()
    connection = selected(store)
    evil = frozenset({"a)\r\n* BYE", r"\Seen"})
    monkeypatch.setattr(MemoryMailbox, "change_flags", lambda *_, **__: {1: Message(1, evil, 9)})
    assert said(connection, b"c STORE 1 FLAGS (x)") == [b"* 1 FETCH (FLAGS (\\Recent \\Seen))", b"c OK STORE completed"]


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


def test_flags_reach_the_store() -> None:
    store = filled_store()
    connection = selected(store)
    said(connection, b"c UID STORE 1 +FLAGS (\\Seen Work)")
    [message, _] = inbox(store).messages()
    assert message.flags == {r"\Seen", "work"}


def test_an_append_announces_itself_in_no_other_mailbox() -> None:
    store = filled_store()
    connection = logged_in(store)
    said(connection, b"b SELECT Archive/2024")
    (line,) = said(connection, b"c APPEND INBOX {3+}\r\nabc")
    assert line.endswith(b"APPEND completed")
    assert len(inbox(store).messages()) == 3


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
