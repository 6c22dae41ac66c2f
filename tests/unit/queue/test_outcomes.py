from __future__ import annotations

from dataclasses import replace

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Fate, Queued, Source
from mailbox_d.queue.outcomes import Change, MessageState, Progress
from tests.unit.queue.mail import NOON, envelope

BOB = EmailAddress.parse("bob@example.com")
CAROL = EmailAddress.parse('"carol @"@example.net')
ATTEMPT = Attempt(NOON, BOB, Fate.DEFERRED, "4.2.1", "mx.example.com", "192.0.2.1", "450 gréy\x1b", "", "TLSv1.3")
LATER = Progress(ATTEMPT, 3, 12.5, NOON + 300.25, is_warned=True)
DONE = Progress(replace(ATTEMPT, recipient=CAROL, fate=Fate.DELIVERED, reply="ok"), 1, 1.0)


def fresh() -> MessageState:
    return MessageState(Queued("A1", envelope("bob@example.com", '"carol @"@example.net'), Source.USER, NOON, 10))


def test_what_is_noted_is_read() -> None:
    change = Change({BOB: LATER, CAROL: DONE}, is_held=True)
    state = fresh()
    assert state.read(change.lines()) == 0
    assert state.progress == {BOB: LATER, CAROL: DONE} and state.is_held and not state.is_torn
    assert [one.address for one in state.waiting()] == [BOB]
    assert state.waiting("example.net") == ()


def test_the_last_line_of_each_holds() -> None:
    lines = Change({BOB: LATER}, True).lines() + Change({BOB: replace(LATER, tries=4)}, False).lines()
    state = fresh()
    state.read(lines)
    assert state.of(BOB).tries == 4 and not state.is_held
    assert state.lines(Change({CAROL: DONE})) == Change({BOB: replace(LATER, tries=4), CAROL: DONE}).lines()


def test_each_flipped_bit_costs_one_line() -> None:
    first, second = Change({CAROL: DONE}).lines(), Change({BOB: LATER}).lines()
    for place in range(len(first) - 1):
        lines = bytearray(first + second)
        lines[place] ^= 1
        state = fresh()
        assert state.read(bytes(lines)) >= 1
        assert state.of(BOB) == LATER and CAROL not in state.progress


def test_a_torn_line_says_nothing() -> None:
    first, second = Change({CAROL: DONE}).lines(), Change({BOB: LATER}).lines()
    for length in range(1, len(second)):
        state = fresh()
        assert state.read(first + second[:length]) == 0
        assert state.is_torn and set(state.progress) == {CAROL}


@pytest.mark.parametrize("line", [b"", b"x", b"00000000 {}", b"6a0c1d1e", b"\0" * 4096, b"a3d95df2 [1]"])
def test_lines_that_are_none(line: bytes) -> None:
    state = fresh()
    assert state.read(line + b"\n") == bool(line)
    assert not state.progress


def test_a_parcel_tells_what_was_before() -> None:
    state = fresh()
    state.apply(Change({BOB: LATER}))
    parcel = state.parcel(state.waiting())
    assert parcel.attempts == 3 and parcel.last == {BOB: ATTEMPT} and parcel.warned == {BOB}
    assert parcel.ages == {BOB: 12.5, CAROL: 0.0}
