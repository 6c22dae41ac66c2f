"""The IMAP server as a whole, on a transport in memory: what a dialogue cannot show."""

from __future__ import annotations

from base64 import b64encode

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs, formatEvent
from twisted.mail import imap4
from twisted.python.failure import Failure

from mailbox_d.auth.portal import ProofOfUser
from mailbox_d.errors import StorageFault
from mailbox_d.imap.server import INHERITED, IMAPServer
from mailbox_d.net.inherited import inherited_methods
from mailbox_d.store.memory_mailbox import MemoryDelivery
from mailbox_d.wire.sasl.exchange import Credentials
from tests.dialogues.imap_server import ANN, OneUser, filled_store, imap_connection, imap_service
from tests.unit.imap.talking import inbox, logged_in, raising, said


def test_no_method_of_twisted_mail_can_be_reached() -> None:
    assert inherited_methods(IMAPServer).keys() <= INHERITED


def test_it_is_an_imap4server_whose_capabilities_hook_tells_ours() -> None:
    server = logged_in(filled_store()).protocol
    assert isinstance(server, imap4.IMAP4Server)
    assert server.capabilities().keys() >= {b"IMAP4rev1", b"LITERAL+"}


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


def test_what_the_gate_has_written_down_is_not_written_twice() -> None:
    service = imap_service(filled_store(), sessions=1)
    service.gate.sessions.admit(str(ANN))
    with capturedLogs() as events:
        for user in (b"broken@example.org", b"ann@example.org"):
            connection = imap_connection(service, secure=True)
            connection.connect()
            said(connection, b"a LOGIN %s secret" % user)
    assert [str(formatEvent(event)).partition(":")[0] for event in events] == [
        "login cannot be checked",
        "login refused",
    ]


@pytest.mark.parametrize(
    "command",
    [
        'LOGIN "änn@example.org" "sëcret"'.encode(),
        "LOGIN {16+}\r\nänn@example.org {7+}\r\nsëcret".encode(),
        b"AUTHENTICATE PLAIN " + b64encode("\0änn@example.org\0sëcret".encode()),
    ],
)
def test_a_user_name_and_a_password_may_be_in_utf_8(command: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def ask(checker: OneUser, credentials: ProofOfUser) -> Deferred[bytes]:
        asked.append(credentials.proof)
        return succeed(b"ann@example.org")

    monkeypatch.setattr(OneUser, "requestAvatarId", ask)
    connection = imap_connection(imap_service(filled_store()), secure=True)
    connection.connect()
    connection.transport.take()
    assert said(connection, b"a " + command)[-1].startswith(b"a OK ")
    assert asked == [Credentials("änn@example.org", "sëcret".encode())]


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
