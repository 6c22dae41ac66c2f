"""Sessions of an IMAP server on a transport in memory, and what is said in them."""

from __future__ import annotations

from collections.abc import Callable

from mailbox_d.imap.service import IMAPLimits
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.ports import Store
from tests.dialogues.imap_server import ANN, imap_connection, imap_service
from tests.dialogues.memory import Connection


def logged_in(store: Store, limits: IMAPLimits | None = None) -> Connection:
    connection = imap_connection(imap_service(store, limits=limits), secure=True)
    connection.connect()
    connection.send(b"a LOGIN ann@example.org secret\r\n")
    assert b"a OK" in connection.transport.take()
    return connection


def selected(store: Store, limits: IMAPLimits | None = None, verb: bytes = b"SELECT") -> Connection:
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
