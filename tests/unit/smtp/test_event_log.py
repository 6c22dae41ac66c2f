"""What the operator reads: one line for each mail event, whatever strangers put into it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from tests.dialogues import smtp_servers
from tests.dialogues.memory import Connection


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines that are logged."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def talk(connection: Connection, *commands: str) -> None:
    connection.connect()
    for command in commands:
        connection.send(command.encode() + b"\r\n")


def assert_one_short_line(line: str) -> None:
    assert line.isprintable()
    assert len(line) <= 1000


def test_attack_125_an_envelope_cannot_break_its_line(lines: list[str]) -> None:
    local_part = "aé%s{peer}"
    talk(
        smtp_servers.smtp({}),
        "EHLO a.example",
        f"MAIL FROM:<{local_part}@example.com> SMTPUTF8",
        *(f"RCPT TO:<{local_part}{number}@example.net>" for number in range(30)),
        "DATA",
        "Subject: x",
        "",
        ".",
    )
    kept = [line for line in lines if "kept" in line]
    assert len(kept) == 1
    assert "aé%s{peer}" in kept[0]
    assert "and 25 more" in kept[0]
    assert_one_short_line(kept[0])


def test_attack_125_a_refused_recipient_cannot_break_its_line(lines: list[str]) -> None:
    talk(
        smtp_servers.smtp({}),
        "EHLO a.example",
        "MAIL FROM:<> SMTPUTF8",
        'RCPT TO:<"' + "%s{x} " * 9 + '"@example.org>',
    )
    (refused,) = [line for line in lines if "refused" in line]
    assert "UNKNOWN_RECIPIENT" in refused
    assert_one_short_line(refused)


def test_attack_125_a_user_name_cannot_break_its_line(lines: list[str]) -> None:
    name = "x\n\x1b[2J\u2028" + "y" * 8000
    response = base64.b64encode(f"\0{name}\0pass".encode()).decode()
    connection = smtp_servers.submission({})
    talk(connection, "EHLO a.example", "STARTTLS")
    connection.finish_handshake()
    for command in ("EHLO a.example", "AUTH PLAIN", response):
        connection.send(command.encode() + b"\r\n")
    (failed,) = [line for line in lines if "login failed" in line]
    assert "x\\n\\x1b[2J\\u2028yyy" in failed
    assert_one_short_line(failed)
