"""The SMTP framer: one way to end a line, one way to end a message, at every cut of the stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.smtp.framer import DataPiece, Event, Framing, Line, SMTPFramer

BAD_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n"]


def frame(pieces: list[bytes], max_line: int = 100) -> list[Event | bytes]:
    """What comes out when `pieces` are fed one after the other; DATA turns to a message, whose pieces are joined."""
    framer = SMTPFramer(max_line)
    events: list[Event | bytes] = []
    for piece in pieces:
        framer.feed(piece)
        while (event := framer.next_event()) is not None:
            if isinstance(event, DataPiece) and events and isinstance(events[-1], bytes):
                events[-1] += event.octets
            else:
                events.append(event.octets if isinstance(event, DataPiece) else event)
            if event == Line(b"DATA"):
                framer.begin_data()
    return events


def every_cut(stream: bytes) -> list[list[bytes]]:
    whole = [[stream], [stream[place : place + 1] for place in range(len(stream))]]
    return whole + [[stream[:place], stream[place:]] for place in range(1, len(stream))]


def stuffed(message: bytes) -> bytes:
    return (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]


def test_lines_are_cut_at_crlf() -> None:
    for cut in every_cut(b"EHLO a\r\nMAIL FROM:<>\r\n\r\nQU"):
        assert frame(cut) == [Line(b"EHLO a"), Line(b"MAIL FROM:<>"), Line(b"")]


def test_attack_5_a_bare_lf_ends_no_line_and_nothing_follows() -> None:
    for cut in every_cut(b"EHLO x\nMAIL FROM:<a@b>\r\n"):
        assert frame(cut) == [Framing.BARE_NEWLINE]


def test_attack_10_a_line_without_end_is_refused_at_the_cap_and_forgotten() -> None:
    framer = SMTPFramer(100)
    for _ in range(99):
        framer.feed(b"x")
        assert framer.next_event() is None
    framer.feed(b"x")
    assert framer.next_event() is Framing.LINE_TOO_LONG
    framer.feed(b"x" * 1000 + b"\r\nQUIT\r\n")
    assert framer.next_event() is None
    assert framer.buffered == 0


def test_a_line_of_just_the_limit_is_taken() -> None:
    assert frame([b"x" * 98 + b"\r\n"]) == [Line(b"x" * 98)]
    assert frame([b"x" * 99 + b"\r\n"]) == [Framing.LINE_TOO_LONG]


@pytest.mark.parametrize(
    "message",
    [b"", b".\r\n", b"..\r\n", b".x\r\n", b"a\r\n.\r\nb\r\n", b"a\r\n..\r\n", b"\r\n", b"\r\n\r\n", b"a\r\n\r\n.b\r\n"],
)
def test_attack_4_dots_are_unstuffed_at_every_cut(message: bytes) -> None:
    stream = b"DATA\r\n" + stuffed(message) + b".\r\nQUIT\r\n"
    expected = [Line(b"DATA"), *([message] if message else []), Framing.END_OF_DATA, Line(b"QUIT")]
    for cut in every_cut(stream):
        assert frame(cut) == expected


@pytest.mark.parametrize("end", BAD_ENDS)
def test_attack_1_only_crlf_dot_crlf_ends_a_message(end: bytes) -> None:
    stream = b"DATA\r\nx" + end + b"MAIL FROM:<evil@x>\r\n\r\n.\r\nQUIT\r\n"
    for cut in every_cut(stream):
        events = frame(cut)
        assert Line(b"MAIL FROM:<evil@x>") not in events
        assert events[-2:] == [Framing.END_OF_DATA, Line(b"QUIT")]
        assert events.count(Framing.BARE_NEWLINE) == (0 if b"\0" in end else 1)


def test_what_is_buffered_is_counted() -> None:
    framer = SMTPFramer(100)
    framer.feed(b"NOOP\r\nNO")
    assert framer.buffered == 8
    framer.next_event()
    assert framer.buffered == 2


@given(
    st.lists(st.sampled_from([b".", b"\r\n", b"\r\n.", b"x", b"..", b"yz\r\n"]), max_size=30).map(b"".join),
    st.lists(st.integers(0, 90), max_size=6),
)
def test_a_message_comes_out_as_it_was_however_it_is_cut(text: bytes, places: list[int]) -> None:
    message = text + b"\r\n" if text else b""
    stream = b"DATA\r\n" + stuffed(message) + b".\r\nNOOP\r\n"
    edges = [0, *sorted(place % len(stream) for place in places), len(stream)]
    cut = [stream[start:end] for start, end in itertools.pairwise(edges)]
    expected = [Line(b"DATA"), *([message] if message else []), Framing.END_OF_DATA, Line(b"NOOP")]
    assert frame(cut) == expected


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_octets_give_the_same_events_in_steps_as_whole(stream: bytes, step: int) -> None:
    cut = [stream[place : place + step] for place in range(0, len(stream), step)]
    whole, stepped = frame([stream], max_line=50), frame(cut, max_line=50)
    assert [event for event in whole if isinstance(event, Line)] == [e for e in stepped if isinstance(e, Line)]
