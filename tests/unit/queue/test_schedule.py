from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.queue.job import Job, jobs_of
from mailbox_d.queue.mail_queue import offline
from mailbox_d.queue.message import Fate
from mailbox_d.queue.schedule import RowState, Schedule, Selection
from mailbox_d.queue.stats import QueueStats
from tests.faults.store_files import FailingFiles
from tests.unit.queue.mail import NOON, Site

NAMES = [f"A{number}" for number in range(6)]


def filled(root: Path) -> Site:
    """Six messages that were tried once, so that they have rows."""
    site = Site(root)
    site.keep_up()
    for name in NAMES:
        site.send(name, f"bob@{name.lower()}.example")
        site.settle(site.take(f"{name.lower()}.example"), Fate.DEFERRED)
    return site


def all_due() -> dict[str, list[str]]:
    return {f"{name.lower()}.example": [name] for name in NAMES}


def test_a_clean_end_needs_no_look_at_the_files(tmp_path: Path) -> None:
    site = filled(tmp_path)
    site.restart(is_clean=True)
    site.clock.now += 1000
    assert not site.queue.jobs.is_wanting and site.queue.messages == 6
    assert site.due() == all_due()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "schedule.clean").unlink(),
        lambda root: (root / "schedule.clean").write_bytes(b""),
        lambda root: (root / "schedule.clean").write_bytes(b"[" * 3000),
        lambda root: (root / "schedule.clean").write_bytes(b'{"messages": 1e999}'),
        lambda root: (root / "schedule.clean").write_bytes(b"x" * 100_000),
        lambda root: (root / "schedule.sqlite").unlink(),
        lambda root: os.utime(root / "schedule.sqlite"),
        lambda root: os.utime(root / "messages"),
        lambda root: ((root / "schedule.clean").unlink(), (root / "schedule.clean").mkdir()),
    ],
)
def test_an_end_that_was_not_clean_or_is_not_believed(tmp_path: Path, change: object) -> None:
    site = filled(tmp_path)
    site.queue.close()
    change(tmp_path)  # type: ignore[operator]
    site.queue = site.opened()
    site.clock.now += 1000
    assert site.queue.jobs.is_wanting and site.due() == {}
    site.keep_up()
    assert site.due() == all_due() and site.queue.messages == 6


def test_an_end_that_the_disk_refuses_to_note(tmp_path: Path) -> None:
    files = FailingFiles(1, 28, lambda call: "schedule.clean" in call.path, always=True)
    site = Site(tmp_path, files)
    site.keep_up()
    site.send("A1", "bob@example.com")
    files.armed = True
    site.queue.close()
    files.armed = False
    site.queue = site.opened()
    assert site.queue.jobs.is_wanting
    site.keep_up()
    assert site.due() == {"example.com": ["A1"]}


def test_the_mark_is_gone_while_the_schedule_is_open(tmp_path: Path) -> None:
    site = filled(tmp_path)
    site.restart(is_clean=True)
    site.restart(is_clean=False)
    assert site.queue.jobs.is_wanting


@pytest.mark.parametrize("place", range(0, 40_000, 640))
def test_a_damaged_schedule_costs_a_look_at_the_files(tmp_path: Path, place: int) -> None:
    site = filled(tmp_path)
    site.queue.close()
    path = tmp_path / "schedule.sqlite"
    status, octets = path.stat(), bytearray(path.read_bytes())
    for offset in range(place, min(place + 16, len(octets))):
        octets[offset] ^= 0xFF
    with path.open("r+b") as file:
        file.write(octets)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    site.queue = site.opened()
    site.clock.now += 1000
    for _ in range(3):
        found = site.due()
        site.keep_up()
    for domain in found:
        assert found[domain] == all_due()[domain]
    if site.queue.stats(site.clock()).is_complete and not site.queue.wants_upkeep:
        site.queue.jobs.note_loss()
        site.keep_up()
    assert site.due() == all_due()


