from __future__ import annotations

import math

import pytest

from mailbox_d.queue.stored_values import COUNT_MAX, SECONDS_MAX, count, seconds, text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1.0, -1, 10**400, "1", None, [], {}])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match="no number of seconds"):
        seconds(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.0, -1, 10**400, "1", None, [], {}])
def test_what_is_no_count(value: object) -> None:
    with pytest.raises(ValueError, match="no count"):
        count(value)


@pytest.mark.parametrize("value", ["\ud800", "a\udfff", b"x", 1, None, [], {}])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(ValueError):  # it may be a UnicodeEncodeError
        text(value)


def test_what_is_right() -> None:
    assert [seconds(0), seconds(1.5), seconds(SECONDS_MAX)] == [0.0, 1.5, SECONDS_MAX]
    assert [count(0), count(COUNT_MAX)] == [0, COUNT_MAX] and text("gréy \U0001f600") == "gréy \U0001f600"
