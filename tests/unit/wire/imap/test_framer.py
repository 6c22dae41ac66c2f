"""Cutting IMAP's stream into commands."""

from __future__ import annotations

import pytest

from mailbox_d.wire.imap.framer import (
    AppendEnd,
    AppendStart,
    Chunk,
    Command,
    Event,
    Fault,
    Framer,
    FramerLimits,
    GoAhead,
    Line,
)

LOGGED_IN = FramerLimits(line=200, literals=3, literal_octets=100, streams_messages=True, drained=50, chunk=8)


def events(data: bytes, limits: FramerLimits | None = None) -> list[Event]:
    framer = Framer(limits)
    framer.feed(data)
    return list(iter(framer.next_event, None))


def test_lines_are_commands() -> None:
    assert events(b"a NOOP\r\n\r\nb LOG") == [Command(b"a NOOP"), Command(b"")]


def test_a_literal_is_asked_for_and_stands_apart_from_the_text() -> None:
    assert events(b"a LOGIN {3}\r\na\r\n {2}\r\n\0b\r\n") == [
        GoAhead(b"a LOGIN ", 3),
        GoAhead(b"a LOGIN \0 ", 2),
        Command(b"a LOGIN \0 \0", (b"a\r\n", b"\0b")),
    ]


def test_a_literal_plus_comes_without_being_asked_for() -> None:
    assert events(b"a LOGIN {3+}\r\nann {0+}\r\n\r\n") == [Command(b"a LOGIN \0 \0", (b"ann", b""))]


def test_a_message_is_handed_on_in_chunks() -> None:
    data = b'a APPEND {5+}\r\nINBOX (\\Seen) " 1-Jan-2024 00:00:00 +0000" {10}\r\n0123456789\r\nb NOOP\r\n'
    assert events(data, LOGGED_IN) == [
        AppendStart(b'a APPEND \0 (\\Seen) " 1-Jan-2024 00:00:00 +0000" \0', (b"INBOX",), 10, waiting=True),
        Chunk(b"01234567"),
        Chunk(b"89"),
        AppendEnd(),
        Command(b"b NOOP"),
    ]


def test_before_login_a_message_is_a_literal_like_any_other() -> None:
    assert events(b"a APPEND INBOX {2+}\r\nhi\r\n") == [Command(b"a APPEND INBOX \0", (b"hi",))]


@pytest.mark.parametrize("mailbox", [b"INBOX", b'"a \\" b"', b"Entw&APw-rfe", b"a%b"])
def test_an_append_is_known_by_its_prefix(mailbox: bytes) -> None:
    first, *_ = events(b"a append %b {4+}\r\n" % mailbox, LOGGED_IN)
    assert first == AppendStart(b"a append %b \0" % mailbox, (), 4, waiting=False)


@pytest.mark.parametrize(
    "text", [b"a APPEND {4+}", b"a APPENDIX INBOX {4+}", b"a APPEND INBOX{4+}", b"a APPEND (x) {4+}"]
)
def test_what_is_no_append_holds_its_literal(text: bytes) -> None:
    assert events(text + b"\r\nword\r\n", LOGGED_IN) == [Command(text.removesuffix(b"{4+}") + b"\0", (b"word",))]


def test_behind_two_literals_no_message_is_expected() -> None:
    text = b"a APPEND {1+}\r\nx (\\Seen {1+}\r\ny) {4+}\r\nword\r\n"
    assert events(text, LOGGED_IN) == [Command(b"a APPEND \0 (\\Seen \0) \0", (b"x", b"y", b"word"))]


@pytest.mark.parametrize(("announced", "waiting"), [(b"~{3}", True), (b"~{3+}", False)])
def test_a_message_may_come_as_a_literal8(announced: bytes, waiting: bool) -> None:
    assert events(b"a APPEND INBOX " + announced + b"\r\na\0b\r\nb NOOP\r\n", LOGGED_IN) == [
        AppendStart(b"a APPEND INBOX ~\0", (), 3, waiting),
        Chunk(b"a\0b"),
        AppendEnd(),
        Command(b"b NOOP"),
    ]


def test_a_message_with_utf_8_in_its_header_ends_with_a_parenthesis() -> None:
    assert events(b"a APPEND x () utf8 (~{2+}\r\nhi)\r\nb NOOP\r\n", LOGGED_IN) == [
        AppendStart(b"a APPEND x () utf8 (~\0", (), 2, waiting=False),
        Chunk(b"hi"),
        AppendEnd(),
        Command(b"b NOOP"),
    ]


