"""SEARCH as a client sees it, over a store that keeps what messages say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.imap.service import IMAPLimits
from mailbox_d.store import maildir_mailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.message_file import open_message
from tests.dialogues.imap_server import ANN, imap_connection, imap_service
from tests.dialogues.memory import Connection


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files of messages that are opened."""
    paths: list[bytes] = []

    def noting(files: object, path: bytes, base: bytes) -> object:
        paths.append(path)
        return open_message(files, path, base)  # type: ignore[arg-type]

    monkeypatch.setattr(maildir_mailbox, "open_message", noting)
    return paths


def selected(path: Path, limits: IMAPLimits | None = None, *, messages: int = 6) -> Callable[[bytes], list[bytes]]:
    """A session in a mailbox of some messages; a command gives the lines of its response."""
    store = MaildirStore(path)
    store.account(ANN)
    mailbox = store.account(ANN).open("INBOX")
    for number in range(messages if not mailbox.messages() else 0):
        delivery = mailbox.append()
        delivery.write(
            b"Subject: number %d\r\nDate: %d Feb 2020 10:00 +0000\r\n\r\nGr\xc3\xbc\xc3\x9fe %d\r\n"
            % ((number, number + 1, number))
        )
        delivery.commit(all_or_nothing=True)
    connection = imap_connection(imap_service(store, limits=limits), secure=True)  # type: ignore[arg-type]
    connection.connect()
    said(connection, b"a LOGIN ann@example.org secret")
    said(connection, b"b SELECT INBOX")
    return lambda command: said(connection, command)


def said(connection: Connection, command: bytes) -> list[bytes]:
    connection.send(command + b"\r\n")
    return connection.transport.take().splitlines()


COMMANDS = (
    (b"c SEARCH SUBJECT number", b"* SEARCH 1 2 3 4 5 6"),
    (b"c SEARCH SUBJECT 3", b"* SEARCH 4"),
    (b"c UID SEARCH OR SUBJECT 3 TEXT {7+}\r\nGR\xc3\x9cSSE", b"* SEARCH 1 2 3 4 5 6"),
    (b"c SEARCH NOT TEXT 3 BODY {7+}\r\ngr\xc3\xbcsse SENTSINCE 3-Feb-2020", b"* SEARCH 5 6"),
    (
        b"c SEARCH RETURN (MIN MAX COUNT) HEADER Date feb NOT HEADER Subject 0",
        b'* ESEARCH (TAG "c") MIN 2 MAX 6 COUNT 5',
    ),
    (b"c SEARCH 2:4 TEXT number UNSEEN", b"* SEARCH 2 3 4"),
    (b"c SEARCH TEXT nowhere", b"* SEARCH"),
)


def asked(session: Callable[[bytes], list[bytes]]) -> list[bytes]:
    return [session(command)[0] for command, _ in COMMANDS]


def test_what_was_read_once_is_not_read_again(tmp_path: Path, opened: list[bytes]) -> None:
    session = selected(tmp_path)
    assert asked(session) == [answer for _, answer in COMMANDS]
    assert len(opened) == 12
    assert asked(session) == [answer for _, answer in COMMANDS]
    assert asked(selected(tmp_path)) == [answer for _, answer in COMMANDS]
    assert len(opened) == 12


def test_where_nothing_is_kept_every_message_is_read(tmp_path: Path, opened: list[bytes]) -> None:
    session = selected(tmp_path, IMAPLimits(search_text=0))
    for _ in range(2):
        assert asked(session) == [answer for _, answer in COMMANDS]
    assert len(opened) > 24
    assert not list(tmp_path.rglob("mailboxd.text"))


def test_a_turn_without_time_makes_a_step_all_the_same(tmp_path: Path, opened: list[bytes]) -> None:
    session = selected(tmp_path, IMAPLimits(search_turn=0.0))
    for _ in range(2):
        assert asked(session) == [answer for _, answer in COMMANDS]
    assert len(opened) == 12


def test_whoever_leaves_the_mailbox_gives_back_what_is_kept_of_messages_that_are_gone(tmp_path: Path) -> None:
    session = selected(tmp_path)
    asked(session)
    (text,) = tmp_path.rglob("mailboxd.text")
    assert b"subject: number 1" in text.read_bytes()
    session(rb"d STORE 1:4 +FLAGS (\Deleted)")
    session(b"e EXPUNGE")
    assert asked(session)[0] == b"* SEARCH 1 2"
    session(b"f CLOSE")
    assert b"subject: number 1" not in text.read_bytes()
    assert b"subject: number 5" in text.read_bytes()
