"""Results of TLS: counted, kept for some days within bounds, and told as RFC 8460 has it."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mailbox_d.relay.tls import results as tls_results
from mailbox_d.relay.tls.results import AppliedPolicy, Reporter, SessionResult, TlsResults
from mailbox_d.store.files import FileSystem
from tests.unit.relay.at_once import at_once, done

DAY = 86400
FIRST = date(1970, 1, 1)
STS = AppliedPolicy("sts", ("version: STSv1", "mode: testing"), ("*.example.org",))
RIGHT = SessionResult("example.org", STS, "mx.example.org", "192.0.2.1")
WRONG = SessionResult("example.org", STS, "mx.example.org", "192.0.2.1", "certificate-expired", "it has expired")
US = Reporter("Example, Inc.", "tls@example.net")


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tlsrpt"
        self.now = 0.0
        self.restart()

    def restart(self, octets: int = 1 << 20) -> TlsResults:
        folder = os.fsencode(self.folder)
        self.results = TlsResults(FileSystem(), folder, run=at_once, clock=lambda: self.now, octets=octets)
        return self.results

    def report(self, day: date = FIRST, domain: str = "example.org") -> Any:
        return done(self.results.report(day, domain, US))

    def counts(self, day: date = FIRST) -> tuple[int, int]:
        (told,) = self.report(day)["policies"]
        summary = told["summary"]
        return summary["total-successful-session-count"], summary["total-failure-session-count"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_report(place: Place) -> None:
    for result in (RIGHT, WRONG, RIGHT, WRONG, RIGHT):
        place.results.note(result)
    assert place.report() == {
        "organization-name": "Example, Inc.",
        "date-range": {"start-datetime": "1970-01-01T00:00:00Z", "end-datetime": "1970-01-01T23:59:59Z"},
        "contact-info": "tls@example.net",
        "report-id": "1970-01-01-example.org",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1", "mode: testing"],
                    "policy-domain": "example.org",
                    "mx-host": ["*.example.org"],
                },
                "summary": {"total-successful-session-count": 3, "total-failure-session-count": 2},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "receiving-mx-hostname": "mx.example.org",
                        "receiving-ip": "192.0.2.1",
                        "failed-session-count": 2,
                        "failure-reason-code": "it has expired",
                    }
                ],
            }
        ],
    }


def test_sums_go_on_over_writes_and_restarts(place: Place) -> None:
    for _ in range(3):
        place.results.note(RIGHT)
        place.results.note(WRONG)
        done(place.results.save())
        place.restart()
    assert place.counts() == (3, 3)


def test_each_domain_and_day_by_itself(place: Place) -> None:
    place.results.note(RIGHT)
    place.results.note(SessionResult("example.net", AppliedPolicy()))
    place.now = DAY - 1
    place.results.note(RIGHT)
    place.now = DAY
    place.results.note(RIGHT)
    assert place.counts() == (2, 0)
    assert place.counts(date(1970, 1, 2)) == (1, 0)
    assert done(place.results.domains(FIRST)) == ["example.net", "example.org"]
    assert place.report(domain="example.com") is None
    assert place.report(date(1970, 1, 3)) is None
    assert done(place.results.domains(date(1970, 1, 3))) == []


def test_days_go(place: Place) -> None:
    (place.folder).mkdir()
    (place.folder / "notes.txt").write_text("an operator's")
    for day in range(20):
        place.now = day * DAY
        place.results.note(RIGHT)
        done(place.results.save())
    names = sorted(os.listdir(place.folder))
    assert (len(names), names[0], names[-2:]) == (9, "1970-01-13.jsonl", ["1970-01-20.jsonl", "notes.txt"])


def test_a_days_file_is_bounded(place: Place) -> None:
    place.restart(octets=1000)
    for number in range(100):
        place.results.note(SessionResult(f"d{number}.example", AppliedPolicy()))
        done(place.results.save())
    assert 800 < (place.folder / "1970-01-01.jsonl").stat().st_size <= 1000


def test_what_waits_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_results, "PENDING_MAX", 10)
    for _ in range(2):
        for number in range(100):
            place.results.note(SessionResult(f"d{number}.example", AppliedPolicy()))
    assert len(done(place.results.domains(FIRST))) == 10


def test_none_are_kept_where_the_operator_wants_none(place: Place) -> None:
    place.restart(octets=0)
    place.results.note(RIGHT)
    done(place.results.save())
    assert not place.folder.exists()


@pytest.mark.parametrize("torn", [b"{", b"\xff", b"[]", b"null", b'{"count": 1}', b'{"count": 1, "policy": {}}', b"1"])
def test_a_torn_line_costs_itself(place: Place, torn: bytes) -> None:
    place.results.note(RIGHT)
    done(place.results.save())
    with (place.folder / "1970-01-01.jsonl").open("ab") as file:
        file.write(b"\n" + torn)
    place.results.note(RIGHT)
    assert place.counts() == (2, 0)


def test_lines_are_json(place: Place) -> None:
    place.results.note(WRONG)
    done(place.results.save())
    lines = (place.folder / "1970-01-01.jsonl").read_text().split("\n")
    assert json.loads(lines[-1])["failure"] == "certificate-expired"


class FullDisk(FileSystem):
    def write(self, descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_costs_results_alone(place: Place) -> None:
    place.results._files = FullDisk()
    place.results.note(RIGHT)
    done(place.results.save())
    assert place.report() is None
