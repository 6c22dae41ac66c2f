"""Answers of the control socket: one line each, whatever a name on the disk looks like."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.control.answers import LINE_MAX, BadAnswer, format_answer, parse_answer


@given(st.binary(min_size=1, max_size=255))
def test_a_path_of_any_octets_comes_through_on_one_line(path: bytes) -> None:
    line = format_answer({"answer": "finding", "path": os.fsdecode(path)})
    assert line.count(b"\n") == 1 and line.isascii()
    assert os.fsencode(str(parse_answer(line)["path"])) == path


def test_a_long_text_is_cut() -> None:
    line = format_answer({"answer": "finding", "path": "\0" * 1_000_000, "detail": "ü" * 1_000_000})
    assert len(line) < LINE_MAX


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"{}", b'{"answer": 1}', b"[" * 100_000, b"\xff"])
def test_what_is_no_answer_is_refused(line: bytes) -> None:
    with pytest.raises(BadAnswer):
        parse_answer(line)
