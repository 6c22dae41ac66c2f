"""Clients that speak before it is their turn: what comes in one segment is what counts here."""

from __future__ import annotations

import pytest

from tests.dialogues import smtp_servers
from tests.dialogues.memory import Connection

REFUSAL = b"554 5.5.0 You spoke before it was your turn\r\n"


def connected(*lines: bytes) -> Connection:
    connection = smtp_servers.smtp({})
    connection.connect()
    for line in lines:
        connection.send(line + b"\r\n")
    connection.transport.take()
    return connection


@pytest.mark.parametrize("command", [b"EHLO a.example", b"HELO a.example", b"STARTTLS"])
def test_attack_7_commands_behind_one_that_must_be_answered_first(command: bytes) -> None:
    connection = connected()
    connection.send(command + b"\r\nMAIL FROM:<>\r\n")
    assert connection.transport.take() == REFUSAL
    assert connection.closed


def test_attack_7_a_message_before_the_go_ahead() -> None:
    connection = connected(b"HELO a.example", b"MAIL FROM:<>", b"RCPT TO:<alice@example.org>")
    connection.send(b"DATA\r\nSubject: x\r\n\r\n.\r\n")
    assert connection.transport.take() == REFUSAL
    assert connection.closed


def test_attack_44_plaintext_behind_starttls_in_one_segment() -> None:
    connection = connected(b"HELO a.example")
    connection.send(b"STARTTLS\r\nRSET\r\n")
    assert not connection.transport.tls_begun
    assert connection.closed


def test_attack_17_a_flood_of_commands_ends_the_session() -> None:
    connection = connected()
    connection.send(b"NOOP\r\n" * 5000)
    said = connection.transport.take().splitlines()
    assert said.count(b"250 2.0.0 Ok") == 100
    assert said[-1].startswith(b"421 ")
    assert connection.closed
