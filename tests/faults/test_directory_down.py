"""Fault 24 under load: a directory that hangs, is killed, or answers late, while all services are asked all the time.

Nobody is told that an address or a password is wrong; what is remembered is answered; who is logged in feels nothing;
afterwards all is as before. Five seconds each; `make faults` takes a minute.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from tests.faults.directory_load import KEPT, Load, Said, at_work, questions, saying_noop
from tests.faults.directory_place import LANE, POOLS, UnsteadyPlace, unsteady_place
from tests.faults.tally import IN_FULL, count, tell
from tests.faults.vitals import assert_level, vitals
from tests.integration.site import BOB
from tests.integration.unsteady_way import Flow

pytestmark = pytest.mark.faults

SECONDS = 60.0 if IN_FULL else 5.0
TIMEOUT = 1.0
WARM = 150 if IN_FULL else 10
"""Answers to each question before the fault begins: by then the process is as large as it gets."""
LEAST = 3
"""Answers to each question while it lasts."""
MEMORY = 16 * 1024
"""KiB."""
BACK = DEFAULT_BOUNDS.rest + 2 * TIMEOUT + 2
"""Seconds after which all is answered again, on a machine that is not too busy: a server's rest, a question that was on
its way to it before, and one more."""

AT_PEACE = {
    "a file": Said.YES,
    "remembered": Said.YES,
    "the same": Said.YES,
    "in turn": Said.YES,
    "wrong": Said.NO,
    "unkept": Said.YES,
    "strangers": Said.NO,
}
"""What is said while there is a directory, by what is asked; where the machine is too busy, late now and then."""

WITHOUT = {
    "a file": Said.YES,
    "remembered": Said.YES,
    "the same": Said.YES,
    "in turn": Said.LATER,
    "wrong": Said.LATER,
    "unkept": Said.LATER,
    "strangers": Said.LATER,
}
"""What is said while there is none, and nothing else."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[UnsteadyPlace]:
    with unsteady_place(tmp_path, f"{TIMEOUT} s") as place:
        yield place


def hang(place: UnsteadyPlace) -> None:
    place.slapd.hang()


def go_on(place: UnsteadyPlace) -> None:
    place.slapd.go_on()


def kill(place: UnsteadyPlace) -> None:
    place.slapd.stop()


def start(place: UnsteadyPlace) -> None:
    place.slapd.start()


def answer_late(place: UnsteadyPlace) -> None:
    place.way.flow, place.way.delay = Flow.LATE, 10.0


def answer_at_once(place: UnsteadyPlace) -> None:
    place.way.flow = Flow.ALL
    place.way.break_all()


Change = Callable[[UnsteadyPlace], None]


def kind(name: str) -> str:
    return name.partition(": ")[2]


def assert_at_peace(load: Load, since: float, until: float = math.inf) -> None:
    """Of what was asked since then, and answered until then."""
    for name in load.answers:
        said = {answer.said for answer in load.since(since, name) if answer.ended <= until}
        right = AT_PEACE[kind(name)]
        assert right in said and said <= {right, Said.LATER}, (name, said)


def assert_without(load: Load, since: float, until: float) -> float:
    """Of what was asked since then, and answered until then; the longest that an answer took."""
    longest = 0.0
    for name in load.answers:
        answers = [answer for answer in load.since(since, name) if answer.ended <= until]
        others = {answer.text for answer in answers if answer.said is not WITHOUT[kind(name)]}
        assert answers and not others, (name, others)
        longest = max(longest, *(answer.ended - answer.began for answer in answers))
    return longest


def wait_for_the_first(load: Load) -> None:
    """Return when the fault is felt: until then, who asks for an address may get the answer to a question of before."""
    began = time.monotonic()
    for name in load.answers:
        if kind(name) == "unkept":
            load.wait_for(began, name, Said.LATER)


def p99(seconds: Sequence[float]) -> float:
    """In ms; they come by size."""
    return 1000 * seconds[round(0.99 * len(seconds)) - 1]


@pytest.mark.parametrize(
    ("begin", "end"),
    [(hang, go_on), (kill, start), (answer_late, answer_at_once)],
    ids=["hangs", "killed", "late"],
)
def test_fault_24_without_a_directory_under_load(place: UnsteadyPlace, begin: Change, end: Change) -> None:
    with saying_noop(place.site, BOB, f"imap@{KEPT}") as noops, at_work(questions(place.site)) as load:
        load.wait_for_answers(0, WARM)
        before, at_peace, well = vitals(place.daemon.pid), noops.take(), time.monotonic()
        begin(place)
        wait_for_the_first(load)
        began = time.monotonic()
        noops.take()
        load.wait_for_answers(began, LEAST)
        time.sleep(max(0, began + SECONDS - time.monotonic()))
        ended, felt, during = time.monotonic(), noops.take(), vitals(place.daemon.pid)
        end(place)
        back = (
            max(load.wait_for(ended, name, Said.YES).ended for name in load.answers if kind(name) == "unkept") - ended
        )
        time.sleep(DEFAULT_BOUNDS.rest + TIMEOUT)
        again = time.monotonic()
        load.wait_for_answers(again, LEAST)
    assert_at_peace(load, 0, well)
    longest = assert_without(load, began, ended)
    assert_at_peace(load, again)
    after = assert_level(place.daemon.pid, before, memory=MEMORY, threads=LANE, descriptors=POOLS)
    assert not IN_FULL or back < BACK
    count("24: no directory, under load", faults=1, messages=len(load))
    quick = f"NOOP p99 {p99(felt):.0f} ms, before it {p99(at_peace):.0f} ms; back after {back:.1f} s"
    tell(f"24: {begin.__name__}, {SECONDS:.0f} s: {len(load)} answers, the latest after {longest:.1f} s; {quick}")
    tell(f"    before it {before}; meanwhile {during}; after it {after}")
