"""The domains that mail was delivered to, over restarts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.net.kept_state import SAVE_INTERVAL, KeptState
from mailbox_d.relay.dispatch import admission
from mailbox_d.relay.dispatch.admission import KNOWN_DOMAINS, KNOWN_FILE_MAX, KNOWN_MAX, KnownDomains
from mailbox_d.store.files import FileSystem
from tests.faults.store_files import FailingFiles
from tests.unit.relay.at_once import at_once, done


class Place:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / KNOWN_DOMAINS
        self.restart()

    def restart(self, files: FileSystem | None = None) -> None:
        self.reactor = Clock()
        self.known = KnownDomains(lambda domain: domain == "ours.example")
        path = os.fsencode(self.path)
        self.kept = KeptState(self.reactor, path, self.known, at_once, files, most=KNOWN_FILE_MAX)
        loading = Deferred.fromCoroutine(self.kept.load())
        while not loading.called:
            self.reactor.advance(0)

    def delivered(self, *domains: str) -> None:
        for domain in domains:
            self.known.delivered(domain)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_known_is_known_after_a_restart(place: Place) -> None:
    place.delivered("a.example", "b.example", "[192.0.2.1]", "a.example")
    done(place.kept.save())
    assert place.path.read_text() == "b.example\n[192.0.2.1]\na.example\n"
    place.restart()
    assert list(place.known) == ["b.example", "[192.0.2.1]", "a.example"] and "ours.example" in place.known
    assert "c.example" not in place.known


def test_it_is_written_each_minute_where_something_is_new_and_at_the_end(place: Place) -> None:
    place.kept.startService()
    place.reactor.advance(SAVE_INTERVAL)
    assert not place.path.exists()
    place.delivered("a.example")
    place.reactor.advance(SAVE_INTERVAL - 1)
    assert not place.path.exists()
    place.reactor.advance(1)
    assert place.path.read_text() == "a.example\n"
    place.path.unlink()
    place.reactor.advance(SAVE_INTERVAL)
    assert not place.path.exists()
    place.delivered("b.example")
    place.kept.stopService()
    assert place.path.read_text() == "a.example\nb.example\n" and not place.reactor.getDelayedCalls()


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


DAMAGED: dict[str, Callable[[Path], object]] = {
    "a link": make_link,
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "no text": lambda path: path.write_bytes(b"\xff\0" * 1000),
    "a long line": lambda path: path.write_bytes(b"x" * 1_000_000),
    "too much": lambda path: path.write_bytes(b"x\n" * 3_000_000),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_costs_what_was_remembered_and_no_more(place: Place, kind: str) -> None:
    place.path.parent.mkdir()
    DAMAGED[kind](place.path)
    place.restart()
    assert list(place.known) == []
    place.delivered("a.example")
    done(place.kept.save())
    place.restart()
    assert list(place.known) == ([] if kind == "a directory" else ["a.example"])


def test_a_line_that_is_none_costs_that_line(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.write_text("a.example\n\nno name\n" + "x" * 301 + "\nb.example")
    place.restart()
    assert list(place.known) == ["a.example", "b.example"]


def test_a_disk_that_takes_nothing_is_tried_again(place: Place) -> None:
    files = FailingFiles(1, 28, lambda call: call.operation == "write")
    place.restart(files)
    files.armed = True
    place.delivered("a.example")
    done(place.kept.save())
    assert not place.path.exists()
    done(place.kept.save())
    assert place.path.read_text() == "a.example\n"


def test_those_that_were_delivered_to_last_are_known(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.path.parent.mkdir()
    place.path.write_text("".join(f"d{number}.example\n" for number in range(KNOWN_MAX + 1)))
    place.restart()
    assert len(place.known) == KNOWN_MAX and "d0.example" not in place.known
    monkeypatch.setattr(admission, "KNOWN_MAX", 2)
    place.known = KnownDomains(lambda domain: False)
    place.known.recall(["a.example", "b.example", "c.example"])
    assert list(place.known) == ["b.example", "c.example"]
    place.known = KnownDomains(lambda domain: False)
    place.delivered("b.example", "c.example")
    place.known.recall(["a.example", "b.example"])
    assert list(place.known) == ["b.example", "c.example"]
