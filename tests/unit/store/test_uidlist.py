"""The grammar of dovecot-uidlist, sound and damaged."""

from __future__ import annotations

import pytest

from mailbox_d.store.uidlist import UID_MAX, Header, extension, format_header, format_lines, parse, parse_lines

GUID = b"0123456789abcdef0123456789abcdef"
HEAD = b"3 V1700000000 N5 G" + GUID + b"\n"


def test_a_list_as_dovecot_writes_it() -> None:
    header, lines = parse(HEAD + b"1 :a,S=1,W=2\n3 G0123 :b\n4 P17 O2 Zx :c\n")
    assert header == Header(1_700_000_000, 5, GUID)
    assert lines.uid_of == {b"a,S=1,W=2": 1, b"b": 3, b"c": 4}
    assert lines.extensions == {b"b": b"G0123", b"c": b"P17 O2 Zx"}
    assert (lines.highest, lines.count, lines.damaged) == (4, 3, False)


def test_extensions_are_found_by_letter() -> None:
    assert extension(b"P17 O2 W300", b"W") == b"300"
    assert extension(b"P17", b"W") is None


def test_header_fields_that_mean_nothing_here_are_kept() -> None:
    header, _ = parse(b"3 V7 N2 P%08Xu%08Xv Zhello\n")
    assert header.others == (b"P%08Xu%08Xv", b"Zhello")
    assert format_header(header) == b"3 V7 N2 P%08Xu%08Xv Zhello\n"


def test_what_is_written_is_read_back() -> None:
    rows = [(1, b"", b"a"), (2, b"P3 O4", b"b"), (9, b"", b"c")]
    written = format_header(Header(9, 10, GUID, (b"Zx",))) + format_lines(rows)
    header, lines = parse(written)
    assert header == Header(9, 10, GUID, (b"Zx",))
    assert lines.uid_of == {b"a": 1, b"b": 2, b"c": 9}
    assert not lines.damaged


def test_version_1_is_read_and_wants_rewriting() -> None:
    header, lines = parse(b"1 1700000000 4\n1 a\n3 b\n")
    assert (header.uid_validity, header.next_uid) == (1_700_000_000, 4)
    assert lines.uid_of == {b"a": 1, b"b": 3}
    assert lines.damaged


def test_a_cr_before_the_lf_is_dropped() -> None:
    header, lines = parse(b"3 V7 N2\r\n1 :a\r\n2 :b\r\n")
    assert header.uid_validity == 7
    assert lines.uid_of == {b"a": 1, b"b": 2}


def test_a_torn_last_line_is_no_line() -> None:
    _, lines = parse(HEAD + b"1 :a\n2 :b\n3 :c,S=12")
    assert lines.uid_of == {b"a": 1, b"b": 2}


def test_flags_behind_a_name_are_cut_off() -> None:
    _, lines = parse(HEAD + b"1 :a:2,S\n2 :b\n")
    assert lines.uid_of == {b"a": 1, b"b": 2}


def test_a_name_listed_twice_has_its_higher_uid() -> None:
    for between in (b"", b"2 P1 :x\n"):
        _, lines = parse(HEAD + b"1 :a\n" + between + b"7 :a\n")
        assert lines.uid_of[b"a"] == 7
        assert lines.damaged


@pytest.mark.parametrize(
    "bad",
    [
        b"0 :x",
        b"-1 :x",
        b"+5 :x",
        b" 5 :x",
        b"1_0 :x",
        b"5 x",
        b"5:x",
        b"5 :",
        b":x",
        b"",
        b"x",
        b"\xff\xfe",
        b"5 lower :x",
        b"5 :a/../../x",
        b"5 :.hidden",
        b"5 :a\0b",
        b"05 :x",
        b"4294967295 :x",
        b"4294967296 :x",
        b"99999999999999999999 :x",
        b"5 :" + b"x" * 256,
        b"5 :" + b"x" * 10_000_000,
        b"9" * 10_000_000,
        b"\xd9\xa5 :x",
    ],
    ids=lambda bad: repr(bad[:20]),
)
def test_attack_123_a_hostile_line_is_dropped_and_every_other_kept(bad: bytes) -> None:
    _, lines = parse(HEAD + b"1 :a\n2 :b\n" + bad + b"\n6 :c\n7 P3 :d\n")
    assert lines.uid_of == {b"a": 1, b"b": 2, b"c": 6, b"d": 7}
    assert lines.highest == 7
    assert lines.damaged


def test_attack_123_a_huge_uid_does_not_cost_the_lines_behind_it() -> None:
    _, lines = parse(HEAD + b"1 :a\n4294967294 :evil\n2 :b\n3 :c\n")
    assert lines.uid_of == {b"a": 1, b"b": 2, b"c": 3}
    assert lines.highest == 3


def test_a_uid_out_of_order_may_have_been_handed_out_and_is_never_given_again() -> None:
    _, lines = parse(HEAD + b"1 :a\n90 :x\n2 :b\n3 :c\n")
    assert lines.uid_of == {b"a": 1, b"b": 2, b"c": 3}
    assert lines.highest == 90


def test_a_repeated_uid_names_one_message() -> None:
    _, lines = parse(HEAD + b"1 :a\n1 :b\n2 :c\n")
    assert lines.uid_of == {b"a": 1, b"c": 2}


@pytest.mark.parametrize(
    "head", [b"", b"\n", b"3\n", b"3 V0 N0\n", b"3 Vx Ny\n", b"3 V99999999999 N-1\n", b"4 V1 N1\n", b"\0" * 99 + b"\n"]
)
def test_a_header_that_says_nothing_gives_no_uidvalidity(head: bytes) -> None:
    header, _ = parse(head)
    assert (header.uid_validity, header.next_uid) == (0, 1)


def test_the_highest_uid_is_below_the_protocol_s() -> None:
    _, lines = parse(HEAD + b"%d :a\n" % UID_MAX)
    assert lines.highest == UID_MAX == 2**32 - 2


def test_appended_lines_must_be_above_those_before() -> None:
    lines = parse_lines(b"3 :a\n9 :b\n", above=4)
    assert lines.uid_of == {b"b": 9}
    assert lines.damaged
    assert parse_lines(b"", above=4).highest == 4
