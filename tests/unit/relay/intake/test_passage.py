"""A message for mailboxes here and for the queue: all of it stands, or nothing."""

from __future__ import annotations

import pytest

from mailbox_d.errors import StorageFault
from mailbox_d.relay.intake.passage import Passage


class Part:
    """A draft, or a local delivery, that notes what is done to it and fails where it is told to."""

    def __init__(self, name: str, steps: list[str], fails: str = "") -> None:
        self.name = name
        self.steps = steps
        self.fails = fails

    def _step(self, step: str) -> None:
        self.steps.append(f"{self.name} {step}")
        if step == self.fails:
            raise StorageFault("The disk is full")

    def write(self, octets: bytes) -> None:
        self._step("write")

    def publish(self) -> None:
        self._step("publish")

    def schedule(self) -> None:
        self._step("schedule")

    def abort(self) -> None:
        self._step("abort")

    def commit(self, *, all_or_nothing: bool) -> tuple[()]:
        self._step("commit")
        return ()


def passage(steps: list[str], *, local: str | None = "", first: str = "", second: str = "") -> Passage:
    drafts = [Part("first", steps, first), Part("second", steps, second)]
    here = None if local is None else Part("local", steps, local)
    return Passage(here, drafts, lambda: steps.append("scheduled"))  # type: ignore[arg-type]


def test_the_queue_is_durable_before_the_copies_and_sends_after_them() -> None:
    steps: list[str] = []
    passage(steps).commit(all_or_nothing=True)
    assert steps == [
        "first publish",
        "second publish",
        "local commit",
        "first schedule",
        "second schedule",
        "scheduled",
    ]


@pytest.mark.parametrize(
    ("faults", "done"),
    [
        ({"first": "publish"}, ["first publish"]),
        ({"second": "publish"}, ["first publish", "second publish"]),
        ({"local": "commit"}, ["first publish", "second publish", "local commit"]),
    ],
)
def test_what_fails_leaves_nothing_in_the_queue(faults: dict[str, str], done: list[str]) -> None:
    steps: list[str] = []
    with pytest.raises(StorageFault):
        passage(steps, **faults).commit(all_or_nothing=True)  # type: ignore[arg-type]
    assert steps == [*done, "first abort", "second abort"]


def test_all_parts_are_written_and_given_up_together() -> None:
    steps: list[str] = []
    under_way = passage(steps)
    under_way.write(b"octets")
    under_way.abort()
    assert steps == ["local write", "first write", "second write", "local abort", "first abort", "second abort"]


def test_there_may_be_nobody_here() -> None:
    steps: list[str] = []
    under_way = passage(steps, local=None)
    under_way.write(b"octets")
    assert under_way.commit(all_or_nothing=True) == ()
    under_way.abort()
    assert "local write" not in steps
