"""INTERNALDATE, there and back."""

from __future__ import annotations

import pytest

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.dates import format_date_time, parse_date_time


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, b'"01-Jan-1970 00:00:00 +0000"'),
        (760686745.9, b'"08-Feb-1994 05:52:25 +0000"'),
        (-1, b'"31-Dec-1969 23:59:59 +0000"'),
        (4102444800, b'"01-Jan-2100 00:00:00 +0000"'),
    ],
)
def test_seconds_are_written_in_utc_and_read_back(seconds: float, written: bytes) -> None:
    assert format_date_time(seconds) == written
    assert parse_date_time(Cursor(written)) == int(seconds)


def test_a_zone_is_taken_into_account() -> None:
    assert parse_date_time(Cursor(b'" 1-Jan-1970 02:30:00 +0230"')) == 0


@pytest.mark.parametrize(("seconds", "year"), [(1e18, b"9999"), (-1e18, b"0001")])
def test_a_date_beyond_all_years_is_shown_as_the_nearest(seconds: float, year: bytes) -> None:
    assert format_date_time(seconds)[8:12] == year
