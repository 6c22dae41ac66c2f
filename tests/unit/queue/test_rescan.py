from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from mailbox_d.queue.message import Attempt, Fate
from mailbox_d.queue.outcomes import Change, MessageState, Progress
from mailbox_d.queue.rescan import Rescan
from tests.faults.store_files import Call, FailingFiles, RecordingFiles
from tests.unit.queue.mail import SENDER, Clock, Site


def rescan_of(site: Site, monotonic: Clock) -> Rescan:
    return Rescan(site.queue.spool, site.queue._open, site.queue.jobs, set(), 0.0, site.clock, monotonic)


def run(rescan: Rescan) -> int:
    """How many turns it took."""
    return sum(1 for _ in rescan.turns())


def is_look_at_the_message(call: Call) -> bool:
    return call.operation == "open" and call.path.endswith("messages/A1")


def test_a_look_that_missed_something_is_not_made_again_at_once(tmp_path: Path) -> None:
    files = FailingFiles(1, 5, is_look_at_the_message, always=True)
    site, monotonic = Site(tmp_path, files), Clock(0.0)
    site.send("A1", "bob@example.com")
    site.restart(is_clean=False)
    rescan = rescan_of(site, monotonic)
    files.armed = True
    times = []
    for monotonic.now in range(0, 1000, 10):
        if rescan.is_wanted:
            times.append(monotonic.now)
            run(rescan)
    assert times == [0, 60, 180, 420, 900] and site.queue.jobs.is_wanting
    files.armed = False
    monotonic.now = 10_000
    run(rescan)
    assert not rescan.is_wanted and site.due() == {"example.com": ["A1"]}


def test_removals_are_made_durable_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.queue.rescan._NAMES_A_TURN", 1)
    files = RecordingFiles()
    site, monotonic = Site(tmp_path, files), Clock(0.0)
    for number in range(5):
        site.send(f"A{number}", "bob@example.com", "eve@example.net")
    for _ in range(3):
        site.settle(site.take("example.com"), Fate.DELIVERED)
        site.settle(site.take("example.net"), Fate.DELIVERED)
    assert len(os.listdir(tmp_path / "outcomes")) == 3
    files.calls.clear()
    for _ in rescan_of(site, monotonic).turns():
        monotonic.now += 0.6
        if sum(call.operation == "fsync_directory" for call in files.calls):
            break
    assert len(os.listdir(tmp_path / "outcomes")) == 0


def test_a_turn_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path)
    for number in range(20):
        site.send(f"A{number}", "bob@example.com")
    site.restart(is_clean=False)
    monkeypatch.setattr("mailbox_d.queue.rescan._NAMES_A_TURN", 5)
    assert run(rescan_of(site, Clock(0.0))) == 4


def test_a_turn_that_takes_long_ends_early(tmp_path: Path) -> None:
    site, monotonic = Site(tmp_path), Clock(0.0)
    for number in range(20):
        site.send(f"A{number}", "bob@example.com")
    site.restart(is_clean=False)

    def slowly() -> float:
        monotonic.now += 0.004
        return monotonic.now

    rescan = rescan_of(site, slowly)  # type: ignore[arg-type]
    assert run(rescan) >= 10


def test_a_message_of_which_nobody_waits_goes(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.send("A1", "bob@example.com")
    state = site.queue.show("A1")
    assert state is not None
    done = Attempt(site.clock(), SENDER, Fate.DELIVERED, "2.0.0")
    bob = state.waiting()[0].address
    site.queue.spool.append(state, Change({bob: Progress(replace(done, recipient=bob), 1)}))
    site.restart(is_clean=False)
    site.keep_up()
    assert os.listdir(tmp_path / "messages") == os.listdir(tmp_path / "outcomes") == [] and site.queue.messages == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 4])
def test_a_stop_in_the_middle_of_a_look_loses_nothing(
    tmp_path: Path, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailbox_d.queue.rescan._NAMES_A_TURN", 2)
    site, names = Site(tmp_path), [f"A{number}" for number in range(10)]
    for name in names:
        site.send(name, "bob@example.com")
    site.restart(is_clean=False)
    look = site.queue.upkeep()
    for _ in range(turns):
        next(look)
    assert site.queue.wants_upkeep and not site.queue.stats(site.clock()).is_complete
    site.restart(is_clean=True)
    site.keep_up()
    assert site.due() == {"example.com": names} and site.queue.messages == 10


@pytest.mark.parametrize("fault", [ValueError("our fault"), OSError(5, "Input/output error")])
def test_a_fault_with_one_message_keeps_no_other_from_being_found(
    tmp_path: Path, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, monotonic = Site(tmp_path), Clock(0.0)
    for name in ("A1", "A2", "A3"):
        site.send(name, "bob@example.com")
    site.restart(is_clean=False)
    rescan, read = rescan_of(site, monotonic), site.queue.spool.state

    def state(identifier: str) -> MessageState | None:
        if identifier == "A2":
            raise fault
        return read(identifier)

    with monkeypatch.context() as patched:
        patched.setattr(site.queue.spool, "state", state)
        run(rescan)
    assert site.due() == {"example.com": ["A1", "A3"]} and site.queue.jobs.is_wanting and not rescan.is_wanted
    site.restart(is_clean=True)
    site.keep_up()
    assert site.due() == {"example.com": ["A1", "A2", "A3"]}


def test_a_loss_during_a_look_wants_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.queue.rescan._NAMES_A_TURN", 1)
    site, monotonic = Site(tmp_path), Clock(0.0)
    for name in ("A1", "A2"):
        site.send(name, "bob@example.com")
    site.restart(is_clean=False)
    rescan = rescan_of(site, monotonic)
    look = rescan.turns()
    next(look)
    site.queue.jobs.note_loss()
    for _ in look:
        pass
    assert site.queue.jobs.is_wanting
    monotonic.now += 10_000
    run(rescan)
    assert not site.queue.jobs.is_wanting and not rescan.is_wanted


@pytest.mark.parametrize("is_held", [True, False])
def test_what_an_operator_wants_while_a_message_is_looked_at_holds(
    tmp_path: Path, is_held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    site.send("A1", "bob@example.com")
    if is_held:
        site.queue.hold("A1")
    else:
        site.settle(site.take("example.com"), Fate.DEFERRED)
    site.restart(is_clean=False)
    read, operators = site.queue.spool.state, []

    def change() -> None:
        assert site.queue.unhold("A1") if is_held else site.queue.retry("A1", site.clock())

    def state(identifier: str) -> MessageState | None:
        found = read(identifier)
        if not operators:
            operators.append(Thread(target=change))
            operators[0].start()
            operators[0].join(0.3)  # it may be made to wait, or not
        return found

    monkeypatch.setattr(site.queue.spool, "state", state)
    site.keep_up()
    operators[0].join()
    assert site.due() == {"example.com": ["A1"]}
