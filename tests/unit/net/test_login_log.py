"""What the log says of logins, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from mailbox_d.auth.realm import Service
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.net.login_log import LoginAsked, LoginLog

DOWN = AuthenticationUnavailable("The directory is down", cause="refused\nby who listens there")


def asked(user: str) -> LoginAsked:
    return LoginAsked(Service.POP3, "192.0.2.1", user, "PLAIN")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        seen.append(f"{event['log_namespace']}#{event['log_level'].name} {formatEvent(event)}")

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def test_lines_have_the_name_by_which_programs_find_them(lines: list[str]) -> None:
    LoginLog().failed(asked("a@b.example"))
    LoginLog().unavailable(asked("a{b}\n@b.example"), DOWN)
    assert lines == [
        "mailbox_d.net.login#info login failed: service=pop3 peer=192.0.2.1 user=a@b.example mechanism=PLAIN",
        "mailbox_d.net.login#error login cannot be checked: service=pop3 peer=192.0.2.1 user=a{b}\\n@b.example"
        " mechanism=PLAIN cause=The directory is down (refused\\nby who listens there)",
    ]


def test_each_cause_is_said_once_a_minute(lines: list[str]) -> None:
    clock = Clock()
    log = LoginLog(clock.seconds)
    for second in range(90):
        log.unavailable(asked(f"user{second}@one.example"), DOWN)
        log.unavailable(asked(f"user{second}@TWO.example"), AuthenticationUnavailable("Another"))
        log.unavailable(asked(f"user{second}@two.example"), DOWN)
        clock.advance(1)
    assert len(lines) == 6
    assert [line.partition("others=")[2].partition(" ")[0] for line in lines] == ["", "", "", "59", "59", "59"]


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 5)), max_size=300))
def test_whatever_names_strangers_give_only_so_much_is_said_and_remembered(steps: list[tuple[int, float]]) -> None:
    clock, said = Clock(), 0
    log = LoginLog(clock.seconds)

    def observe(event: dict[str, Any]) -> None:
        nonlocal said
        said += 1

    globalLogPublisher.addObserver(observe)
    try:
        for number, pause in steps:
            log.unavailable(asked(f"a@d{number}.example"), DOWN)
            clock.advance(pause)
            assert len(log._causes) <= 101
            assert said <= 101 * (1 + clock.seconds() // 60)
    finally:
        globalLogPublisher.removeObserver(observe)
