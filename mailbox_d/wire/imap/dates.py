"""Dates and times (RFC 3501 section 9, `date` and `date-time`), without regard to any locale."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Final

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_YEAR_1 = -62135596800
_YEAR_9999 = 253402300799
"""The first and the last second that a year of four digits can tell."""

_MONTH_NUMBERS = {name.lower().encode("ascii"): number for number, name in enumerate(MONTHS, 1)}
_DATE = re.compile(rb"(\"?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1")
_DATE_TIME = re.compile(
    rb"\"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})\""
)


def parse_date(cursor: Cursor) -> date:
    """`1-Feb-1994`, quoted or not. Raises `BadSyntax`."""
    match = _DATE.match(cursor.text, cursor.at)
    if match is None:
        raise BadSyntax("Expected a date")
    cursor.at = match.end()
    try:
        return date(int(match[4]), _month(match[3]), int(match[2]))
    except ValueError:
        raise BadSyntax("There is no such date") from None


def parse_date_time(cursor: Cursor) -> float:
    """`" 7-Feb-1994 21:52:25 -0800"` as seconds since 1970. Raises `BadSyntax`."""
    match = _DATE_TIME.match(cursor.text, cursor.at)
    if match is None:
        raise BadSyntax("Expected a date and time")
    cursor.at = match.end()
    try:
        zone = timezone(_offset(match[7], int(match[8]), int(match[9])))
        day, year, clock = int(match[1]), int(match[3]), (int(match[4]), int(match[5]), min(int(match[6]), 59))
        return datetime(year, _month(match[2]), day, *clock, tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        raise BadSyntax("There is no such date and time") from None


def format_date_time(seconds: float) -> bytes:
    """Seconds since 1970 as INTERNALDATE, quoted, in UTC; a clock gone wild shows as the nearest year there is."""
    moment = datetime(1970, 1, 1) + timedelta(seconds=int(min(max(seconds, _YEAR_1), _YEAR_9999)))
    return b'"%02d-%s-%04d %02d:%02d:%02d +0000"' % (
        moment.day,
        MONTHS[moment.month - 1].encode("ascii"),
        moment.year,
        moment.hour,
        moment.minute,
        moment.second,
    )


def _month(name: bytes) -> int:
    number = _MONTH_NUMBERS.get(name.lower())
    if number is None:
        raise BadSyntax("There is no such month")
    return number


def _offset(sign: bytes, hours: int, minutes: int) -> timedelta:
    if minutes > 59:
        raise ValueError("minutes of a zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if sign == b"-" else offset
