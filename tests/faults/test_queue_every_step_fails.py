"""Faults 6 to 10, for the queue: each of its file operations fails in turn, with every errno.

What was told holds, for this process and for the next one; what is told is a temporary fault of ours; and all goes on
by itself when the disk does.
"""

from __future__ import annotations

import errno

import pytest

from mailbox_d.errors import StorageFull
from tests.faults.model_disk import ModelDisk
from tests.faults.queue_witness import SCENARIOS, QueueUser, broken, finish, look, queue_on
from tests.faults.tally import IN_FULL, count
from tests.faults.test_every_step_fails import CODES, FULL, LOOK_CODES, LOOKS, STRIDE, FailingDisk

pytestmark = pytest.mark.faults


def disk_of_a_queue() -> ModelDisk:
    """On which a queue was opened once."""
    disk = ModelDisk()
    queue_on(disk)
    return disk


def faults_of(name: str, number: int, code: int, *, looks: bool, lasting: bool = False) -> tuple[str, list[str]]:
    """What failed, and what is wrong after it."""
    disk = FailingDisk(
        disk_of_a_queue().nodes, number, code, lasting=lasting, fails=lambda kind: (kind in LOOKS) == looks
    )
    disk.armed = False
    user = QueueUser(queue_on(disk))
    disk.armed = True
    SCENARIOS[name](user)
    disk.armed = False
    faults = [
        f"{fault!r} is told"
        for fault in user.faults
        if not fault.temporary or (isinstance(fault, StorageFull) and code not in FULL)
    ]
    user.sync()
    events = list(user.events)
    here = look_here(user)
    after = queue_on(disk)
    found = look(after)
    faults += [*broken(events, found, power=False)]
    if here != set(found):
        faults.append(f"this process has {here}, and the next one {set(found)}")
    finish(after)
    return disk.failed, faults


def look_here(user: QueueUser) -> set[str]:
    """What this process has in its queue, once it has looked at all files; drafts that could not be removed are hidden
    from it, which were told to be none."""
    for _ in user.queue.upkeep():
        pass
    user.queue.jobs.note_loss()
    for _ in user.queue.upkeep():
        pass
    return {name.decode() for name in user.queue.spool.names()}


def fail_each(name: str, *, looks: bool) -> int:
    """Have one step after the other fail; how many did."""
    codes, tried = LOOK_CODES if looks else CODES, 0
    for number in range(1, 100_000, STRIDE):
        for code in codes if IN_FULL else [codes[number // STRIDE % len(codes)]]:
            failed, faults = faults_of(name, number, code, looks=looks)
            assert not faults, f"{name}, step {number}, {failed}, {errno.errorcode[code]}: {faults}"
            tried += bool(failed)
        if not failed:
            break
    count("6-10: steps of the queue that fail, times errnos", faults=tried)
    return tried


@pytest.mark.parametrize("name", SCENARIOS)
def test_faults_6_to_10_every_step_fails_with_every_errno(name: str) -> None:
    assert fail_each(name, looks=False) >= 5


def test_fault_8_every_look_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.queue.open_messages._RECIPIENTS_KEPT", 0)  # or hardly any would be read again
    assert sum(fail_each(name, looks=True) for name in SCENARIOS) > 5


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_faults_6_7_and_10_a_disk_that_takes_nothing_more_from_one_moment_on(code: int) -> None:
    tried = 0
    for name in SCENARIOS:
        for number in range(1, 1000, STRIDE):
            failed, faults = faults_of(name, number, code, looks=False, lasting=True)
            assert not faults, f"{name}, from step {number} on, {failed}: {faults}"
            tried += bool(failed)
            if not failed:
                break
    count("6, 7, 10: a disk that takes no more from the queue", faults=tried)
    assert tried > 5
