from __future__ import annotations

import pytest

from mailbox_d.queue.job import Job
from mailbox_d.queue.jobs import Jobs
from mailbox_d.queue.schedule import RowState, Schedule, Selection
from tests.unit.queue.mail import BACKOFF, NOON

DOMAIN = "example.com"


def job(name: str, due: float = NOON, domain: str = DOMAIN) -> Job:
    return Job(name, domain, "alice@example.org", due, NOON, 100)


def opened(ready_max: int = 5) -> Jobs:
    jobs = Jobs(Schedule(":memory:"), BACKOFF, ready_max)
    jobs.open(is_clean=True)
    return jobs


def rows(jobs: Jobs) -> list[str]:
    """What the schedule has, without what is in memory alone."""
    found, _ = jobs._schedule.page(Selection(), 0, 1000)
    return [one.identifier for one in found]


def taken(jobs: Jobs, now: float = NOON) -> list[str]:
    found = []
    while one := jobs.take(DOMAIN, now):
        found.append(one.identifier)
    return found


def test_what_comes_is_in_memory_alone_until_there_is_no_room() -> None:
    jobs = opened(ready_max=5)
    for number in range(8):
        jobs.add([job(f"A{number}")], NOON)
    assert rows(jobs) == ["A5", "A6", "A7"]
    assert sorted(taken(jobs)) == [f"A{number}" for number in range(8)]


def test_what_is_not_due_is_a_row() -> None:
    jobs = opened()
    jobs.add([job("A1", NOON + 10)], NOON)
    assert rows(jobs) == ["A1"] and taken(jobs) == [] and jobs.next_due() == NOON + 10
    assert taken(jobs, NOON + 10) == ["A1"]


def test_rows_go_before_what_has_just_come() -> None:
    jobs = opened(ready_max=100)
    for number in range(50):
        jobs._schedule.add([job(f"R{number:02}", NOON - 50 + number)])
    jobs.next_due()
    assert taken(jobs) == [f"R{number:02}" for number in range(50)]


@pytest.mark.parametrize("ready_max", [1, 3, 100])
def test_neither_rows_nor_new_ones_wait_for_ever(ready_max: int) -> None:
    """New jobs come as fast as they are taken, and there are always rows that are due."""
    jobs = opened(ready_max)
    order = []
    for number in range(200):
        jobs._schedule.add([job(f"R{number}")])
        jobs.next_due()
        jobs.add([job(f"N{number}")], NOON)
        one = jobs.take(DOMAIN, NOON)
        assert one is not None
        order.append(one.identifier[0])
    assert order.count("R") >= 20 and (ready_max < 100 or order.count("N") >= 5)
    assert len(jobs._ready_keys) <= ready_max


def test_an_operator_s_look_makes_rows_of_what_is_in_memory_and_takes_nothing_from_it() -> None:
    jobs = opened(ready_max=100)
    for number in range(30):
        jobs._schedule.add([job(f"R{number}")])
    jobs.next_due()
    jobs.add([job("N1")], NOON)
    claimed = jobs.take(DOMAIN, NOON)
    assert claimed is not None
    found, after = jobs.page(Selection(state=RowState.WAITING), 0, 100)
    assert len(found) == 30 and after is None
    assert sorted([claimed.identifier, *taken(jobs)]) == sorted(["N1", *(f"R{number}" for number in range(30))])


def test_domains_are_told_once_and_in_order() -> None:
    jobs = opened(ready_max=2)
    for name in ("b.example", "a.example", "c.example", "b.example"):
        jobs.add([job(f"J{len(rows(jobs))}{name}", domain=name)], NOON)
    assert jobs.due_domains(NOON, 10) == ["a.example", "b.example", "c.example"]
    assert jobs.due_domains(NOON, 1, "a.example") == ["b.example"]


def test_a_job_that_is_held_stays_so_when_it_is_given_back() -> None:
    jobs = opened()
    jobs.add([job("A1")], NOON)
    jobs.change("A1", state=RowState.HELD)
    (claimed,) = jobs.take_message("A1", NOON)
    assert claimed.is_held is True and jobs.take_message("A1", NOON) == []
    jobs.put(claimed)
    assert taken(jobs, NOON + 10**6) == [] and jobs.next_due() is None
    jobs.put(claimed)  # it is not claimed any more
    assert rows(jobs) == ["A1"]


def test_in_which_of_many_domains_something_is_due() -> None:
    jobs = opened(ready_max=2)
    names = [f"d{number}.example" for number in range(1200)]
    jobs.add([job("A", domain="d7.example")], NOON)
    jobs.add([job("B", domain="d1100.example"), job("C", domain="d3.example"), job("D", domain="x.example")], NOON)
    jobs.add([job("E", NOON + 60, domain="d4.example")], NOON)
    assert jobs.due_of(names, NOON) == ["d1100.example", "d3.example", "d7.example"]
    assert jobs.due_of(iter(names), NOON + 60) == ["d1100.example", "d3.example", "d4.example", "d7.example"]
    assert jobs.due_of([], NOON) == []
