"""The POP3 server as a whole, on a transport in memory: what a dialogue cannot show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs, formatEvent
from twisted.mail import pop3
from twisted.mail.interfaces import IMailboxPOP3
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from mailbox_d.errors import MailboxBusy, MailError, MessageGone, StorageFault
from mailbox_d.net.inherited import inherited_methods
from mailbox_d.net.lanes import InlineLane
from mailbox_d.pop3.maildrop import POP3Maildrop
from mailbox_d.pop3.server import INHERITED, POP3Server
from mailbox_d.pop3.service import POP3Limits, POP3Service
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.message_file import HeldMessage
from mailbox_d.store.ports import FlagAction, Flags
from tests.dialogues.memory import Connection, MemoryTransport
from tests.dialogues.pop3_server import ANN, DOTS, HELLO, LONG, filled_store, pop3_connection, pop3_service

SMALL = POP3Limits(messages_a_write=2, octets_a_read=3)


FULL = 65536


class SlowTransport(MemoryTransport):
    """What is written stays until the test takes it; when that is much, no more is wanted."""

    def write(self, data: bytes) -> None:
        super().write(data)
        if len(self.value()) >= FULL:
            self.producer.pauseProducing()


def connected(service: POP3Service, *, secure: bool = True) -> Connection:
    connection = pop3_connection(service, secure=secure)
    connection.connect()
    assert connection.transport.take() == b"+OK mail.example.org ready\r\n"
    return connection


def logged_in(service: POP3Service) -> Connection:
    connection = connected(service)
    assert said(connection, b"USER ann@example.org\r\nPASS secret").startswith(b"+OK Send the password\r\n+OK ")
    return connection


def said(connection: Connection, command: bytes) -> bytes:
    connection.send(command + b"\r\n")
    return connection.transport.take()


def drop(connection: Connection) -> None:
    connection.protocol.connectionLost(Failure(ConnectionDone()))


def inbox(store: MemoryStore) -> MemoryMailbox:
    return store.account(ANN).open("INBOX")


def uids(store: MemoryStore) -> list[int]:
    return [message.uid for message in inbox(store).messages()]


def raising(error: BaseException) -> Callable[..., object]:
    def fail(*args: object, **kwargs: object) -> object:
        raise error

    return fail


def test_no_method_of_twisted_mail_can_be_reached() -> None:
    assert inherited_methods(POP3Server).keys() <= INHERITED


def test_it_is_a_pop3_whose_capabilities_hook_tells_ours() -> None:
    connection = connected(pop3_service(filled_store()))
    assert isinstance(connection.protocol, pop3.POP3)
    assert b"SASL PLAIN LOGIN" in connection.protocol.listCapabilities()


def test_the_maildrop_has_the_methods_of_twisteds_interface() -> None:
    assert verifyObject(IMailboxPOP3, POP3Maildrop(filled_store().account(ANN), InlineLane()))


# -- deleting -----------------------------------------------------------------------------------------------------


def test_quit_removes_what_is_marked_and_nothing_else() -> None:
    store = filled_store(HELLO, DOTS, LONG)
    connection = logged_in(pop3_service(store))
    assert said(connection, b"DELE 1\r\nDELE 3\r\nQUIT").endswith(b"+OK Bye\r\n")
    assert connection.closed
    assert uids(store) == [2]


def test_attack_76_without_quit_nothing_is_removed() -> None:
    store = filled_store(HELLO, DOTS)
    connection = logged_in(pop3_service(store))
    said(connection, b"DELE 1\r\nDELE 2")
    drop(connection)
    assert uids(store) == [1, 2]


@pytest.mark.parametrize("end", ["timeout", "shutdown", "dismissed", "nonsense"])
def test_attack_76_an_end_that_is_no_quit_removes_nothing(end: str) -> None:
    store = filled_store(HELLO)
    connection = logged_in(pop3_service(store))
    said(connection, b"DELE 1")
    if end == "timeout":
        connection.clock.advance(601)
    elif end == "shutdown":
        connection.protocol.wind_down()
        assert connection.transport.take() == b"-ERR [SYS/TEMP] The service is being stopped\r\n"
    elif end == "dismissed":
        connection.protocol.dismiss()
        assert connection.transport.take() == b""
    else:
        said(connection, b"x\r\n" * 20)
    assert connection.closed
    assert uids(store) == [1]


def test_a_removal_that_fails_is_told_without_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = logged_in(pop3_service(filled_store(HELLO)))
    said(connection, b"DELE 1")
    monkeypatch.setattr(MemoryMailbox, "expunge", raising(StorageFault("The disk", cause="/secret")))
    assert said(connection, b"QUIT") == b"-ERR [SYS/TEMP] Some deleted messages were not removed\r\n"
    assert connection.closed


def test_what_another_program_removed_meanwhile_is_no_fault() -> None:
    store = filled_store(HELLO, DOTS)
    connection = logged_in(pop3_service(store))
    inbox(store).expunge([1])
    assert said(connection, b"RETR 1").startswith(b"-ERR ")
    assert said(connection, b"DELE 1\r\nDELE 2\r\nQUIT").endswith(b"+OK Bye\r\n")
    assert uids(store) == []


def test_the_maildrop_stays_as_it_was_at_login() -> None:
    store = filled_store(HELLO)
    connection = logged_in(pop3_service(store))
    inbox(store).add(DOTS)
    assert said(connection, b"STAT") == b"+OK 1 67\r\n"


# -- seen ---------------------------------------------------------------------------------------------------------


def seen(store: MemoryStore) -> list[int]:
    return [message.uid for message in inbox(store).messages() if "\\Seen" in message.flags]


def test_what_was_retrieved_is_seen_after_quit() -> None:
    store = filled_store(HELLO, DOTS, LONG, LONG)
    connection = logged_in(pop3_service(store))
    said(connection, b"RETR 1\r\nTOP 2 1000\r\nLIST 2\r\nRETR 3\r\nDELE 3")
    assert seen(store) == []
    assert said(connection, b"QUIT") == b"+OK Bye\r\n"
    assert uids(store) == [1, 2, 4]
    assert seen(store) == [1]


def test_flags_that_a_retrieved_message_has_stay() -> None:
    store = filled_store(HELLO)
    inbox(store).change_flags([1], FlagAction.ADD, frozenset({"\\Flagged", "$Work"}))
    connection = logged_in(pop3_service(store))
    said(connection, b"RETR 1\r\nQUIT")
    assert inbox(store).messages()[0].flags == {"\\Flagged", "$Work", "\\Seen"}


@pytest.mark.parametrize("end", ["drop", "timeout", "shutdown", "nonsense"])
def test_without_quit_nothing_becomes_seen(end: str) -> None:
    store = filled_store(HELLO)
    connection = logged_in(pop3_service(store))
    said(connection, b"RETR 1")
    match end:
        case "timeout":
            connection.clock.advance(601)
        case "shutdown":
            connection.protocol.wind_down()
        case "nonsense":
            said(connection, b"x\r\n" * 20)
    drop(connection)
    assert seen(store) == []


def test_rset_forgets_what_was_retrieved() -> None:
    store = filled_store(HELLO, DOTS)
    connection = logged_in(pop3_service(store))
    said(connection, b"RETR 1\r\nRSET\r\nRETR 2\r\nQUIT")
    assert seen(store) == [2]


def test_a_site_may_want_no_flags_from_pop3() -> None:
    store = filled_store(HELLO)
    connection = logged_in(pop3_service(store, marks_seen=False))
    assert said(connection, b"RETR 1\r\nQUIT").endswith(b"+OK Bye\r\n")
    assert seen(store) == []


def test_a_message_that_could_not_be_opened_was_not_retrieved(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_store(HELLO)
    connection = logged_in(pop3_service(store))
    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailbox, "read", raising(StorageFault("The disk")))
        said(connection, b"RETR 1")
    said(connection, b"QUIT")
    assert seen(store) == []


def test_flags_are_changed_in_one_go_and_only_where_there_is_something_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed: list[list[int]] = []
    change_flags = MemoryMailbox.change_flags

    def counted(self: MemoryMailbox, uids: list[int], action: FlagAction, flags: Flags) -> object:
        changed.append(sorted(uids))
        return change_flags(self, uids, action, flags)

    store = filled_store(HELLO, DOTS, LONG)
    monkeypatch.setattr(MemoryMailbox, "change_flags", counted)
    said(logged_in(pop3_service(store)), b"RETR 1\r\nRETR 2\r\nRETR 1\r\nQUIT")
    assert changed == [[1, 2]]
    said(logged_in(pop3_service(store)), b"LIST\r\nQUIT")
    said(logged_in(pop3_service(store)), b"RETR 3\r\nDELE 3\r\nQUIT")
    assert changed == [[1, 2]]


@pytest.mark.parametrize("error", [StorageFault("The disk", cause="/secret"), MailboxBusy("In use")])
def test_a_flag_that_cannot_be_set_fails_no_removal(monkeypatch: pytest.MonkeyPatch, error: MailError) -> None:
    store = filled_store(HELLO, DOTS)
    service = pop3_service(store)
    connection = logged_in(service)
    said(connection, b"RETR 1\r\nDELE 2")
    monkeypatch.setattr(MemoryMailbox, "change_flags", raising(error))
    assert said(connection, b"QUIT") == b"+OK Bye\r\n"
    assert uids(store) == [1]
    logged_in(service)


# -- one session for a maildrop -----------------------------------------------------------------------------------


def test_attack_79_a_second_session_is_told_in_use_until_the_first_has_ended() -> None:
    service = pop3_service(filled_store(HELLO))
    first, second = logged_in(service), connected(service)
    login = b"USER ann@example.org\r\nPASS secret"
    assert said(second, login).endswith(b"-ERR [IN-USE] Another session has your maildrop\r\n")
    said(first, b"QUIT")
    assert said(second, login).endswith(b"+OK 1 messages\r\n")
    drop(second)
    logged_in(service)


def test_who_finds_the_maildrop_in_use_leaves_nothing_behind() -> None:
    service = pop3_service(filled_store(HELLO), sessions=2)
    first, second = logged_in(service), connected(service)
    for _ in range(5):
        answer = said(second, b"USER ann@example.org\r\nPASS secret")
        assert answer.endswith(b"-ERR [IN-USE] Another session has your maildrop\r\n")
        assert service.gate.sessions.count(str(ANN)) == 1
    said(first, b"QUIT")
    assert service.gate.sessions.count(str(ANN)) == 0


def test_a_login_whose_maildrop_cannot_be_read_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    service = pop3_service(filled_store(HELLO), sessions=1)
    connection = connected(service)
    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailbox, "refresh", raising(MailboxBusy("The mailbox is in use")))
        answer = said(connection, b"USER ann@example.org\r\nPASS secret")
    assert answer.endswith(b"-ERR [SYS/TEMP] The mailbox is in use\r\n")
    logged_in(service)


def test_too_many_sessions_of_a_user() -> None:
    service = pop3_service(filled_store(HELLO), sessions=1)
    service.gate.sessions.admit(str(ANN))
    answer = said(connected(service), b"USER ann@example.org\r\nPASS secret")
    assert answer.endswith(b"-ERR [SYS/TEMP] You have too many connections\r\n")


# -- messages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [1, 2, 3, 7, 65536])
def test_attack_78_a_message_is_the_same_in_pieces_of_any_size(octets: int) -> None:
    limits = replace(SMALL, octets_a_read=octets)
    connection = logged_in(pop3_service(filled_store(DOTS, LONG), limits=limits))
    sent = b"Subject: dots\r\n\r\n..\r\n...\r\n. .\r\n".replace(b"\r\n. .", b"\r\n.. .") + b"no last line end.\r\n.\r\n"
    assert said(connection, b"RETR 1") == b"+OK 46 octets\r\n" + sent
    assert said(connection, b"TOP 2 1") == b"+OK The message follows\r\nSubject: long\r\n\r\n1\r\n.\r\n"


@pytest.mark.parametrize(
    "message", [b"a: b\n\n.\n..\n", b"a: b\r\n\r\n\n.\r\n.\n", b"\r.\r\r\n", b".", b"", b"\n.\r\n", b"x\r"]
)
def test_attack_78_the_octets_that_are_told_are_those_that_come(message: bytes) -> None:
    connection = logged_in(pop3_service(filled_store(message, HELLO)))
    size = int(said(connection, b"LIST 1").split()[2])
    first, _, rest = said(connection, b"RETR 1").partition(b"\r\n")
    assert first == b"+OK %d octets" % size
    assert rest.endswith(b".\r\n")
    body = rest.removesuffix(b".\r\n")
    unstuffed = body.removeprefix(b".") if body.startswith(b"..") else body
    unstuffed = unstuffed.replace(b"\n..", b"\n.")
    assert unstuffed.startswith(message)
    assert len(message) == size
    assert unstuffed[size:] in (b"", b"\r\n")
    assert said(connection, b"NOOP") == b"+OK Nothing done\r\n"


def test_all_messages_are_listed_in_slices() -> None:
    connection = logged_in(pop3_service(filled_store(*[LONG] * 5), limits=SMALL))
    said(connection, b"DELE 3")
    assert said(connection, b"LIST").endswith(b"1 26\r\n2 26\r\n4 26\r\n5 26\r\n.\r\n")
    assert said(connection, b"UIDL").count(b"\r\n") == 6


def test_unique_ids_are_uid_and_uidvalidity_in_lower_case_hexadecimal() -> None:
    store = filled_store(HELLO)
    validity = inbox(store).uid_validity
    connection = logged_in(pop3_service(store))
    assert said(connection, b"UIDL 1") == b"+OK 1 00000001%08x\r\n" % validity


def test_unique_ids_that_the_store_was_told_win_where_they_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {1: b"old-1", 2: b"two words", 3: b"x" * 256, 4: b"x" * 255}
    monkeypatch.setattr(MemoryMailbox, "unique_ids", lambda self: told)
    connection = logged_in(pop3_service(filled_store(HELLO, DOTS, LONG, HELLO)))
    assert said(connection, b"UIDL 1") == b"+OK 1 old-1\r\n"
    assert said(connection, b"UIDL 2").startswith(b"+OK 2 00000002")
    assert said(connection, b"UIDL 3").startswith(b"+OK 3 00000003")
    assert said(connection, b"UIDL 4") == b"+OK 4 %b\r\n" % (b"x" * 255)


def test_attack_79_a_client_that_does_not_read_is_waited_for() -> None:
    connection = logged_in(pop3_service(filled_store(*[LONG] * 9), limits=SMALL))
    connection.transport.producer.pauseProducing()
    first = said(connection, b"UIDL")
    assert not first.endswith(b".\r\n")
    connection.transport.producer.resumeProducing()
    connection.settle()
    assert (first + connection.transport.take()).count(b"\r\n") == 11


def test_attack_79_a_hundred_thousand_unique_ids_wait_for_a_client_that_reads_slowly() -> None:
    connection = pop3_connection(pop3_service(filled_store(*[b"\r\n"] * 100_000)))
    connection.transport = SlowTransport(secure=True)
    connection.connect()
    said(connection, b"USER ann@example.org\r\nPASS secret")
    told, piece = b"", said(connection, b"UIDL")
    while piece:
        assert len(piece) <= 2 * FULL
        told += piece
        connection.transport.producer.resumeProducing()
        connection.settle()
        piece = connection.transport.take()
    lines = told.splitlines()
    assert [int(line.split()[0]) for line in lines[1:-1]] == list(range(1, 100_001))
    assert lines[-1] == b"."


@pytest.mark.parametrize("error", [StorageFault("The disk", cause="/secret"), RuntimeError("bug")])
def test_fault_8_a_message_that_breaks_off_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    connection = logged_in(pop3_service(filled_store(HELLO), limits=SMALL))
    read = HeldMessage.read

    def broken(self: HeldMessage, offset: int, length: int) -> bytes:
        if offset:
            raise error
        return read(self, offset, length)

    monkeypatch.setattr(HeldMessage, "read", broken)
    assert said(connection, b"RETR 1") == b"+OK 67 octets\r\nFro"
    assert connection.closed


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (StorageFault("The disk", cause="/secret"), b"-ERR [SYS/TEMP] The disk\r\n"),
        (MessageGone("The message is gone"), b"-ERR The message is gone\r\n"),
        (MailError("No", cause="/secret"), b"-ERR No\r\n"),
        (RuntimeError("/secret"), b"-ERR [SYS/TEMP] Internal error, see the server's log\r\n"),
    ],
)
def test_a_message_that_cannot_be_opened_is_told_and_the_session_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception, answer: bytes
) -> None:
    connection = logged_in(pop3_service(filled_store(HELLO)))
    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailbox, "read", raising(error))
        assert said(connection, b"RETR 1") == answer
    assert said(connection, b"RETR 1").startswith(b"+OK 67 octets\r\n")


def test_a_header_in_utf_8_is_the_same_for_who_asked_for_it_and_who_did_not() -> None:
    message = "Subject: Grüße, 日本語\r\n\r\nЖизнь\r\n".encode()
    service = pop3_service(filled_store(message))
    for ask in (b"", b"UTF8\r\n"):
        connection = connected(service)
        said(connection, ask + b"USER ann@example.org\r\nPASS secret")
        assert said(connection, b"LIST 1") == b"+OK 1 %d\r\n" % len(message)
        assert said(connection, b"RETR 1") == b"+OK %d octets\r\n%b.\r\n" % (len(message), message)
        assert said(connection, b"QUIT") == b"+OK Bye\r\n"


# -- before login -------------------------------------------------------------------------------------------------


def test_attack_44_plaintext_behind_stls_ends_the_connection() -> None:
    connection = connected(pop3_service(filled_store()), secure=False)
    connection.send(b"STLS\r\nUSER ann@example.org\r\n")
    assert b"Send the password" not in connection.transport.take()
    assert not connection.transport.tls_begun
    assert connection.transport.disconnecting or connection.transport.aborting


def test_what_the_gate_has_written_down_is_not_written_twice() -> None:
    service = pop3_service(filled_store(), sessions=1)
    service.gate.sessions.admit(str(ANN))
    with capturedLogs() as events:
        for user in (b"broken@example.org", b"ann@example.org"):
            said(connected(service), b"USER %s\r\nPASS secret" % user)
    assert [str(formatEvent(event)).partition(":")[0] for event in events] == [
        "login cannot be checked",
        "login refused",
    ]


def test_attack_33_an_endless_response_ends_the_connection() -> None:
    connection = connected(pop3_service(filled_store(), limits=replace(SMALL, auth_line=600)))
    assert said(connection, b"AUTH PLAIN") == b"+ \r\n"
    connection.send(b"A" * 600)
    assert connection.transport.take() == b"-ERR The line is too long\r\n"
    assert connection.closed


def test_a_response_may_be_longer_than_a_command() -> None:
    connection = connected(pop3_service(filled_store()))
    said(connection, b"AUTH PLAIN")
    assert said(connection, b"A" * 10000).startswith(b"-ERR The response does not consist of three parts")


def test_attack_33_who_hangs_up_in_an_exchange_leaves_nothing_behind() -> None:
    service = pop3_service(filled_store(), sessions=1)
    for _ in range(100):
        connection = connected(service)
        said(connection, b"AUTH PLAIN")
        drop(connection)
    logged_in(service)