@pytest.mark.parametrize("end", [b"", b" )", b"))", b") (x)"])
def test_nothing_else_ends_a_message_in_parentheses(end: bytes) -> None:
    assert events(b"a APPEND x UTF8 (~{2+}\r\nhi" + end + b"\r\nb NOOP\r\n", LOGGED_IN)[2:] == [
        Fault(b"a", "The message ends with a closing parenthesis", fatal=False),
        Command(b"b NOOP"),
    ]


@pytest.mark.parametrize("text", [b"a SELECT ~", b"a LOGIN ann ~", b"a APPEND ~", b"a APPEND x (~", b"a ~", b"~"])
@pytest.mark.parametrize("limits", [FramerLimits(drained=3), LOGGED_IN])
def test_a_literal8_that_is_no_message_is_refused_without_a_go_ahead(text: bytes, limits: FramerLimits) -> None:
    refused = Fault(text[:1].replace(b"~", b"*"), "A literal8 can only be APPEND's message", fatal=False)
    assert events(text + b"{3}\r\nb NOOP\r\n", limits) == [refused, Command(b"b NOOP")]
    assert events(text + b"{3+}\r\na\0b x\r\nb NOOP\r\n", limits) == [refused, Command(b"b NOOP")]


def test_before_login_a_literal8_is_refused() -> None:
    refused = Fault(b"a", "A literal8 can only be APPEND's message", fatal=False)
    assert events(b"a APPEND x ~{3}\r\n") == [refused]


def test_nothing_may_follow_the_message() -> None:
    data = b"a APPEND x {2+}\r\nhi (\\Seen)\r\nb NOOP\r\n"
    assert events(data, LOGGED_IN)[2:] == [
        Fault(b"a", "Nothing may follow the message", fatal=False),
        Command(b"b NOOP"),
    ]
    data = b"a APPEND x {2+}\r\nhi {2+}\r\nhi\r\nb NOOP\r\n"
    assert events(data, LOGGED_IN)[2:] == [Fault(b"a", "Nothing may follow the message", fatal=True)]


def test_a_refused_go_ahead_drops_the_command() -> None:
    framer = Framer()
    framer.feed(b"a LOGIN {3}\r\n")
    assert framer.next_event() == GoAhead(b"a LOGIN ", 3)
    assert framer.refuse()
    framer.feed(b"b NOOP\r\n")
    assert framer.next_event() == Command(b"b NOOP")


def test_a_refused_message_that_comes_unasked_is_read_and_dropped() -> None:
    framer = Framer(LOGGED_IN)
    framer.feed(b"a APPEND nowhere {50+}\r\n")
    assert isinstance(framer.next_event(), AppendStart)
    assert framer.refuse()
    for _ in range(50):
        framer.feed(b"x")
        assert framer.next_event() is None
        assert framer.buffered == 0
    framer.feed(b"\r\nb NOOP\r\n")
    assert framer.next_event() == Command(b"b NOOP")


def test_a_message_refused_half_way_is_read_to_its_end() -> None:
    framer = Framer(LOGGED_IN)
    framer.feed(b"a APPEND x {10}\r\n01234")
    assert isinstance(framer.next_event(), AppendStart)
    assert framer.next_event() == Chunk(b"01234")
    assert framer.refuse()
    framer.feed(b"c EXP\r\nb NOOP\r\n")
    assert framer.next_event() == Command(b"b NOOP")


def test_a_refused_message_too_large_to_drop_ends_it() -> None:
    framer = Framer(LOGGED_IN)
    framer.feed(b"a APPEND nowhere {51+}\r\n")
    assert isinstance(framer.next_event(), AppendStart)
    assert not framer.refuse()
    framer.feed(b"b NOOP\r\n")
    assert framer.next_event() is None
    assert framer.buffered == 0


