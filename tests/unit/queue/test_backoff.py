"""Fault 15 among them: the clock jumps, and nothing is given up for it or waits for ever."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from mailbox_d.queue.backoff import Backoff
from mailbox_d.queue.message import Fate
from tests.unit.queue.mail import BACKOFF, NOON, Site

A_YEAR = 366 * 86400.0


def test_waits_double_up_to_the_longest() -> None:
    assert [BACKOFF.wait(tries, 0.0) for tries in (1, 2, 3, 4, 5, 6, 5000)] == [100, 200, 400, 800, 1000, 1000, 1000]


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 150.0), (0.5, 200.0), (1.0, 250.0)])
def test_a_wait_has_some_chance_in_it(chance: float, wait: float) -> None:
    assert replace(BACKOFF, chance=lambda: chance).wait(2, 0.0) == wait


def test_the_last_attempt_comes_when_the_message_is_to_be_given_up() -> None:
    assert BACKOFF.wait(5, 8800.0) == 200.0
    assert BACKOFF.wait(5, 8999.0) == 75.0  # and never at once


def tried_until_given_up(site: Site, steps: list[float]) -> list[float]:
    """Try as often as it is due, the clock jumping before each attempt; when it was tried."""
    times = []
    for number in range(100):
        site.clock.now += steps[number] if number < len(steps) else 0.0
        job = site.queue.take("example.com", site.clock())
        if job is None:
            due = site.queue.next_due()
            assert due is not None
            site.clock.now = due
            job = site.take("example.com")
        times.append(site.clock.now)
        parcel = site.queue.load(job)
        assert parcel is not None
        if site.queue.expired(parcel, site.clock()):
            return times
        site.settle(job, Fate.DEFERRED)
    raise AssertionError("it is never given up")


def test_a_message_is_given_up_in_time(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.send("A1", "bob@example.com")
    times = tried_until_given_up(site, [])
    assert times[-1] - NOON == BACKOFF.give_up_after and len(times) == 13


@pytest.mark.parametrize("jump", [3600.0, 86400.0, 10 * A_YEAR])
def test_fault_15_a_jump_forward_costs_little_of_a_message_s_time(tmp_path: Path, jump: float) -> None:
    site = Site(tmp_path)
    site.send("A1", "bob@example.com")
    times = tried_until_given_up(site, [0, jump])
    assert len(times) >= 10, "it is tried nearly as often as without"


@pytest.mark.parametrize("jump", [-3600.0, -86400.0, -10 * A_YEAR])
def test_fault_15_a_jump_back_leaves_nothing_in_the_future(tmp_path: Path, jump: float) -> None:
    site = Site(tmp_path)
    site.send("A1", "bob@example.com")
    site.send("B1", "bob@example.net")
    for domain in ("example.com", "example.net"):
        site.settle(site.take(domain), Fate.DEFERRED)
    site.clock.now += jump
    assert site.due() == {"example.com": ["A1"], "example.net": ["B1"]}
    assert site.queue.remove("B1", site.clock())
    times = tried_until_given_up(site, [])
    assert len(times) >= 10 and times[-1] - times[0] <= BACKOFF.give_up_after


def test_fault_15_nothing_that_is_far_ahead_hides_behind_what_is_near(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.clock.now += A_YEAR
    site.send("A1", "bob@example.com")
    site.settle(site.take("example.com"), Fate.DEFERRED)
    site.clock.now -= A_YEAR
    site.send("B1", "bob@example.com")
    job = site.take("example.com")
    site.settle(job, Fate.DEFERRED)
    assert site.due() == {"example.com": [{"A1": "B1", "B1": "A1"}[job.identifier]]}


def test_fault_15_a_queue_that_stood_still_gives_nothing_up(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.send("A1", "bob@example.com")
    site.settle(site.take("example.com"), Fate.DEFERRED)
    site.clock.now += 10 * BACKOFF.give_up_after
    parcel = site.queue.load(site.take("example.com"))
    assert parcel is not None and not site.queue.expired(parcel, site.clock())


def test_late_is_told_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.send("A1", "bob@example.com")
    told = []
    for _ in range(8):
        due = site.queue.next_due()
        assert due is not None
        site.clock.now = max(site.clock.now, due)
        job = site.take("example.com")
        attempts = site.attempts(job, Fate.DEFERRED)
        parcel = site.queue.load(job)
        assert parcel is not None
        late = site.queue.late(parcel, site.clock())
        told.append(bool(late))
        site.queue.settle(job, attempts, site.clock(), warned=late)
        site.restart(is_clean=False)
        site.keep_up()
    assert told.count(True) == 1 and told.index(True) == 5  # 100 + 200 + 400 + 800 + 1000 s


def test_a_retry_after_beyond_the_longest_wait() -> None:
    assert Backoff(retry_after=100.0, retry_most=10.0, chance=lambda: 1.0).wait(1, 0.0) == 10.0


def test_where_nothing_is_to_be_sent_a_message_grows_no_older(tmp_path: Path) -> None:
    site = Site(tmp_path, backoff=replace(BACKOFF, warn_after=math.inf, give_up_after=math.inf, counts=False))
    site.send("A1", "bob@example.com")
    site.keep_up()
    for _ in range(100):
        site.settle(site.take("example.com"), Fate.DEFERRED)
        site.clock.now += BACKOFF.retry_after
    site.backoff = BACKOFF
    site.restart(is_clean=True)
    parcel = site.queue.load(job := site.take("example.com"))
    assert parcel is not None and not site.queue.expired(parcel, site.clock()) | site.queue.late(parcel, site.clock())
    site.queue.release(job)
    site.settle(site.take("example.com"), Fate.DEFERRED)
    assert site.queue.next_due() == site.clock() + BACKOFF.retry_after
