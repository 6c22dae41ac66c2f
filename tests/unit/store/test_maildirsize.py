"""What is read from a `maildirsize`, and what is written into one."""

from __future__ import annotations

import pytest

from mailbox_d.store.maildirsize import Balance, format_balance, format_change, parse
from mailbox_d.store.ports import QuotaLimits, Usage


@pytest.mark.parametrize(
    ("content", "limits", "usage", "lines"),
    [
        (b"1000S\n10 1\n", QuotaLimits(1000), Usage(10, 1), 1),
        (b"1000S,5C\n10 1\n-10 -1\n7 2\n", QuotaLimits(1000, 5), Usage(7, 2), 3),
        (b"5C\n0 0\n", QuotaLimits(None, 5), Usage(0, 0), 1),
        (b"5C,1000S\n0 0\n", QuotaLimits(1000, 5), Usage(0, 0), 1),
        (b"0S\n0 0\n", QuotaLimits(), Usage(0, 0), 1),
        (b"0S,0C\n0 0\n", QuotaLimits(), Usage(0, 0), 1),
        (b"9S\n          10    1\n         -10    0\n", QuotaLimits(9), Usage(0, 1), 2),
        (b"9S\n+10 +1\n", QuotaLimits(9), Usage(10, 1), 1),
    ],
)
def test_what_makes_sense(content: bytes, limits: QuotaLimits, usage: Usage, lines: int) -> None:
    assert parse(content) == Balance(limits, usage, lines)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"1000S\n",
        b"1000S",
        b"1000S\n10 1",
        b"1000S\n10 1\n5",
        b"1000S\n10\n",
        b"1000S\n10 1 1\n",
        b"1000S\n\n10 1\n",
        b"1000S\n10 x\n",
        b"1000S\n10 1\0\n",
        b"1000S\n0x10 1\n",
        b"1000S\n1_0 1\n",
        b"1000S\n10.0 1\n",
        b"1000S\n10-5 1\n",
        b"1000S\n\xd9\xa1 1\n",
        b"1000S\n10 1\n-11 -1\n",
        b"1000S\n10 1\n-10 -2\n",
        b"1000S\n" + b"9" * 19 + b" 1\n",
        b"1000X\n10 1\n",
        b"1000S,\n10 1\n",
        b"S\n10 1\n",
        b"-5S\n10 1\n",
        b"10 1\n",
        b"1000S\n10 1\n" + b"1 0\n" * 1300,
    ],
)
def test_what_is_not_believed(content: bytes) -> None:
    assert parse(content) is None


@pytest.mark.parametrize(
    ("limits", "content"),
    [
        (QuotaLimits(1000), b"1000S\n7 2\n"),
        (QuotaLimits(1000, 5), b"1000S,5C\n7 2\n"),
        (QuotaLimits(None, 5), b"5C\n7 2\n"),
        (QuotaLimits(), b"0S\n7 2\n"),
    ],
)
def test_what_is_written_is_read_back(limits: QuotaLimits, content: bytes) -> None:
    assert format_balance(limits, Usage(7, 2)) == content
    assert parse(content + format_change(-7, -2)) == Balance(limits, Usage(0, 0), 2)


def test_the_longest_file_that_is_believed() -> None:
    line = b"1 0\n"
    content = b"1000S\n10 1\n" + line * 1277
    assert len(content) == 5119 and parse(content) is not None
    assert parse(content[:6] + b"0" + content[6:]) is None