def test_a_line_is_handed_over_where_one_is_expected() -> None:
    framer = Framer()
    framer.feed(b"a AUTHENTICATE PLAIN\r\nAGEAYg== {3}\r\nb NOOP\r\n")
    assert framer.next_event() == Command(b"a AUTHENTICATE PLAIN")
    framer.expect_line()
    assert framer.next_event() == Line(b"AGEAYg== {3}")
    assert framer.next_event() == Command(b"b NOOP")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"a NOOP\nb NOOP\r\n", Fault(b"a", "A line ends with CRLF", fatal=False)),
        (b"a NO\0OP\r\nb NOOP\r\n", Fault(b"a", "A command holds a NUL or a bare CR", fatal=False)),
        (b"a NO\rOP\r\nb NOOP\r\n", Fault(b"a", "A command holds a NUL or a bare CR", fatal=False)),
        (b"\x80\0\r\nb NOOP\r\n", Fault(b"*", "A command holds a NUL or a bare CR", fatal=False)),
        (b"a LOGIN {4097}\r\nb NOOP\r\n", Fault(b"a", "The literal is too large", fatal=False)),
        (b"a LOGIN {4294967296}\r\nb NOOP\r\n", Fault(b"a", "A literal is at most 4294967295 octets", fatal=False)),
    ],
)
def test_after_a_fault_the_next_command_is_found(data: bytes, fault: Fault) -> None:
    assert events(data) == [fault, Command(b"b NOOP")]


@pytest.mark.parametrize(
    "data", [b"a X {1+}\nb NOOP\r\n", b"a \0 {1+}\r\nb NOOP\r\n", b"a X {9999999999+}\r\nb NOOP\r\n"]
)
def test_where_the_next_command_is_in_doubt_nothing_more_is_read(data: bytes) -> None:
    framer = Framer()
    framer.feed(data)
    fault = framer.next_event()
    assert isinstance(fault, Fault)
    assert fault.fatal
    framer.feed(b"c NOOP\r\n")
    assert framer.next_event() is None
    assert framer.buffered == 0


@pytest.mark.parametrize("size", [b"400000000", b"99999999999999", b"9" * 5000, b"4097"])
def test_attack_57_a_huge_literal_before_login_is_refused_without_a_go_ahead(size: bytes) -> None:
    [fault] = events(b"a LOGIN {%b}\r\n" % size)
    assert isinstance(fault, Fault)
    assert (fault.tag, fault.fatal) == (b"a", False)


def test_attack_57_a_huge_literal_that_comes_unasked_is_fatal() -> None:
    assert events(b"a LOGIN {5000+}\r\nxxxxx") == [Fault(b"a", "The literal is too large", fatal=True)]


@pytest.mark.parametrize("announced", [b"{-1}", b"{}", b"{+}", b"{1-}", b"{1++}", b"{ 1}", b"{0x1}"])
def test_attack_57_what_is_no_number_announces_nothing(announced: bytes) -> None:
    text = b"a LOGIN " + announced
    assert events(text + b"\r\n") == [Command(text)]


def test_attack_57_the_literals_of_a_command_are_counted() -> None:
    limits = FramerLimits(line=65536, literals=1000, literal_octets=1 << 20)
    *held, fault = events(b"a X" + b" {0+}\r\n" * 1001 + b"\r\n", limits)
    assert held == []
    assert fault == Fault(b"a", "The command has too many literals", fatal=False)


def test_attack_57_the_octets_of_all_literals_are_counted() -> None:
    limits = FramerLimits(line=65536, literals=1000, literal_octets=1 << 20)
    half = b" {524288+}\r\n" + b"x" * 524288
    *held, fault = events(b"a X" + half + half + b" {1+}\r\n", limits)
    assert held == []
    assert fault == Fault(b"a", "The literal is too large", fatal=True)


def test_attack_57_nothing_is_allocated_ahead() -> None:
    framer = Framer(FramerLimits(literal_octets=1 << 30))
    framer.feed(b"a LOGIN {1073741824}\r\nx")
    assert isinstance(framer.next_event(), GoAhead)
    assert framer.next_event() is None
    assert framer._literal.__sizeof__() < 1000


def test_attack_58_a_line_without_end_is_held_up_to_its_limit() -> None:
    framer = Framer()
    framer.feed(b"a NOOP " + b"(" * 8184)
    assert framer.next_event() is None
    assert framer.buffered == 8191
    framer.feed(b"((")
    assert framer.next_event() is None
    framer.feed(b"(")
    assert framer.next_event() == Fault(b"a", "The command line is too long", fatal=True)
    assert framer.buffered == 0


def test_attack_58_pieces_of_a_line_count_together() -> None:
    limits = FramerLimits(line=20)
    [fault] = events(b"a 3456789 {1+}\r\nx 0123456789\r\n", limits)
    assert fault == Fault(b"a", "The command line is too long", fatal=True)


def test_a_line_of_just_the_limit_is_taken() -> None:
    limits = FramerLimits(line=20)
    assert events(b"a" * 20 + b"\r\n", limits) == [Command(b"a" * 20)]
    assert isinstance(events(b"a" * 21 + b"\r\n", limits)[0], Fault)
