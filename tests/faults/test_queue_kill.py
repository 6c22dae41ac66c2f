"""Fault 2: the process ends before or after any file operation of the queue's.

What was answered is there, and whole; nothing that was settled is tried again; a message whose settling was not
answered is tried again at most once more. By default every third step of some scenarios; `make faults`
(`MAILBOXD_FAULTS_IN_FULL`) kills a thousand times and more.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.queue_witness import SCENARIOS, Event, QueueUser, anything, broken, finish, look, queue_on, sent_again
from tests.faults.store_files import MortalFiles
from tests.faults.tally import IN_FULL, count

pytestmark = pytest.mark.faults

STRIDE = 1 if IN_FULL else 3
NAMES = ["send and settle", "withdraw", "hold and retry", "anything 0"]
SEEDS = range(100, 112) if IN_FULL else range(100, 101)
SCHEDULED = {**{name: SCENARIOS[name] for name in NAMES}, **{f"anything {seed}": anything(seed) for seed in SEEDS}}


def run_until_it_dies(
    root: Path, work: Callable[[QueueUser], None], number: int, *, before: bool
) -> tuple[bool, list[Event]]:
    """Do the work in a child that ends at one of its file operations: whether it came to the end, and its events."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            files = MortalFiles(number, before=before)
            user = QueueUser(queue_on(files, root), tell=lambda event: os.write(writing, pickle.dumps(event)))
            files.armed = True
            work(user)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9)
    return code == 0, unpickled(told)


def unpickled(octets: bytes) -> list[Event]:
    events = []
    while octets:
        event = pickle.loads(octets)
        events.append(event)
        octets = octets[len(pickle.dumps(event)) :]
    return events


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", SCHEDULED)
def test_fault_2_killed_at_each_step(tmp_path: Path, name: str, before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.queue.spool._REWRITE_OCTETS", 1200)
    kills = messages = again = 0
    for number in range(1, 1000, STRIDE):
        root = tmp_path / str(number)
        is_done, events = run_until_it_dies(root, SCHEDULED[name], number, before=before)
        queue = queue_on(MortalFiles(0, before=True), root)
        found = look(queue)
        faults = list(broken(events, found, power=False))
        assert not faults, (number, faults, events)
        finish(queue)
        kills, messages, again = kills + 1, messages + len(found), again + sent_again(events, found)
        if is_done:
            break
    count("2: kills in the queue", kills=kills, messages=messages, unavoidable=again)
    assert is_done and number > 15
