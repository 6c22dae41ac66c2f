"""EHLO's reply as a value."""

from __future__ import annotations

import pytest

from mailbox_d.wire.smtp.extensions import Extensions, read_extensions
from mailbox_d.wire.smtp.peer_replies import ReceivedReply


def extensions(*lines: str) -> Extensions:
    return read_extensions(ReceivedReply(250, "", ("mail.example.net SIZE", *lines)))


def test_keywords_are_found_however_they_are_written() -> None:
    found = extensions(
        "PIPELINING", "8bitmime", "Size 1000", "X-UNKNOWN a b", "", "=odd", "-", "AUTH PLAIN", "AUTH=LOGIN"
    )
    assert dict(found.offered) == {
        "PIPELINING": (),
        "8BITMIME": (),
        "SIZE": ("1000",),
        "X-UNKNOWN": ("a", "b"),
        "AUTH": ("PLAIN", "LOGIN"),
    }
    assert "PIPELINING" in found
    assert "DSN" not in found
    assert found.mechanisms == {"PLAIN", "LOGIN"}


def test_the_greeting_is_no_extension() -> None:
    assert extensions() == Extensions()


@pytest.mark.parametrize(
    ("line", "octets"),
    [
        ("SIZE 1000", 1000),
        ("SIZE", None),
        ("SIZE 0", None),
        ("SIZE -1", None),
        ("SIZE many", None),
        ("SIZE ²", None),
        ("SIZE " + "9" * 20, 10**20 - 1),
        ("SIZE " + "9" * 21, None),
        ("PIPELINING", None),
    ],
)
def test_the_largest_message(line: str, octets: int | None) -> None:
    assert extensions(line).largest == octets
