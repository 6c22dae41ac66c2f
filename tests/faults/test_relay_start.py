"""Fault 5, the whole daemon: with many messages queued it serves at once, sends what comes, and holds as little.

300 messages by default. `make faults` (`MAILBOXD_FAULTS_IN_FULL`) has 100,000: the daemon, killed and started again,
must answer everywhere within five seconds, and may at no time take much more memory than with none.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from zlib import crc32

import pytest

from mailbox_d.queue.message import Attempt, Fate, Queued, Source
from mailbox_d.queue.message_file import Content, envelope_line, first_line
from mailbox_d.queue.outcomes import Change, Progress
from tests.faults.tally import IN_FULL, count
from tests.integration.bad_peer import BadPeer
from tests.integration.outgoing import ELSEWHERE, OutgoingSite, outgoing_site
from tests.unit.queue.mail import RECEIVED, envelope

pytestmark = pytest.mark.faults

MESSAGES = 100_000 if IN_FULL else 300
SECONDS = 5.0
MEMORY = 24 * 1024
"""KiB that 100,000 messages may cost beyond what the daemon takes."""

SETTINGS = "  retry_after: 4 h\n  retry_most: 4 h\n"
FOUND = "messages in the queue were found again"
LOOK_SECONDS = 300.0 if IN_FULL else 60.0


def fill(queue: Path) -> None:
    """Messages that were tried once, and are tried again in an hour."""
    now = time.time()
    for number in range(MESSAGES):
        name = f"M{number}"
        message = Queued(name, envelope(f"bob@d{number % 1000}.example"), Source.USER, now, len(RECEIVED), "")
        line = envelope_line(message)
        content = Content(len(RECEIVED), crc32(RECEIVED), len(RECEIVED))
        (queue / "messages" / name).write_bytes(first_line(line, content) + line + RECEIVED)
        (recipient,) = message.envelope.recipients
        last = Attempt(now, recipient.address, Fate.DEFERRED, "4.4.1", reason="Nobody was there")
        change = Change({recipient.address: Progress(last, 1, 1.0, now + 3600)})
        (queue / "outcomes" / f"{name}.log").write_bytes(change.lines())


def most_memory(outgoing: OutgoingSite) -> int:
    """KiB that the daemon has taken at most."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{outgoing.daemon.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def memory_of_a_message(outgoing: OutgoingSite, peer: BadPeer) -> int:
    """The most memory, after a message was sent."""
    taken = len(peer.messages)
    outgoing.send("carol@elsewhere.example")
    peer.wait_for_messages(taken + 1)
    return most_memory(outgoing)


def wait_until_all_are_found(outgoing: OutgoingSite, times: int) -> None:
    """Wait until all files were looked at, so many times since the first start."""
    deadline = time.monotonic() + LOOK_SECONDS
    while outgoing.daemon.log_text().count(FOUND) < times:
        assert time.monotonic() < deadline, outgoing.daemon.log_tail(40)
        time.sleep(0.1)


def test_fault_5_the_daemon_serves_at_once_with_many_messages_queued(tmp_path: Path) -> None:
    with (
        outgoing_site(tmp_path, settings=SETTINGS) as outgoing,
        BadPeer(address=ELSEWHERE, port=outgoing.port) as peer,
    ):
        outgoing.daemon.start()
        with_none = memory_of_a_message(outgoing, peer)
        outgoing.wait_until_empty()
        wait_until_all_are_found(outgoing, 1)
        outgoing.daemon.kill()
        fill(outgoing.site.folder / "state/queue")
        began = time.monotonic()
        outgoing.daemon.start()
        assert not IN_FULL or time.monotonic() - began < SECONDS
        memory_of_a_message(outgoing, peer)
        wait_until_all_are_found(outgoing, 2)
        with_many = memory_of_a_message(outgoing, peer)
        assert not IN_FULL or with_many - with_none < MEMORY
        outgoing.wait_until_queued(MESSAGES)
        outgoing.daemon.kill()
        began = time.monotonic()
        outgoing.daemon.start()
        after_kill = time.monotonic() - began
        assert not IN_FULL or after_kill < SECONDS
        outgoing.daemon.stop()
        assert outgoing.daemon.faults_logged() == []
    print(f"start: {after_kill:.1f} s; memory: {with_none // 1024} MiB with none, {with_many // 1024} MiB with all")
    count("5: a start with many queued", kills=2, messages=MESSAGES)
