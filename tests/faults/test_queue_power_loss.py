"""Fault 4, for the queue: the power fails at any moment, and of what was not synced any part may be missing.

What was answered with 250 is there, whole, for all whose outcome was not told; who had an outcome that was told is not
tried again, but for the last recipients of a message whose removal was not synced yet (`queue/spool.py`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from mailbox_d.queue.outcomes import MessageState
from mailbox_d.queue.spool import Spool
from tests.faults.model_disk import ModelDisk, Tree
from tests.faults.power_cuts import LyingDisk, cut_off_at_last, states
from tests.faults.queue_witness import SCENARIOS, Event, QueueUser, broken, finish, look, queue_on, sent_again
from tests.faults.tally import count

pytestmark = pytest.mark.faults

ROW = "4: power loss, the queue"


@pytest.fixture(autouse=True)
def outcomes_are_soon_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.queue.spool._REWRITE_OCTETS", 1200)


def recorded(name: str, disk_type: Callable[[], ModelDisk] = ModelDisk) -> tuple[ModelDisk, QueueUser]:
    disk = disk_type()
    user = QueueUser(queue_on(disk), lambda: len(disk.journal))
    SCENARIOS[name](user)
    assert not user.faults
    return disk, user


def faults_of(name: str, disk: ModelDisk, user: QueueUser) -> tuple[int, list[str]]:
    """How many disks were looked at, and what is wrong with the first bad one."""
    number = 0
    for number, (cut, tree) in enumerate(states(disk, name), 1):
        events = [event for event in user.events if event.moment <= cut]
        try:
            faults = wrong_on(tree, events)
        except Exception as error:
            faults = [repr(error), *traceback.format_exc().splitlines()]
        if faults:
            return number, [f"after {cut} steps:", *faults, *map(str, disk.journal[max(0, cut - 20) : cut])]
    return number, []


def wrong_on(tree: Tree, events: Sequence[Event]) -> list[str]:
    """What is wrong on a disk after a loss of power; after another one at once there is the same."""
    after = ModelDisk(tree)
    found = look(queue_on(after))
    faults = list(broken(events, found, power=True))
    count(ROW, states=1, messages=len(found), unavoidable=sent_again(events, found))
    again = look(queue_on(cut_off_at_last(after)))
    if again != found:
        faults.append(f"after another cut there is {again} and not {found}")
    queue = queue_on(after)
    look(queue)
    finish(queue)
    return faults


@pytest.mark.parametrize("name", SCENARIOS)
def test_fault_4_power_loss(name: str) -> None:
    disk, user = recorded(name)
    number, faults = faults_of(name, disk, user)
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)
    assert number > 10


@pytest.mark.parametrize(
    ("name", "liar"),
    [
        ("send and settle", partial(LyingDisk, files=False)),
        ("send and settle", partial(LyingDisk, directories=False)),
        ("hold and retry", partial(LyingDisk, files=False)),
        ("hold and retry", partial(LyingDisk, directories=False)),
    ],
)
def test_a_disk_that_does_not_sync_is_found_out(name: str, liar: Callable[[], ModelDisk]) -> None:
    _, faults = faults_of(name, *recorded(name, liar))
    assert faults


def test_lines_that_go_before_their_message_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def remove_at_once(spool: Spool, state: MessageState) -> None:
        real(spool, state)
        if state.log_octets:
            spool.folders.files.unlink(spool.folders.log(state.message.identifier))

    real = Spool.remove
    monkeypatch.setattr(Spool, "remove", remove_at_once)
    _, faults = faults_of("send and settle", *recorded("send and settle"))
    assert any("have their outcome" in fault for fault in faults)
