"""Sequence sets."""

from __future__ import annotations

import pytest

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.sequence import STAR, SequenceSet, parse_sequence_set


def parse(text: bytes) -> SequenceSet:
    cursor = Cursor(text)
    parsed = parse_sequence_set(cursor)
    cursor.end()
    return parsed


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        (b"1", ((1, 1),)),
        (b"5:2,7", ((2, 5), (7, 7))),
        (b"*", ((STAR, STAR),)),
        (b"*:4", ((4, STAR),)),
        (b"007:4294967295", ((7, 4294967295),)),
        (b"1,1,1", ((1, 1), (1, 1), (1, 1))),
    ],
)
def test_sets_are_kept_as_ranges(text: bytes, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse(text) == SequenceSet(ranges)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0",
        b"*:0",
        b"1:0",
        b",",
        b"1,",
        b"1::2",
        b"1:2:3",
        b":1",
        b"1:",
        b"**",
        b"4294967296",
        b"18446744073709551616",
        b"9" * 5000,
        b"1,0,2",
        b"-1",
        b"x",
    ],
)
def test_attack_60_what_is_no_set_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(text)


@pytest.mark.parametrize(
    ("text", "largest", "resolved"),
    [
        (b"1:*", 5, [(1, 5)]),
        (b"*", 5, [(5, 5)]),
        (b"9:*", 5, [(5, 9)]),
        (b"*:*", 5, [(5, 5)]),
        (b"3,1,2", 5, [(1, 3)]),
        (b"1:3,2:9,11", 5, [(1, 9), (11, 11)]),
        (b"1:*", 0, []),
    ],
)
def test_resolved_ranges_ascend_and_never_touch(text: bytes, largest: int, resolved: list[tuple[int, int]]) -> None:
    assert parse(text).resolved(largest) == resolved


def test_sequence_numbers_are_those_of_messages() -> None:
    assert parse(b"4,1:2,*").sequence_numbers(5) == [range(1, 3), range(4, 6)]


@pytest.mark.parametrize(("text", "count"), [(b"6", 5), (b"1:6", 5), (b"6:*", 5), (b"*", 0), (b"1:*", 0)])
def test_a_sequence_number_that_no_message_has_is_refused(text: bytes, count: int) -> None:
    with pytest.raises(BadSyntax):
        parse(text).sequence_numbers(count)


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        (b"1:*", [range(4)]),
        (b"10", [range(1)]),
        (b"11:29", [range(1, 2)]),
        (b"50:*", [range(3, 4)]),
        (b"12:19,41", []),
        (b"30,10", [range(1), range(2, 3)]),
    ],
)
def test_uids_are_found_by_position(text: bytes, positions: list[range]) -> None:
    assert list(parse(text).positions([10, 20, 30, 40])) == positions


def test_no_uids_are_found_in_an_empty_mailbox() -> None:
    assert list(parse(b"1:*").positions([])) == []


def test_attack_60_the_largest_range_is_one_range() -> None:
    assert list(parse(b"1:4294967295").positions(range(1, 100_001))) == [range(100_000)]


def test_attack_60_a_number_written_100000_times_is_one_range() -> None:
    assert parse(b",".join([b"1"] * 100_000)).resolved(10) == [(1, 1)]
