"""Lines of POP3, cut out of the stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.pop3.framer import Event, Framer, Line, TooLong


def events(framer: Framer) -> list[Event]:
    return list(iter(framer.next_event, None))


def test_a_line_ends_with_crlf_or_lf() -> None:
    framer = Framer(20)
    framer.feed(b"NOOP\r\nSTAT\nQ")
    assert events(framer) == [Line(b"NOOP"), Line(b"STAT")]
    assert framer.buffered == 1


def test_attack_77_a_line_of_the_most_octets_is_a_line_and_one_more_is_too_long() -> None:
    framer = Framer(10)
    framer.feed(b"12345678\r\n")
    assert events(framer) == [Line(b"12345678")]
    framer.feed(b"123456789\r\nNOOP\r\n")
    assert events(framer) == [TooLong()]
    assert framer.buffered == 0


def test_attack_77_a_megabyte_without_line_end_is_not_kept() -> None:
    framer = Framer(512)
    framer.feed(b"A" * 512)
    assert events(framer) == [TooLong()]
    for _ in range(1000):
        framer.feed(b"A" * 1024)
    framer.feed(b"\r\nDELE 1\r\n")
    assert (events(framer), framer.buffered) == ([], 0)


def test_the_bound_is_that_of_the_moment() -> None:
    framer = Framer(20)
    framer.feed(b"a" * 18 + b"\r\n" + b"b" * 18 + b"\r\n")
    assert framer.next_event() == Line(b"a" * 18)
    framer.max_line = 10
    assert framer.next_event() == TooLong()


@given(st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n", b"\0"]), max_size=40), st.data())
def test_lines_are_the_same_however_the_stream_is_cut(words: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(words)
    whole = Framer(16)
    whole.feed(stream)
    cut = data.draw(st.integers(0, len(stream)))
    pieces = Framer(16)
    got: list[Event] = []
    for piece in (stream[:cut], stream[cut:]):
        pieces.feed(piece)
        got += events(pieces)
    assert got == events(whole)
