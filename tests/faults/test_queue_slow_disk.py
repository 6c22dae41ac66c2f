"""Fault 14, for the queue: a disk that hangs for one message keeps no other one waiting.

No test here looks at the clock: the disk hangs until others were served.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailbox_d.queue.message import Fate
from tests.faults.store_files import Call, WatchedFiles
from tests.unit.queue.mail import Site

pytestmark = pytest.mark.faults

SECONDS = 60
"""After which a test that waits in vain gives up."""


class HangingFiles(WatchedFiles):
    """An operation on what a path ends with hangs, until `go_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = ("", "")
        self.is_reached = threading.Event()
        self.go_on = threading.Event()
        self.gave_up = False

    def before(self, call: Call) -> None:
        operation, end = self.hangs
        if operation == call.operation and call.path.endswith(end):
            self.hangs = ("", "")
            self.is_reached.set()
            self.gave_up = not self.go_on.wait(SECONDS)


@contextmanager
def hanging(files: HangingFiles, operation: str, end: str, work: threading.Thread) -> Iterator[None]:
    """Begin this work, which hangs until the block ends."""
    files.hangs = (operation, end)
    work.start()
    try:
        assert files.is_reached.wait(SECONDS)
        yield
        assert not files.gave_up, "others waited for it"
    finally:
        files.go_on.set()
        work.join()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "queue", HangingFiles())
    site.keep_up()
    return site


def others_are_served(site: Site, *, new: bool = True) -> None:
    site.queue.due_domains(site.clock(), 10)
    site.queue.next_due()
    site.queue.stats(site.clock())
    site.settle(site.take("other.example"), Fate.DEFERRED)
    assert site.queue.hold("OTHER") and site.queue.unhold("OTHER") and site.queue.remove("OTHER", site.clock())
    if new:
        site.send("NEW", "bob@new.example")
        site.settle(site.take("new.example"), Fate.DELIVERED)


def begun(site: Site) -> HangingFiles:
    site.send("OTHER", "bob@other.example")
    site.send("SLOW", "bob@slow.example", "carol@third.example")
    assert isinstance(site.files, HangingFiles)
    return site.files


def test_fault_14_a_message_that_comes(site: Site) -> None:
    files = begun(site)
    with hanging(files, "fsync", "", threading.Thread(target=site.send, args=("HANGS", "bob@hangs.example"))):
        assert site.queue.take("hangs.example", site.clock()) is None
        site.queue.jobs.note_loss()
        site.keep_up()
        assert site.queue.take("hangs.example", site.clock()) is None
        site.settle(site.take("slow.example"), Fate.DELIVERED)
        others_are_served(site)
    assert site.take("hangs.example").identifier == "HANGS"


def test_fault_14_an_outcome_that_is_noted(site: Site) -> None:
    files = begun(site)
    job = site.take("slow.example")
    attempts = site.attempts(job, Fate.DELIVERED)
    work = threading.Thread(target=site.queue.settle, args=(job, attempts, site.clock()))
    with hanging(files, "fsync", "SLOW.log", work):
        others_are_served(site)
        assert site.take("third.example").identifier == "SLOW"


def test_fault_14_a_removal_that_is_made_durable(site: Site) -> None:
    files = begun(site)
    site.settle(site.take("slow.example"), Fate.DELIVERED)
    site.settle(site.take("third.example"), Fate.DELIVERED)
    work = threading.Thread(target=site.queue.sync_removals)
    with hanging(files, "fsync_directory", "messages", work):
        others_are_served(site, new=False)


def test_fault_14_a_look_at_all_files(site: Site) -> None:
    files = begun(site)
    site.settle(site.take("third.example"), Fate.DEFERRED)  # it is not as it came, and is to be read
    site.queue.jobs.note_loss()
    with hanging(files, "open", "SLOW", threading.Thread(target=site.keep_up)):
        others_are_served(site)
    assert not site.queue.wants_upkeep


def test_fault_14_a_removal_that_hangs(site: Site) -> None:
    files = begun(site)
    site.settle(site.take("slow.example"), Fate.DELIVERED)
    work = threading.Thread(target=site.queue.remove, args=("SLOW", site.clock()))
    with hanging(files, "unlink", "messages/SLOW", work):
        others_are_served(site)
    assert site.queue.messages == 0
