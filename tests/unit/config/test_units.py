"""Sizes, durations and counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.config.faults import Refusal, WrongKind
from mailbox_d.config.units import (
    Count,
    Duration,
    Size,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

HERE = Path()


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("50 MiB", 52_428_800),
        ("1 GiB", 1 << 30),
        ("1GiB", 1 << 30),
        ("1.5 KiB", 1536),
        ("2 kB", 2000),
        ("10 MB", 10_000_000),
        ("1 TiB", 1 << 40),
        ("0 B", 0),
        ("64 kib", 65_536),
        (1024, 1024),
        (0, 0),
    ],
)
def test_sizes(text: object, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize(
    "value", ["", "50", "MiB", "-1 MiB", "1 M", "1 MiB MiB", "1e3 B", "٣ MiB", "1 MiB\n2", "9" * 99 + " B"]
)
def test_sizes_that_are_none(value: str) -> None:
    with pytest.raises(Refusal):
        parse_size(value)


@pytest.mark.parametrize("value", [True, -1, 1.5, None, [1], {}])
def test_values_of_another_kind_are_no_sizes(value: object) -> None:
    with pytest.raises(WrongKind):
        parse_size(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30 s", 30), ("5 min", 300), ("4 h", 14_400), ("5 days", 432_000), ("1 day", 86_400), ("250 ms", 0.25), (0, 0)],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", ["", "30", "s", "5 m", "1:30", "-1 s", 30, -1])
def test_durations_that_are_none(value: object) -> None:
    with pytest.raises(Refusal):
        parse_duration(value)


def test_a_unit_nearly_right_is_answered_with_the_right_one() -> None:
    with pytest.raises(Refusal, match='the unit "minutes" is unknown, did you mean "min"'):
        parse_duration("5 minutes")
    with pytest.raises(Refusal, match='the unit "MiBs" is unknown, did you mean "MiB"'):
        parse_size("5 MiBs")


@given(st.integers(0, 1 << 45))
def test_a_size_is_read_as_it_is_written(octets: int) -> None:
    assert parse_size(format_size(octets)) == octets


@given(st.integers(0, 10**9))
def test_a_duration_is_read_as_it_is_written(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


def test_the_shortest_writing_is_chosen() -> None:
    assert [format_size(octets) for octets in (0, 500, 2048, 50 << 20, 1 << 40)] == [
        "0 B",
        "500 B",
        "2 KiB",
        "50 MiB",
        "1 TiB",
    ]
    assert [format_duration(seconds) for seconds in (0, 0.1, 30, 90, 300, 7200, 86_400, 172_800)] == [
        "0 s",
        "100 ms",
        "30 s",
        "90 s",
        "5 min",
        "2 h",
        "1 day",
        "2 days",
    ]


def test_bounds_are_included() -> None:
    assert Size(least=1024, most=2048).read("1 KiB", HERE) == 1024
    assert Size(least=1024, most=2048).read("2 KiB", HERE) == 2048
    assert Duration(least=1, most=60).read("1 min", HERE) == 60
    assert Count(least=0, most=5).read(0, HERE) == 0


@pytest.mark.parametrize(
    ("quantity", "value", "words"),
    [
        (Size(least=1024), "1 B", "1 B is too small, expected at least 1 KiB"),
        (Size(most=1024), "1 MiB", "1 MiB is too big, expected at most 1 KiB"),
        (Duration(least=60), "1 s", "1 s is too short, expected at least 1 min"),
        (Duration(most=60), "1 h", "1 h is too long, expected at most 1 min"),
        (Count(), 0, "0 is too small, expected at least 1"),
        (Count(most=5), 6, "6 is too big, expected at most 5"),
        (Count(), True, "this is the truth value true, expected a whole number"),
    ],
)
def test_what_is_out_of_bounds_is_told_with_the_bound(
    quantity: Size | Duration | Count, value: object, words: str
) -> None:
    with pytest.raises(Refusal) as caught:
        quantity.read(value, HERE)
    assert str(caught.value) == words
