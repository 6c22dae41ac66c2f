from __future__ import annotations

import json
from dataclasses import replace
from zlib import crc32

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Fate, Queued, Source
from mailbox_d.queue.outcomes import LINE_OCTETS_MAX, Change, MessageState, Progress
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
    assert state.read([change.lines()]) == 0
    assert state.progress == {BOB: LATER, CAROL: DONE} and state.is_held and not state.is_torn
    assert [one.address for one in state.waiting()] == [BOB]
    assert state.waiting("example.net") == ()


def test_the_last_line_of_each_holds() -> None:
    lines = Change({BOB: LATER}, True).lines() + Change({BOB: replace(LATER, tries=4)}, False).lines()
    state = fresh()
    state.read([lines])
    assert state.of(BOB).tries == 4 and not state.is_held
    assert state.lines(Change({CAROL: DONE})) == Change({BOB: replace(LATER, tries=4), CAROL: DONE}).lines()


def test_each_flipped_bit_costs_one_line() -> None:
    first, second = Change({CAROL: DONE}).lines(), Change({BOB: LATER}).lines()
    for place in range(len(first) - 1):
        lines = bytearray(first + second)
        lines[place] ^= 1
        state = fresh()
        assert state.read([bytes(lines)]) >= 1
        assert state.of(BOB) == LATER and CAROL not in state.progress


def test_a_torn_line_says_nothing() -> None:
    first, second = Change({CAROL: DONE}).lines(), Change({BOB: LATER}).lines()
    for length in range(1, len(second)):
        state = fresh()
        assert state.read([first + second[:length]]) == 0
        assert state.is_torn and set(state.progress) == {CAROL}


@pytest.mark.parametrize("line", [b"", b"x", b"00000000 {}", b"6a0c1d1e", b"\0" * 4096, b"a3d95df2 [1]"])
def test_lines_that_are_none(line: bytes) -> None:
    state = fresh()
    assert state.read([line + b"\n"]) == bool(line)
    assert not state.progress


def test_a_parcel_tells_what_was_before() -> None:
    state = fresh()
    state.apply(Change({BOB: LATER}))
    parcel = state.parcel(state.waiting())
    assert parcel.attempts == 3 and parcel.last == {BOB: ATTEMPT} and parcel.warned == {BOB}
    assert parcel.ages == {BOB: 12.5, CAROL: 0.0}


def lined(said: object) -> bytes:
    octets = json.dumps(said).encode()
    return b"%08x %b\n" % (crc32(octets), octets)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_come_in_whatever_pieces(size: int) -> None:
    log = Change({CAROL: DONE}).lines() + lined("x" * LINE_OCTETS_MAX) + Change({BOB: LATER}, True).lines() + b"torn"
    state = fresh()
    assert state.read(log[start : start + size] for start in range(0, len(log), size)) == 1
    assert state.progress == {BOB: LATER, CAROL: DONE} and state.is_held and state.is_torn
    assert state.log_octets == len(log)


def test_a_line_that_is_longer_than_any_is_not_looked_into() -> None:
    said = {"to": str(BOB), "tries": 1, "age": 0.0, "due": 0.0, "x": ""}
    room = LINE_OCTETS_MAX - len(lined(said)) + 1
    for length, damaged in ((room, 0), (room + 1, 1)):
        state = fresh()
        assert state.read([lined({**said, "x": "x" * length})]) == damaged
        assert (BOB in state.progress) == (not damaged)


def test_all_that_a_server_said_fits_into_a_line() -> None:
    long = replace(ATTEMPT, reply="\N{GRINNING FACE}" * 8192, reason="\xe9" * 32768)
    state = fresh()
    assert state.read([Change({BOB: replace(LATER, last=long)}).lines()]) == 0
    assert state.of(BOB).last == replace(long, reply=long.reply[:300], reason=long.reason[:300])


def test_lines_of_those_who_are_no_recipients_say_nothing() -> None:
    eve = EmailAddress.parse("eve@example.com")
    state = fresh()
    assert state.read([Change({eve: LATER, BOB: LATER}).lines()]) == 0 and set(state.progress) == {BOB}
