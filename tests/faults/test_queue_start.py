"""Fault 5: a queue with a great many messages is open at once, takes and sends mail, and holds as little in memory.

300 messages by default: that they are not looked at is told by the disk. `make faults` (`MAILBOXD_FAULTS_IN_FULL`) has
100,000, which must be open within a second and cost no memory to speak of.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from zlib import crc32

import pytest

from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Fate, Queued, Source
from mailbox_d.queue.message_file import Content, envelope_line, first_line
from tests.faults.store_files import Call, RecordingFiles
from tests.faults.tally import IN_FULL, count
from tests.unit.queue.mail import NOON, RECEIVED, Site, envelope

pytestmark = pytest.mark.faults

MESSAGES = 100_000 if IN_FULL else 300
SECONDS = 1.0
MEMORY = 24 * 1024
"""KiB that 100,000 messages may cost beyond what the program takes."""


class Recorder(RecordingFiles):
    """Keeps calls while it is to: those of a look at all files would need more memory than the queue."""

    is_on = False

    def after(self, call: Call) -> None:
        if self.is_on:
            super().after(call)


def fill(root: Path) -> None:
    for number in range(MESSAGES):
        name = f"M{number}"
        line = envelope_line(
            Queued(name, envelope(f"bob@d{number % 100}.example"), Source.USER, NOON, len(RECEIVED), "")
        )
        content = Content(len(RECEIVED), crc32(RECEIVED), len(RECEIVED))
        (root / "messages" / name).write_bytes(first_line(line, content) + line + RECEIVED)


def opened(site: Site, *, is_clean: bool) -> tuple[MailQueue, list[Call]]:
    """What was done to open the queue once more."""
    assert isinstance(site.files, Recorder)
    if is_clean:
        site.queue.close()
    else:
        site.queue.jobs._schedule._close()
    site.files.calls.clear()
    site.files.is_on = True
    began = time.monotonic()
    site.queue = site.opened()
    site.files.is_on = False
    assert not IN_FULL or time.monotonic() - began < SECONDS
    return site.queue, list(site.files.calls)


@pytest.mark.parametrize("is_clean", [True, False])
def test_fault_5_a_queue_with_many_messages_is_open_at_once(tmp_path: Path, is_clean: bool) -> None:
    site = Site(tmp_path / "queue", Recorder())
    site.keep_up()
    _, calls_of_none = opened(site, is_clean=is_clean)
    site.keep_up()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fill(site.root)
    site.restart(is_clean=False)
    if is_clean:
        site.keep_up()
    queue, calls = opened(site, is_clean=is_clean)
    assert [call.operation for call in calls] == [call.operation for call in calls_of_none]
    assert not any("/messages/" in call.path for call in calls)
    site.send("NEW", "bob@new.example")
    site.settle(site.take("new.example"), Fate.DELIVERED)
    site.keep_up()
    assert queue.messages == MESSAGES and queue.stats(NOON).waiting.total() == MESSAGES
    for domain in queue.due_domains(NOON, 1000):
        site.settle(site.take(domain), Fate.DELIVERED)
    assert queue.messages == MESSAGES - 100
    if IN_FULL:
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEMORY
    count("5: a start with many queued", messages=MESSAGES)
