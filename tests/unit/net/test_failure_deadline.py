"""When answers to failed logins leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from mailbox_d.net.failure_deadline import FailureDeadline


@pytest.mark.parametrize(("passed", "leaves"), [(0.0, 2.0), (1.5, 2.0), (2.0, 2.0), (2.5, 4.0), (4.5, 6.0)])
def test_an_answer_leaves_at_a_multiple(passed: float, leaves: float) -> None:
    clock = Clock()
    clock.advance(passed)
    assert passed + FailureDeadline(clock.seconds).left(0.0, 2.0) == pytest.approx(leaves)


def test_without_seconds_it_leaves_at_once() -> None:
    assert FailureDeadline(Clock().seconds, lambda: 1.0).left(0.0, 0.0) == 0.0


@given(passed=st.floats(0, 1000), seconds=st.floats(0.001, 60), jitter=st.floats(0, 1))
def test_nothing_leaves_before_its_time(passed: float, seconds: float, jitter: float) -> None:
    clock = Clock()
    clock.advance(passed)
    left = FailureDeadline(clock.seconds, lambda: jitter).left(0.0, seconds)
    assert left >= jitter - 1e-6
    assert left <= seconds + jitter + 1e-6
    assert passed + left >= seconds - 1e-6
