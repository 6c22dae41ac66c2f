"""What is remembered of the security of connections, over time and restarts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.relay.ports import Security
from mailbox_d.relay.tls import remembered
from mailbox_d.relay.tls.remembered import RememberedLevel, RememberedTls, in_order
from mailbox_d.store.files import FileSystem
from tests.unit.relay.at_once import at_once, done

DAY = 86400.0
PLAIN, ENCRYPTED, AUTHENTICATED = Security


class Place:
    def __init__(self, folder: Path, most: int = 100) -> None:
        self.path = folder / "state" / "tls-levels"
        self.now = 1_000_000.0
        self.most = most
        self.restart()

    def restart(self, files: FileSystem | None = None) -> RememberedTls:
        self.tls = RememberedTls(
            files or FileSystem(), os.fsencode(self.path), run=at_once, clock=lambda: self.now, most=self.most
        )
        done(self.tls.load())
        return self.tls

    def save(self) -> None:
        done(self.tls.save())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_nothing_is_asked_of_a_domain_that_was_never_seen(place: Place) -> None:
    assert place.tls.level("example.org") is PLAIN
    place.tls.note("example.org", PLAIN)
    assert place.tls.level("example.org") is PLAIN
    assert place.tls.all() == ()


def test_the_best_level_stays(place: Place) -> None:
    for level in (ENCRYPTED, AUTHENTICATED, ENCRYPTED, PLAIN):
        place.tls.note("example.org", level)
    place.save()
    assert place.tls.level("example.org") is AUTHENTICATED
    assert place.restart().level("example.org") is AUTHENTICATED
    assert place.path.read_text() == "example.org authenticated 1000000\n"


def test_a_level_is_forgotten_after_thirty_days_without_a_connection(place: Place) -> None:
    place.tls.note("example.org", AUTHENTICATED)
    for _ in range(3):
        place.now += 30 * DAY - 1
        assert place.tls.level("example.org") is AUTHENTICATED
        place.tls.note("example.org", ENCRYPTED)
    place.save()
    place.now += 30 * DAY
    assert place.tls.level("example.org") is PLAIN
    assert place.restart().level("example.org") is PLAIN
    place.tls.note("example.org", ENCRYPTED)
    assert place.tls.level("example.org") is ENCRYPTED


def test_the_operator_sees_and_forgets(place: Place) -> None:
    place.tls.note("b.example", AUTHENTICATED)
    place.now += 1
    place.tls.note("a.example", ENCRYPTED)
    assert place.tls.all() == (
        RememberedLevel("a.example", ENCRYPTED, 1_000_001),
        RememberedLevel("b.example", AUTHENTICATED, 1_000_000),
    )
    assert place.tls.forget("b.example")
    assert not place.tls.forget("b.example")
    place.save()
    assert [one.domain for one in place.restart().all()] == ["a.example"]
    assert place.tls.forget("a.example")
    place.save()
    assert place.restart().all() == ()


def test_nothing_is_written_for_what_is_on_disk(place: Place) -> None:
    place.tls.note("example.org", ENCRYPTED)
    place.save()
    place.path.unlink()
    place.now += 3599
    place.tls.note("example.org", ENCRYPTED)
    place.save()
    assert not place.path.exists()


def test_times_come_to_the_disk_though_mail_comes_all_the_time(place: Place) -> None:
    place.tls.note("example.org", ENCRYPTED)
    place.save()
    for _ in range(40 * 48):
        place.now += DAY / 48
        place.tls.note("example.org", ENCRYPTED)
        place.save()
    assert place.restart().level("example.org") is ENCRYPTED


def test_of_too_many_domains_those_seen_longest_ago_are_forgotten(tmp_path: Path) -> None:
    place = Place(tmp_path, most=3)
    for number in range(5):
        place.now += 1
        place.tls.note(f"d{number}.example", ENCRYPTED)
        place.tls.note("d0.example", ENCRYPTED)
    assert [one.domain for one in place.tls.all()] == ["d0.example", "d3.example", "d4.example"]
    place.save()
    place.most = 2
    assert len(place.restart().all()) <= 2


def test_addresses_are_domains_too(place: Place) -> None:
    for domain in ("[192.0.2.1]", "[ipv6:2001:db8::1]", "bücher.example"):
        place.tls.note(domain, ENCRYPTED)
        place.save()
        assert place.restart().level(domain) is ENCRYPTED


@given(st.binary(max_size=200))
def test_lines_that_are_none_are_passed_over(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    place = Place(tmp_path_factory.mktemp("tls"))
    place.path.parent.mkdir()
    place.path.write_bytes(b"a.example encrypted 1000000\n" + text + b"\nb.example authenticated 1000000\n")
    place.restart()
    assert place.tls.level("a.example") is ENCRYPTED
    assert place.tls.level("b.example") is AUTHENTICATED


class BadDisk(FileSystem):
    def open(self, path: bytes, flags: int) -> Any:
        raise OSError(5, "Input/output error")


def test_a_disk_that_fails_is_tried_again(place: Place) -> None:
    tls = place.restart(disk := BadDisk())
    tls.note("example.org", ENCRYPTED)
    place.save()
    assert tls.level("example.org") is ENCRYPTED
    disk.open = FileSystem().open  # type: ignore[method-assign]
    place.save()
    assert place.restart().level("example.org") is ENCRYPTED


def test_a_file_of_very_many_is_made_in_the_lane(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100,000 domains it would hold up the reactor for a tenth of a second."""
    in_lane: list[bool] = []
    lane_is_busy = False

    async def run(work: Callable[..., Any], *args: Any) -> Any:
        nonlocal lane_is_busy
        lane_is_busy = True
        result = work(*args)
        lane_is_busy = False
        return result

    def counted(levels: Iterable[RememberedLevel], now: float) -> tuple[RememberedLevel, ...]:
        in_lane.append(lane_is_busy)
        return in_order(levels, now)

    monkeypatch.setattr(remembered, "in_order", counted)
    place.tls._run = run
    place.tls.note("example.org", ENCRYPTED)
    place.save()
    assert in_lane == [True]