@pytest.mark.parametrize("name", ["schedule.sqlite", "schedule.sqlite-journal", "schedule.clean"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_stands_in_the_schedule_s_place_and_is_no_file(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    site = filled(tmp_path)
    site.queue.close()
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    site.queue = site.opened()
    site.keep_up()
    site.clock.now += 1000
    assert site.due() == all_due() and os.listdir(tmp_path / "damaged") == [name]


def test_a_file_of_another_program_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "schedule"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE job (x)")
    schedule = Schedule(str(path))
    schedule.open(is_clean=True)
    assert schedule.is_wanting and schedule.next_due() is None


def test_a_row_of_a_file_that_is_begun_anew_is_not_taken_for_an_older_one(tmp_path: Path) -> None:
    site = filled(tmp_path)
    site.clock.now += 1000
    for name in NAMES:
        job = site.take(f"{name.lower()}.example")
        assert site.queue.load(job) is not None
        site.queue.jobs._schedule._remove()
        site.queue.jobs.note_loss()
        site.keep_up()  # gives the others the numbers of those rows
        site.settle(job, Fate.DELIVERED)
        left = {domain: names for domain, names in all_due().items() if names[0] > name}
        assert site.due() == left


def test_where_there_can_be_no_file_new_mail_is_sent_all_the_same(tmp_path: Path) -> None:
    site = Site(tmp_path / "queue", make_schedule=lambda root: Schedule(str(root / "nowhere/schedule")))
    site.send("A1", "bob@example.com")
    assert site.due() == {"example.com": ["A1"]}
    job = site.take("example.com")
    site.settle(job, Fate.DEFERRED)
    assert site.queue.wants_upkeep and site.queue.messages == 1
    site.queue.close()
    assert not (tmp_path / "queue/schedule.clean").exists()


def test_a_disk_that_is_full_loses_rows_and_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = filled(tmp_path)
    connection = site.queue.jobs._schedule._connection
    assert connection is not None
    connection.commit()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    monkeypatch.setattr("mailbox_d.queue.jobs.READY_MAX", 0)
    site.queue.jobs._ready_max = 0
    for number in range(300):
        site.send(f"B{number}", f"bob@b{number}.example")
    assert site.queue.wants_upkeep and site.queue.messages == 306
    connection.execute("PRAGMA max_page_count=100000")
    site.keep_up()
    assert not site.queue.wants_upkeep and site.queue.messages == 306
    site.clock.now += 1000
    found = {}
    while jobs := [job for d in site.queue.due_domains(site.clock(), 50) if (job := site.queue.take(d, site.clock()))]:
        for job in jobs:
            found[job.domain] = job.identifier
    assert len(found) == 306


def test_a_domain_with_many_does_not_hide_another(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.queue.jobs._ready_max = 3
    for number in range(50):
        site.send(f"A{number}", "bob@many.example")
    site.send("B1", "bob@few.example")
    site.send("C1", "bob@zoo.example")
    queue = site.queue
    assert queue.due_domains(NOON, 10) == ["few.example", "many.example", "zoo.example"]
    assert queue.due_domains(NOON, 1, after="few.example") == ["many.example"]
    assert queue.due_domains(NOON, 10, after="many.example") == ["zoo.example"]
    assert queue.due_domains(NOON, 10, after="zoo.example") == []


def test_pages_tell_each_job_once_whatever_they_leave_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.queue.schedule._ROWS_A_PAGE", 3)
    site = filled(tmp_path)
    site.send("B1", "bob@a0.example", "carol@b1.example")
    site.queue.hold("A3")

    def all_pages(selection: Selection, limit: int) -> list[str]:
        after: int | None = 0
        found = []
        while after is not None:
            jobs, after = site.queue.page(selection, after, limit)
            assert len(jobs) <= limit
            found += [f"{job.identifier} {job.domain}" for job in jobs]
        return found

    for limit in (1, 2, 100):
        assert len(all_pages(Selection(), limit)) == 8
        assert all_pages(Selection(domain="a0.example"), limit) == ["A0 a0.example", "B1 a0.example"]
        assert all_pages(Selection(identifier="B1"), limit) == ["B1 a0.example", "B1 b1.example"]
        assert all_pages(Selection(state=RowState.HELD), limit) == ["A3 a3.example"]
        assert all_pages(Selection(sender="nobody@example.org"), limit) == []


def test_figures(tmp_path: Path) -> None:
    site = filled(tmp_path)
    site.queue.hold("A3")
    site.clock.now += 2 * 3600.0
    site.send("B1", "bob@a0.example", "carol@b1.example")
    job = site.take("b1.example")
    stats = site.queue.stats(site.clock())
    assert stats.messages == 7 and stats.being_sent == 1 and stats.ages == [1, 6, 0, 0, 0]
    assert stats.waiting["a0.example"] == 2 and stats.held == {"a3.example": 1} and stats.is_complete
    assert stats.oldest["a0.example"] == NOON and stats.octets > 0
    assert site.queue.being_sent() == ("B1",)
    by_hand = QueueStats()
    for state in offline(tmp_path):
        for known in jobs_of(state):
            by_hand.add_job(known, site.clock())
    rows = sum(stats.waiting.values()) + sum(stats.held.values())
    assert rows + stats.being_sent == sum(by_hand.waiting.values()) + sum(by_hand.held.values())
    assert by_hand.held == stats.held and by_hand.oldest["a0.example"] == NOON
    site.queue.release(job)


SLOW = [f"A{number}" for number in range(20)]


def claimed_on_the_disk(site: Site) -> list[Job]:
    """Jobs whose claims the file says."""
    for name in SLOW:
        site.send(name, "bob@slow.example")
    list(site.queue.identifiers(Selection()))
    jobs = [site.take("slow.example") for _ in SLOW]
    connection_of(site).commit()
    return jobs


def connection_of(site: Site) -> sqlite3.Connection:
    connection = site.queue.jobs._schedule._connection
    assert connection is not None
    return connection


def lose_what_is_not_committed(site: Site) -> None:
    """As a disk does that is full once."""
    connection = connection_of(site)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    site.queue.jobs._ready_max = 0
    for number in range(1000):
        if site.queue.jobs.is_wanting:
            break
        site.send(f"F{number}", "bob@full.example")
    connection.execute("PRAGMA max_page_count=1000000")
    assert site.queue.jobs.is_wanting


def test_a_claim_that_a_full_disk_brings_back_is_ended_by_the_next_look(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.keep_up()
    for job in claimed_on_the_disk(site):
        site.settle(job, Fate.DEFERRED)
    lose_what_is_not_committed(site)
    site.clock.now += 1000
    assert "slow.example" not in site.due()
    site.keep_up()
    assert site.due()["slow.example"] == sorted(SLOW)


def test_a_look_leaves_the_claims_that_somebody_has(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.keep_up()
    jobs = claimed_on_the_disk(site)
    lose_what_is_not_committed(site)
    site.keep_up()
    site.clock.now += 1000
    assert "slow.example" not in site.due()
    for job in jobs:
        site.queue.release(job)
    assert site.due()["slow.example"] == sorted(SLOW)


def test_a_hold_that_a_full_disk_brings_back_is_ended_by_the_next_look(tmp_path: Path) -> None:
    site = filled(tmp_path)
    site.queue.hold("A1")
    connection_of(site).commit()
    site.queue.unhold("A1")
    lose_what_is_not_committed(site)
    site.clock.now += 1000
    assert "a1.example" not in site.due()
    site.keep_up()
    assert site.due()["a1.example"] == ["A1"]


def test_claims_in_the_file_end_with_the_process(tmp_path: Path) -> None:
    path = str(tmp_path / "schedule")
    jobs = [Job(name, "example.com", "", NOON, NOON, 1) for name in ("A1", "B1")]
    schedule = Schedule(path)
    schedule.open(is_clean=False)
    schedule.add(jobs)
    assert len(schedule.claim("example.com", NOON, NOON + 1, 10)) == 2 and schedule.next_due() is None
    schedule.close()
    schedule = Schedule(path)
    schedule.open(is_clean=True)
    assert schedule.next_due() == NOON and schedule.due_domains(NOON, NOON + 1, 10, "") == ["example.com"]
    assert len(schedule.claim("example.com", NOON, NOON + 1, 10)) == 2


def test_what_is_published_at_the_end_is_found_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.keep_up()
    draft = site.draft("A1", "bob@example.com")
    draft.publish()
    site.queue.close()
    draft.schedule()
    site.queue = site.opened()
    site.keep_up()
    assert site.due() == {"example.com": ["A1"]}


@pytest.mark.parametrize("step", ["sync", "mark"])
def test_what_comes_while_the_queue_is_closed_is_found_again(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    site.keep_up()
    target, name = {
        "sync": (site.queue.spool, "sync_removals"),
        "mark": (site.queue._mark, "make"),
    }[step]
    closing = getattr(target, name)

    def send_and_go_on(*arguments: int) -> None:
        site.send("A1", "bob@example.com")
        closing(*arguments)

    monkeypatch.setattr(target, name, send_and_go_on)
    site.queue.close()
    monkeypatch.undo()
    site.queue = site.opened()
    site.keep_up()
    assert site.due() == {"example.com": ["A1"]}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job SET due = 'soon'",
        "UPDATE job SET due = 9e999",
        "UPDATE job SET attempts = x'00'",
        "UPDATE job SET sender = x'00' WHERE message = 'A1'",
        "UPDATE job SET octets = -1",
        "UPDATE job SET state = 7",
        "UPDATE domain SET due = 'soon'",
        "UPDATE domain SET due = -9e999",
    ],
)
def test_rows_that_say_nothing_cost_at_most_a_look_at_the_files(tmp_path: Path, change: str) -> None:
    """Damage that SQLite does not see."""
    site = filled(tmp_path)
    connection_of(site).execute(change)
    site.queue.jobs._look()
    site.clock.now += 1000
    site.due()
    site.queue.stats(site.clock())
    list(site.queue.identifiers(Selection()))
    site.keep_up()
    assert site.due() == all_due() and site.queue.stats(site.clock()).is_complete
