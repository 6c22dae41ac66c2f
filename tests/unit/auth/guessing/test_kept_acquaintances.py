"""From where users have logged in, over restarts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from mailbox_d.auth.guessing.acquaintances import FILE_NAME, Acquaintances
from mailbox_d.net.kept_state import SAVE_INTERVAL, KeptState
from tests.unit.relay.at_once import at_once

PAIRS = [("ann@example.org", "192.0.2.1/32"), ('b b"\u00e9@example.org', "2001:db8::/64")]


class Place:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / FILE_NAME
        self.restart()

    def restart(self) -> None:
        self.reactor = Clock()
        self.known = Acquaintances(10)
        path = os.fsencode(self.path)
        self.kept = KeptState(self.reactor, path, self.known, at_once)
        self.kept.startService()

    def stop(self) -> None:
        assert self.kept.stopService().called

    def meet(self) -> None:
        for user, network in PAIRS:
            self.known.met(user, network)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_new_is_written_at_the_end_and_found_again(place: Place) -> None:
    place.meet()
    place.stop()
    place.restart()
    assert list(place.known) == PAIRS


def test_what_is_new_is_written_each_minute(place: Place) -> None:
    place.reactor.advance(SAVE_INTERVAL)
    assert not place.path.exists()  # there is nothing new
    place.meet()
    place.reactor.advance(SAVE_INTERVAL)
    assert len(place.path.read_text().splitlines()) == 2
    assert place.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"one\n\n", b"192.0.2.1/32\n", b"x" * 10_000])
def test_what_is_no_such_file_costs_what_it_says(place: Place, content: bytes) -> None:
    place.meet()
    place.stop()
    place.path.write_bytes(content + b"\n192.0.2.1/32 ann@example.org\n")
    place.restart()
    assert list(place.known) == PAIRS[:1]


def test_a_file_that_cannot_be_written_is_written_later(place: Place) -> None:
    place.meet()
    place.path.parent.parent.joinpath("state").write_text("")
    place.reactor.advance(SAVE_INTERVAL)
    place.path.parent.unlink()
    place.reactor.advance(SAVE_INTERVAL)
    assert place.path.exists()


def test_who_logs_in_before_the_file_is_read_is_written_too() -> None:
    known = Acquaintances(10)
    known.met(*PAIRS[0])
    known.recall(PAIRS[1:])
    assert known.is_new
    assert set(known) == set(PAIRS)
