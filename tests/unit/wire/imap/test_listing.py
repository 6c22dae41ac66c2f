"""LIST with its options, read."""

from __future__ import annotations

import pytest

from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.listing import List, ListReturn, ListSelection
from mailbox_d.wire.imap.parser import parse_command
from mailbox_d.wire.imap.status import StatusItem


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (b'LIST "" *', List("", ("*",))),
        (b'LIST () "" *', List("", ("*",), extended=True)),
        (b'LIST "" (a b)', List("", ("a", "b"), extended=True)),
        (b'LIST "" * RETURN ()', List("", ("*",), extended=True)),
        (b'LIST (special-use) "" *', List("", ("*",), frozenset({ListSelection.SPECIAL_USE}), extended=True)),
        (
            b'LIST (RECURSIVEMATCH SUBSCRIBED) x/ ("%" inbox) return (CHILDREN STATUS (SIZE MESSAGES) special-use)',
            List(
                "x/",
                ("%", "INBOX"),
                frozenset({ListSelection.RECURSIVEMATCH, ListSelection.SUBSCRIBED}),
                frozenset({ListReturn.CHILDREN, ListReturn.SPECIAL_USE}),
                (StatusItem.SIZE, StatusItem.MESSAGES),
                extended=True,
            ),
        ),
    ],
)
def test_list(text: bytes, command: List) -> None:
    assert parse_command(text, 0) == command


def test_patterns_may_be_literals() -> None:
    assert parse_command(b"LIST \0 (\0 \0)", 0, [b"", b"a*", b"&APw-"]) == List("", ("a*", "ü"), extended=True)


@pytest.mark.parametrize("text", [b'LIST "" (a)x', b'LIST ("SUBSCRIBED") "" *', b'LIST "" * RETURN STATUS (SIZE)'])
def test_what_is_no_list(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_command(text, 0)
