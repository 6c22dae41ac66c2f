from __future__ import annotations

import pytest

from mailbox_d.mime.fields import select_fields, split_fields

HEADER = b"From: a\r\nX-Long: one\r\n two\r\nTO : b\r\nno field\r\nSubject: c\r\nx-long: three\r\n\r\n"


@pytest.mark.parametrize(
    ("names", "others", "expected"),
    [
        ([b"X-LONG"], False, b"X-Long: one\r\n two\r\nx-long: three\r\n\r\n"),
        ([b"to"], False, b"TO : b\r\nno field\r\n\r\n"),
        ([b"date"], False, b"\r\n"),
        ([], False, b"\r\n"),
        ([b"x-long", b"to", b"From"], True, b"Subject: c\r\n\r\n"),
        ([], True, HEADER),
    ],
)
def test_selected_fields_stand_as_written(names: list[bytes], others: bool, expected: bytes) -> None:
    assert select_fields(HEADER, names, others=others) == expected


def test_selected_fields_of_a_cut_header_end_with_an_empty_line() -> None:
    assert select_fields(b"From: a\r\nTo: b", [b"to"]) == b"To: b\r\n\r\n"
    assert select_fields(b"", [b"to"]) == b"\r\n"


def test_fields_behind_the_header_are_none() -> None:
    assert select_fields(b"From: a\r\n\r\nTo: b\r\n", [b"to"]) == b"\r\n"


def test_bare_line_feeds_end_lines_and_bare_returns_do_not() -> None:
    assert select_fields(b"From: a\nTo: b\rSubject: c\n\n", [b"to", b"subject"]) == b"To: b\rSubject: c\n\r\n"


def test_split_fields_are_unfolded_and_the_first_counts() -> None:
    wanted = {b"x-long": "long", b"to": "to", b"from": "from_", b"date": "date"}
    assert split_fields(HEADER, wanted) == {"from_": b"a", "long": b"one two", "to": b"b"}
