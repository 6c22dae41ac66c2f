"""Replies of other servers: sloppy ones are read, malformed ones are not, and none costs more than its limit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbox_d.wire.smtp.peer_replies import MAX_TEXT, MalformedReply, ReceivedReply, ReplyReader

LINE, REPLY = 512, 4096


def read(*pieces: bytes) -> list[ReceivedReply]:
    """All replies; `MalformedReply` becomes a reply of code 0, the last one."""
    reader = ReplyReader(LINE, REPLY)
    found = []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (reply := reader.next_reply()) is not None:
                found.append(reply)
        except MalformedReply as error:
            found.append(ReceivedReply(0, "", (str(error),)))
    return found


def one(octets: bytes) -> tuple[int, str, str]:
    [reply] = read(octets)
    return reply.code, reply.status, reply.text


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"250 OK\r\n", (250, "", "OK")),
        (b"250 2.1.0 Sender taken\r\n", (250, "2.1.0", "Sender taken")),
        (b"250-2.1.0 one\r\n250-2.1.0 two\r\n250 2.1.0 three\r\n", (250, "2.1.0", "one two three")),
        (b"550-one\r\n550 5.7.1 two\r\n", (550, "5.7.1", "one two")),
        (b"550 5.7.2\r\n", (550, "5.7.2", "")),
        (b"550\r\n", (550, "", "")),
        (b"550 \r\n", (550, "", "")),
        (b"550-\r\n550\r\n", (550, "", "")),
        (b"250 OK\n", (250, "", "OK")),
        (b"250-a\n250 b\r\n", (250, "", "a b")),
        (b"250OK\r\n", (250, "", "OK")),
        (b"250\tOK\r\n", (250, "", "OK")),
        (b"571 5.7.1 Blocked\r\n", (571, "5.7.1", "Blocked")),
        (b"354 End with a dot\r\n", (354, "", "End with a dot")),
    ],
)
def test_replies_as_the_world_writes_them(octets: bytes, expected: tuple[int, str, str]) -> None:
    assert one(octets) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4.7.1 Later",
        "3.7.1 Odd",
        "5.7 Short",
        "5.7.1.2 Long",
        "5.07.1 Zero",
        "5.7.1234 Big",
        "5.7.1x Glued",
        "5.7.1-No",
    ],
)
def test_a_status_that_does_not_fit_the_code_is_text(text: str) -> None:
    assert one(f"550 {text}\r\n".encode()) == (550, "", text)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"999 Hm\r\n", "no code: 999 Hm"),
        (b"199 Hm\r\n", "no code: 199 Hm"),
        (b"600 Hm\r\n", "no code: 600 Hm"),
        (b"2500 Hm\r\n", "no code: 2500 Hm"),
        (b"25 Hm\r\n", "no code: 25 Hm"),
        (b"OK\r\n", "no code: OK"),
        (b"\r\n", "no code: "),
        (b" 250 OK\r\n", "no code: 250 OK"),
        ("٢٥٠ OK\r\n".encode(), r"no code: \xd9\xa2\xd9\xa5\xd9\xa0 OK"),
        (b"\x16\x03\x01\x02\n", r"no code: \x16\x03\x01\x02"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no code: HTTP/1.1 400 Bad Request"),
        (b"250-a\r\n550 b\r\n", "the code changes from 250 to 550"),
        (b"250-a\r\nb\r\n", "no code: b"),
        (b"250 " + b"x" * LINE, "a line is too long"),
        (b"250 " + b"x" * (LINE - 5) + b"\r\n", "a line is too long"),
        (b"250-x\r\n" * (REPLY // 7 + 1), "it is too long"),
    ],
)
def test_attack_118_what_is_no_reply_breaks_the_conversation(octets: bytes, reason: str) -> None:
    assert read(octets) == [ReceivedReply(0, "", (reason,))]
    assert read(*(octets[at : at + 1] for at in range(len(octets)))) == [ReceivedReply(0, "", (reason,))]


def test_the_longest_line_and_the_longest_reply_are_read() -> None:
    assert one(b"250 " + b"x" * (LINE - 6) + b"\r\n")[0] == 250
    assert one(b"250-x\r\n" * (REPLY // 7 - 1) + b"250 x\r\n")[0] == 250


def test_attack_118_text_is_made_printable_ascii_on_one_line() -> None:
    octets = b"550 5.7.1 a\0b\x1b[2Jc\rX-Header: d \xd0\x96 \xff\x7f\r\n"
    assert one(octets) == (550, "5.7.1", r"a\x00b\x1b[2Jc\rX-Header: d \xd0\x96 \xff\x7f")


def test_attack_118_text_is_cut() -> None:
    code, status, text = one(b"550-5.0.0 " + b"x" * 400 + b"\r\n" + b"550 " + b"\xff" * 400 + b"\r\n")
    assert (code, status) == (550, "5.0.0")
    assert len(text) == MAX_TEXT
    assert text.endswith("...")


def test_nothing_comes_after_what_is_no_reply() -> None:
    assert read(b"what?\r\n250 OK\r\n", b"250 OK\r\n") == [ReceivedReply(0, "", ("no code: what?",))]


def test_attack_118_an_endless_line_or_reply_is_not_kept() -> None:
    for first, again in ((b"250 ", b"x" * 65536), (b"250-a\r\n", b"250-a\r\n" * 9000)):
        reader = ReplyReader(LINE, REPLY)
        reader.feed(first)
        with pytest.raises(MalformedReply):
            for _ in range(10):
                reader.feed(again)
                reader.next_reply()
        for _ in range(10):
            reader.feed(again)
        assert reader.next_reply() is None
        assert reader.buffered == 0


def test_what_was_not_handed_out_is_counted() -> None:
    reader = ReplyReader(LINE, REPLY)
    reader.feed(b"250-one\r\n25")
    assert reader.next_reply() is None
    assert reader.buffered == 11
    reader.feed(b"0 two\r\n220")
    assert reader.next_reply() is not None
    assert reader.buffered == 3


STREAMS = st.lists(
    st.sampled_from([b"250", b"550", b"-", b" ", b"5.1.1", b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"text", b"9"])
    | st.binary(max_size=4),
    max_size=40,
).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 200)))
@example(b"250-a\r\n250 b\r\n550 5.1.1 c\r\n", [])
def test_no_cut_of_the_stream_changes_what_is_read(stream: bytes, places: list[int]) -> None:
    cuts = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(cuts))) == read(stream)


@given(STREAMS)
def test_every_reply_is_printable_and_bounded(stream: bytes) -> None:
    for reply in read(stream):
        assert reply.text.isascii()
        assert reply.text.isprintable()
        assert len(reply.text) <= MAX_TEXT
        assert reply.code == 0 or 200 <= reply.code <= 599
        assert reply.status == "" or reply.status[0] == str(reply.code)[0]


def test_a_reply_cut_at_every_place() -> None:
    stream = b"250-mail.example.net\r\n250-SIZE 1000\n250 2.0.0 OK\r\n421\r\n"
    for place in range(len(stream) + 1):
        assert read(stream[:place], stream[place:]) == read(stream)
