"""Events and their lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.record.events import Event, Kept, Received, Tried
from mailbox_d.record.lines import BEGINNING, LINE_MAX, addresses_of, format_event, parse_event
from tests.unit.record.happenings import ALICE, EVENTS, NOON, received


@given(event=EVENTS)
def test_an_event_is_one_line_and_the_line_is_that_event(event: Event) -> None:
    line = format_event(event)
    assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n") and line.startswith(BEGINNING)
    assert parse_event(line) == event
    names = {name: getattr(event, name) for name in ("sender", "recipient") if getattr(event, name, None)}
    assert {name: getattr(parse_event(line), name).local_part for name in names} == {
        name: address.local_part for name, address in names.items()
    }


@given(event=EVENTS)
def test_every_address_stands_in_its_line_as_it_is_compared(event: Event) -> None:
    line = format_event(event)
    assert all(json.dumps(address.folded).encode() in line for address in addresses_of(event))


@given(line=st.binary(max_size=200))
def test_junk_is_no_event(line: bytes) -> None:
    assert parse_event(line) is None


@pytest.mark.parametrize(
    "said",
    [
        [],
        "text",
        {},
        {"message": "A", "at": 1},
        {"message": "A", "at": 1, "what": "born"},
        {"message": "A", "at": 1, "what": []},
        {"message": 1, "at": 1, "what": "received"},
        {"message": "A", "at": "now", "what": "received"},
        {"message": "A", "at": 1, "what": "received", "octets": "many"},
        {"message": "A", "at": 1, "what": "received", "sender": "nobody"},
        {"message": "A", "at": 1, "what": "received", "tls": None},
        {"message": "A", "at": 1, "what": "enqueued", "recipients": "a@b"},
    ],
)
def test_what_is_not_as_it_should_be_is_no_event(said: Any) -> None:
    assert parse_event(json.dumps(said).encode()) is None


def test_what_a_newer_version_says_besides_is_passed_over() -> None:
    said = {"message": "A", "at": 1, "what": "kept", "mailbox": "INBOX", "moon": {"phase": 3}}
    assert parse_event(json.dumps(said).encode()) == Kept("A", 1.0, mailbox="INBOX")


def test_a_line_that_is_too_long_is_not_looked_at() -> None:
    assert parse_event(b" " * LINE_MAX + format_event(received("A"))) is None
    assert parse_event(b"[" * LINE_MAX) is None


def test_an_attempt_is_told_whole() -> None:
    from mailbox_d.queue.message import Attempt, Fate

    attempt = Attempt(
        NOON, ALICE, Fate.DEFERRED, "4.7.0", "mx", "192.0.2.1", "450 x", "why", "TLSv1.3", "plain", "dane"
    )
    event = Tried.of("A", attempt, NOON + 5)
    assert (event.at, event.recipient, event.fate, event.next_at) == (NOON, ALICE, "deferred", NOON + 5)
    for name in ("status", "host", "address", "reply", "reason", "tls", "security", "policy"):
        assert getattr(event, name) == getattr(attempt, name) != ""


def test_nothing_that_says_nothing_is_written() -> None:
    assert format_event(Received("A", 1.5)) == b'{"message":"A","at":1.5,"what":"received"}\n'
