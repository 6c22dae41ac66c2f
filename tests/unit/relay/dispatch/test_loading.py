"""Whose turn it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.queue.job import Job
from mailbox_d.relay.dispatch.admission import Admission
from tests.unit.relay.queued import Queued

NEW = {f"d{number:04}.example": 1 for number in range(2000)}
KNOWN = ["zz-known.example", "a-known.example", "later.example"]


@pytest.fixture
def queued(tmp_path: Path) -> Queued:
    """Much is due in new domains, before and behind the known ones."""
    queued = Queued(tmp_path)
    jobs = [Job(f"M-{domain}", domain, "", queued.now, queued.now, 9) for domain in NEW]
    queued.queue.jobs.add(jobs, queued.now)
    for number in range(3):
        for domain in KNOWN[:2]:
            queued.add(f"{domain[:1]}{number}", f"bob@{domain}")
    return queued


def looked(queued: Queued, runs: int, free: int = 2) -> list[str]:
    """The domains of one look, while new domains have so many runs."""
    having = dict(list(NEW.items())[:runs])
    found, _ = queued.loading.look(Admission(having, KNOWN, most=runs + free, each=5))
    return [loaded.job.domain for loaded in found]


def test_where_only_known_domains_may_have_more_they_are_asked_first(queued: Queued) -> None:
    assert looked(queued, 30) == ["a-known.example", "zz-known.example"]
    assert queued.loading.look(Admission({}, KNOWN, most=0, each=5))[0] == []


def test_known_domains_have_their_turns(queued: Queued) -> None:
    order = [looked(queued, 30, free=1) for _ in range(4)]
    assert order == [["a-known.example"], ["zz-known.example"]] * 2


def test_known_domains_with_nothing_to_send_cost_nobody_a_turn(queued: Queued) -> None:
    for _ in range(6):
        looked(queued, 30)
    assert looked(queued, 30) == [] and queued.queue.due_of(KNOWN, queued.now) == []
