"""From where users have logged in, over restarts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from mailbox_d.auth.guessing.acquaintances import FILE_NAME, Acquaintances
from mailbox_d.net.kept_state import SAVE_INTERVAL, KeptState
from tests.unit.relay.at_once import at_once, done

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
    known.recall([(user, (network,)) for user, network in PAIRS[1:]])
    assert known.is_new
    assert list(known) == [*PAIRS[1:], PAIRS[0]]


def test_so_many_that_their_file_would_be_too_large_are_kept_as_far_as_it_goes(place: Place) -> None:
    """A file of which nothing was read would be written over."""
    place.kept = KeptState(place.reactor, os.fsencode(place.path), place.known, at_once, most=100)
    done(place.kept.load())
    for number in range(10):
        place.known.met(f"user{number}@example.org", "192.0.2.1/32")
    place.stop()
    place.restart()
    assert list(place.known) == [(f"user{number}@example.org", "192.0.2.1/32") for number in (7, 8, 9)]


def test_who_comes_by_a_unix_socket_is_known_after_a_restart(place: Place) -> None:
    place.known.met("ann@example.org", "local")
    place.known.met("ann@example.org", "2001:db8::/64")
    place.stop()
    assert place.path.read_text() == "local,2001:db8::/64 ann@example.org\n"
    place.restart()
    assert place.known.knows("ann@example.org", "local")
