"""Fault 14: a disk that takes long for everything, and one that hangs: the reactor waits for nothing.

No test here looks at the clock: a slow operation in the reactor's thread is told by the disk itself, and a disk that
hangs does so until the test has seen others served. `make faults` takes 100 ms for each operation, otherwise it is 2.
"""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailbox_d.net.lanes import DISK_WIDTH
from tests.faults.deliveries import Numbered
from tests.faults.slow_daemon import STALLED, WAITED_IN_THE_REACTOR
from tests.faults.tally import IN_FULL, count
from tests.integration.daemon import Daemon, running
from tests.integration.reading import checked
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, UNLIMITED_HOST, make_site

pytestmark = pytest.mark.faults

MILLISECONDS = "100" if IN_FULL else "2"
MESSAGE = Numbered("slow").octets


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """While this file is there, operations on paths that have in them what it says hang."""
    return tmp_path / "gate"


@contextmanager
def hanging(gate: Path, part: str) -> Iterator[ThreadPoolExecutor]:
    """The disk hangs for paths with this part in them; threads for those who wait for it, until the block ends."""
    with ThreadPoolExecutor(2 * DISK_WIDTH + 2) as pool:
        gate.write_text(part)
        try:
            yield pool
        finally:
            gate.unlink(missing_ok=True)


@pytest.fixture
def daemon(tmp_path: Path, gate: Path) -> Iterator[Daemon]:
    site = make_site(tmp_path / "site")
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("limits:\n", "limits:\n  login_timeout: 2s\n", 1))
    prefix = (sys.executable, "-m", "tests.faults.slow_daemon", str(gate), MILLISECONDS)
    with running(site, prefix=prefix) as daemon:
        yield daemon


def deliver(daemon: Daemon, user: str) -> None:
    with smtplib.SMTP(HOST, daemon.site.ports["smtp"], timeout=120, source_address=(UNLIMITED_HOST, 0)) as client:
        client.sendmail("sender@example.com", [user], MESSAGE)


def logged_in(daemon: Daemon, user: str) -> imaplib.IMAP4:
    client = imaplib.IMAP4(HOST, daemon.site.ports["imap"], timeout=120)
    client.login(user, PASSWORD)
    return client


def work_over_imap(daemon: Daemon, user: str) -> None:
    client = logged_in(daemon, user)
    client.create("Archive")
    for _ in range(3):
        checked(client.append("INBOX", None, None, MESSAGE))  # type: ignore[arg-type]
    checked(client.select("INBOX"))
    checked(client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])"))
    checked(client.uid("STORE", "1:*", "+FLAGS", "(\\Seen Work)"))
    checked(client.uid("SEARCH", "TEXT", '"the end"'))
    checked(client.uid("COPY", "1", "Archive"))
    checked(client.uid("MOVE", "2", "Archive"))
    checked(client.uid("STORE", "1", "+FLAGS", "(\\Deleted)"))
    checked(client.expunge())
    checked(client.rename("Archive", "Attic"))
    checked(client.subscribe("Attic"))
    client.logout()


def work_over_pop3(daemon: Daemon, user: str) -> None:
    client = poplib.POP3(HOST, daemon.site.ports["pop3"], timeout=120)
    client.user(user)
    client.pass_(PASSWORD)
    number, _ = client.stat()
    client.retr(number)
    client.dele(number)
    client.quit()


def wait_for(daemon: Daemon, text: str, *, times: int = 1) -> None:
    """Return when the daemon has said that so often."""
    pause = threading.Event()
    while daemon.log_text().count(text) < times:
        assert not daemon.ended
        pause.wait(0.01)


def test_fault_14_a_slow_disk_is_waited_for_in_no_reactor(daemon: Daemon) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda user: deliver(daemon, user), [ALICE, BOB, ALICE, BOB]))
        list(pool.map(lambda user: work_over_imap(daemon, user), [ALICE, BOB]))
        list(pool.map(lambda user: work_over_pop3(daemon, user), [ALICE, BOB]))
    daemon.stop()
    assert WAITED_IN_THE_REACTOR not in daemon.log_text()
    assert re.search(r"the reactor was held up \d+ times", daemon.log_text())
    count("14: slow and hanging disk", messages=12)


def test_fault_14_a_disk_that_hangs_for_one_user_keeps_no_other_waiting(daemon: Daemon, gate: Path) -> None:
    """However much that user wants at once: there is more here than there are threads."""
    deliver(daemon, ALICE)
    waiting = [logged_in(daemon, ALICE) for _ in range(DISK_WIDTH + 1)]
    bob = logged_in(daemon, BOB)
    checked(bob.select("INBOX"))
    with hanging(gate, "/alice/") as pool:
        answers = [pool.submit(client.select, "INBOX") for client in waiting]
        late = [pool.submit(deliver, daemon, ALICE) for _ in range(DISK_WIDTH + 1)]
        wait_for(daemon, STALLED, times=DISK_WIDTH // 2 + 1)
        checked(bob.noop())
        deliver(daemon, BOB)
        work_over_imap(daemon, BOB)
        work_over_pop3(daemon, BOB)
        checked(bob.noop())
        assert not any(answer.done() for answer in [*answers, *late])
        gate.unlink()
        for delivery in late:
            delivery.result()
        assert {answer.result()[0] for answer in answers} == {"OK"}
    count("14: slow and hanging disk", messages=6 + DISK_WIDTH)


def test_fault_14_while_all_of_the_disk_hangs_deadlines_hold_and_what_needs_no_disk_is_answered(
    daemon: Daemon, gate: Path
) -> None:
    idle = logged_in(daemon, BOB)
    waiting = logged_in(daemon, ALICE)
    with hanging(gate, "/") as pool:
        answer = pool.submit(waiting.select, "INBOX")
        wait_for(daemon, STALLED)
        checked(idle.capability())
        with smtplib.SMTP(HOST, daemon.site.ports["submission"], timeout=120) as client:
            assert client.ehlo()[0] == client.noop()[0] == 250
        with socket.create_connection((HOST, daemon.site.ports["imap"]), timeout=120) as stranger:
            spoken = b"".join(iter(lambda: stranger.recv(4096), b""))
        assert b"BYE" in spoken, "who does not log in in time is sent away"
        assert not answer.done()
        gate.unlink()
        assert answer.result()[0] == "OK"
    idle.logout()
    count("14: slow and hanging disk", messages=1)
