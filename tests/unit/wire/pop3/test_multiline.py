"""A message as a multi-line response: the same however it is cut, and never ended from inside."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbox_d.wire.pop3.multiline import DotStuffer, TopCutter

messages = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\n", b"\r", b"a", b"\r\n.\r\n", b"\n.\n", b"\r\n\r\n", b"x: y"]),
    max_size=30,
).map(b"".join)


def stuffed(*pieces: bytes) -> bytes:
    stuffer = DotStuffer()
    return b"".join(map(stuffer.feed, pieces)) + stuffer.end()


def topped(lines: int, *pieces: bytes) -> bytes:
    cutter = TopCutter(lines)
    got = []
    for piece in pieces:
        if cutter.is_done:
            break
        got.append(cutter.feed(piece))
    return b"".join(got)


def unstuffed(response: bytes, line_end: bytes) -> bytes:
    """What a client makes of a response that takes this for the end of a line: the message, and nothing behind it."""
    message = b""
    rest = response
    while True:
        line, end, rest = rest.partition(line_end)
        assert end, "the response does not end"
        if line.rstrip(b"\r") == b".":
            assert rest == b"", "the response ends too early"
            return message
        message += line.removeprefix(b".") + end


@pytest.mark.parametrize(
    ("message", "response"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\n", b"a\n\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"..\r\n.a", b"...\r\n..a\r\n.\r\n"),
        (b"a.\r\n", b"a.\r\n.\r\n"),
        (b"a\n.\r\nb\r\n", b"a\n..\r\nb\r\n.\r\n"),
    ],
)
def test_dots_and_line_ends(message: bytes, response: bytes) -> None:
    assert stuffed(message) == response


@given(messages)
@example(b"a\r\n.\r\n.b\r\n..")
def test_stuffing_is_the_same_at_every_edge_of_chunks(message: bytes) -> None:
    whole = stuffed(message)
    for cut in range(len(message) + 1):
        assert stuffed(message[:cut], message[cut:]) == whole
    assert stuffed(*(message[at : at + 1] for at in range(len(message)))) == whole


@given(messages)
def test_attack_78_a_client_that_splits_at_lf_gets_the_message_back(message: bytes) -> None:
    added = b"" if message.endswith(b"\r\n") or not message else b"\r\n"
    assert unstuffed(stuffed(message), b"\n") == message + added


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b". "]), max_size=20))
def test_attack_78_a_client_that_splits_at_crlf_gets_the_message_back(lines: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    assert unstuffed(stuffed(message), b"\r\n") == message


@pytest.mark.parametrize(
    ("lines", "top"),
    [
        (0, b"h: 1\r\n\r\n"),
        (1, b"h: 1\r\n\r\na\r\n"),
        (2, b"h: 1\r\n\r\na\r\n\r\n"),
        (3, b"h: 1\r\n\r\na\r\n\r\nb"),
        (99, b"h: 1\r\n\r\na\r\n\r\nb"),
    ],
)
def test_top_is_the_header_and_so_many_lines(lines: int, top: bytes) -> None:
    assert topped(lines, b"h: 1\r\n\r\na\r\n\r\nb") == top


def test_top_of_a_message_without_header_or_without_body() -> None:
    assert topped(1, b"\r\na\r\nb\r\n") == b"\r\na\r\n"
    assert topped(0, b"h: 1\r\nh: 2\r\n") == b"h: 1\r\nh: 2\r\n"
    assert topped(0, b"h: 1\n\nbody\n") == b"h: 1\n\n"


@given(messages, st.integers(0, 5))
def test_top_is_the_same_at_every_edge_of_chunks(message: bytes, lines: int) -> None:
    whole = topped(lines, message)
    assert message.startswith(whole)
    for cut in range(len(message) + 1):
        assert topped(lines, message[:cut], message[cut:]) == whole
    assert topped(lines, *(message[at : at + 1] for at in range(len(message)))) == whole
