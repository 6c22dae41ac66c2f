"""A user's message without Message-ID or Date is given them, the same each time; nobody else's is."""

from __future__ import annotations

import pytest

from mailbox_d.queue.message import Envelope, Queued, Source
from mailbox_d.relay.signing.missing_fields import missing_fields

ARRIVED = 1_700_000_000.5


def missing(header: bytes, source: Source = Source.USER, identifier: str = "ABC") -> bytes:
    return missing_fields(Queued(identifier, Envelope(None, ()), source, ARRIVED, 10), header, "mail.example.org")


def test_what_is_missing_is_told_from_the_message_alone() -> None:
    expected = b"Message-ID: <ABC@mail.example.org>\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    assert missing(b"Subject: x\r\n\r\n") == expected
    assert missing(b"Subject: x\r\n\r\n", identifier="ABC-2") == expected


@pytest.mark.parametrize("given", [b"Message-ID: <a@b>\r\n", b"message-id : <a@b>\r\n", b"MESSAGE-ID:\r\n <a@b>\r\n"])
def test_what_is_there_is_let_be(given: bytes) -> None:
    assert missing(b"Subject: x\r\n" + given + b"\r\n") == b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    assert missing(given + b"date: whenever\r\n\r\n") == b""


def test_a_folded_line_is_no_field() -> None:
    assert b"Message-ID: <ABC@" in missing(b"Subject: x\r\n Message-ID: <a@b>\r\nDate: x\r\n\r\n")


@pytest.mark.parametrize("source", [Source.FORWARDED, Source.REPORT])
def test_others_messages_are_let_be(source: Source) -> None:
    assert missing(b"Subject: x\r\n\r\n", source) == b""
