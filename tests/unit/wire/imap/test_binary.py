"""FETCH's attributes of RFC 3516."""

from __future__ import annotations

import pytest

from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.fetch import BinarySection, BinarySize, parse_fetch_attributes


@pytest.mark.parametrize(
    ("text", "attribute", "name"),
    [
        (b"BINARY[1.2]", BinarySection((1, 2)), b"BINARY[1.2]"),
        (b"binary.peek[]<5.10>", BinarySection((), True, (5, 10)), b"BINARY[]<5>"),
        (b"BINARY.SIZE[3]", BinarySize((3,)), b"BINARY.SIZE[3]"),
    ],
)
def test_binary_attributes_are_read_and_named(text: bytes, attribute: BinarySection | BinarySize, name: bytes) -> None:
    assert parse_fetch_attributes(Cursor(text)) == (attribute,)
    assert responses.binary_name(attribute) == name


@pytest.mark.parametrize("text", [b"BINARY[TEXT]", b"BINARY[1.MIME]", b"BINARY", b"BINARY.SIZE[1]<0.1>", b"FLAGS[1]"])
def test_what_is_no_binary_attribute(text: bytes) -> None:
    cursor = Cursor(text)
    with pytest.raises(BadSyntax):
        parse_fetch_attributes(cursor)


def test_a_literal_that_may_hold_nuls_says_so() -> None:
    assert responses.literal_start(3, binary=True) == b"~{3}\r\n"
