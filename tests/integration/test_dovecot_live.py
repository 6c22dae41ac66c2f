"""Dovecot and mailboxd on one Maildir at once: no message is lost or doubled, no UID and no flag changes hands.

`MAILBOXD_DOVECOT_SECONDS` says for how long (`make dovecot`).
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

import pytest

from tests.integration.account import Account
from tests.integration.dovecot import SharedSite, shared_site
from tests.integration.imap_lines import ImapLines, Refused
from tests.integration.shared_load import COPIES, ELSEWHERE, INBOX, MOVED, Load, Record, Side, check
from tests.integration.site import ALICE
from tests.integration.test_dovecot import logged_in, seen
from tests.integration.test_idle import TOLD_SECONDS

SECONDS = float(os.environ.get("MAILBOXD_DOVECOT_SECONDS", "15"))
AGREEMENT_SECONDS = 20.0
"""Dovecot answers its first SELECT after a change of its own from what it knows, and looks at the directory later."""

DUPLICATE = re.compile(r"Duplicate file entry at line \d+: \S+ \(uid \d+ -> (\d+)\)")
REAPPEARED = re.compile(r"Expunged message reappeared, giving a new UID \(old uid=(\d+),")
REAPPEARING = max(2, round(SECONDS / 15))
"""How often Dovecot may say so in one test, in which it moves some 700 messages in 15 seconds."""
NO_INOTIFY = "Inotify instance limit"
"""Dovecot takes an instance for each wait for a lock, and the kernel is slow to count those that were given back."""

AFTERMATH = b"Aftermath"
STORM = 5
"""How many changes an idling client is to hear of, each way."""


@pytest.fixture
def shared() -> Iterator[SharedSite]:
    with shared_site() as site:
        yield site


def sides(shared: SharedSite, *, may_vanish: bool = False) -> tuple[Side, Side]:
    """Both servers, with flags for each of their clients."""
    ours = ((r"\Flagged", "$Ours1"), ("$Ours2",))
    theirs = ((r"\Answered", "$Theirs1"), (r"\Draft", "$Theirs2"))
    site, dovecot = shared.site, shared.dovecot
    return (
        Side("mailboxd", 0, site.ports["imap"], site.lmtp_socket, ours, may_vanish),
        Side("Dovecot", 1, dovecot.imap, dovecot.lmtp_socket, theirs),
    )


@contextmanager
def both_run(shared: SharedSite, record: Record, *, kills: int = 0) -> Iterator[None]:
    """Both servers, over an account with the mailboxes of the load.

    A message that Dovecot moves out of a folder and back may have two lines in the list for a while, the first one
    dead; Dovecot writes them, says so, and goes by the second one. Nobody else may.

    Of such messages it also says that they reappeared, now and then: by itself, while a program beside it takes the
    folders' locks for some milliseconds and changes nothing (`dovecot_alone`, about once in 4,000 moves), and once for
    each of the `kills`, after which several of its processes find the same stale lock. Never of any other message.
    """
    reappeared: list[str] = []

    def is_harmless(line: str) -> bool:
        if REAPPEARED.search(line) is not None:
            reappeared.append(line)
        found = DUPLICATE.search(line) or REAPPEARED.search(line)
        if found is None:
            return NO_INOTIFY in line
        if len(reappeared) > REAPPEARING + kills:
            return False
        mailbox = ELSEWHERE if ELSEWHERE.strip(b'"').decode() in line else INBOX
        return record.kinds_of(mailbox, int(found[1])) == {MOVED[1]}

    with shared.mailboxd_runs(), shared.dovecot_runs(known=is_harmless):
        with session(shared.dovecot.imap) as client:
            for name in (ELSEWHERE, COPIES, AFTERMATH):
                client.do(b"CREATE " + name)
        yield


@contextmanager
def session(port: int) -> Iterator[ImapLines]:
    client = ImapLines(port, ALICE)
    try:
        yield client
    finally:
        client.close()


def agreed(shared: SharedSite) -> Account:
    """The account, of which both servers say the same."""
    deadline = time.monotonic() + AGREEMENT_SECONDS
    while True:
        with logged_in(shared.site.ports["imap"]) as one, logged_in(shared.dovecot.imap) as two:
            ours, theirs = seen(one), seen(two)
        if ours == theirs or time.monotonic() > deadline:
            assert ours == theirs
            return ours
        time.sleep(0.5)


def tell(record: Record) -> None:
    print("\n".join(f"{what}: {count}" for what, count in sorted(record.counts.items())))


def test_both_servers_at_once(shared: SharedSite) -> None:
    record = Record()
    with both_run(shared, record):
        with Load(record, sides(shared)).running():
            time.sleep(SECONDS)
        tell(record)
        check(record, agreed(shared))


def test_mailboxd_is_killed_under_load(shared: SharedSite) -> None:
    """Dovecot goes on at once, but for the seconds that it leaves a dead process's lock."""
    record, kills = Record(), max(2, int(SECONDS / 5))
    with both_run(shared, record, kills=kills):
        with Load(record, sides(shared, may_vanish=True)).running():
            for _ in range(kills):
                time.sleep(2)
                leave_a_lock(shared, shared.daemon.pid)
                with session(shared.dovecot.imap) as client:
                    asked_at = time.monotonic()
                    client.do(b"APPEND " + AFTERMATH, b"Subject: after the kill\r\n\r\n")
                    print(f"Dovecot's APPEND took {time.monotonic() - asked_at:.1f} s")
                shared.daemon.start()
            time.sleep(1)
        tell(record)
        check(record, agreed(shared))


def leave_a_lock(shared: SharedSite, pid: int) -> None:
    """Kill the daemon, and see that it leaves a lock behind."""
    shared.daemon.kill()
    lock = shared.site.maildir(ALICE) / f".{AFTERMATH.decode()}/dovecot-uidlist.lock"
    if not lock.exists():
        lock.write_text(f"{pid}:{socket.gethostname()}")


@pytest.mark.parametrize("hears", [0, 1])
def test_an_idling_client_hears_of_the_other_server_s_changes(shared: SharedSite, hears: int) -> None:
    """Within a second, unless the machine is busy."""
    with both_run(shared, Record()):
        ports = [side.port for side in sides(shared)]
        with session(ports[hears]) as listening, session(ports[1 - hears]) as acting:
            waits = list(_waits(listening, acting))
    print(", ".join(f"{wait:.2f} s" for wait in waits))
    assert min(waits) < 1
    assert max(waits) < TOLD_SECONDS


def _waits(listening: ImapLines, acting: ImapLines) -> Iterator[float]:
    """How long it took until the other server's client heard of each change."""
    listening.do(b"SELECT INBOX")
    acting.do(b"SELECT INBOX")
    listening.idle()
    for _ in range(STORM):
        for command, literal, news in (
            (b"APPEND INBOX", b"Subject: news\r\n\r\n", rb"\* 1 EXISTS"),
            (b"STORE 1 +FLAGS (\\Flagged $News)", None, rb"\* 1 FETCH .*\$News.*"),
            (b"STORE 1 +FLAGS.SILENT (\\Deleted)", None, rb"\* 1 FETCH .*Deleted.*"),
            (b"EXPUNGE", None, rb"\* 1 EXPUNGE"),
        ):
            acting.do(b"NOOP")
            acting.do(command, literal)
            done_at = time.monotonic()
            while not re.fullmatch(news, listening.response().line):
                pass
            yield time.monotonic() - done_at
    listening.done()


@pytest.mark.parametrize("renames", [0, 1])
def test_a_mailbox_that_one_server_renames_while_the_other_one_appends_takes_no_lock_along(
    shared: SharedSite, renames: int
) -> None:
    """A lock that went along would keep everybody out for as long as its owner lives. Every APPEND that was answered
    with OK is there once, wherever the mailbox went. Dovecot complains of folders that go while it works in them."""
    with shared.mailboxd_runs(), shared.dovecot_runs(known=lambda line: True):
        ports = [side.port for side in sides(shared)]
        with session(ports[1]) as client:
            client.do(b"CREATE Here")
        stopping = threading.Event()
        sent: list[int] = []
        appending = threading.Thread(target=_append_wherever_it_is, args=(ports[1 - renames], stopping, sent))
        appending.start()
        with session(ports[renames]) as client:
            for turn in range(60):
                client.do(b"RENAME " + (b"There Here" if turn % 2 else b"Here There"))
                time.sleep(0.02)
        stopping.set()
        appending.join(100)
        assert not appending.is_alive()
        assert list(shared.site.maildir(ALICE).rglob("*.lock")) == []
        found = Counter(int(message.octets.split()[1]) for message in agreed(shared).mailboxes["Here"].messages)
    assert sent
    assert [number for number in sent if found[number] != 1] == []


def _append_wherever_it_is(port: int, stopping: threading.Event, sent: list[int]) -> None:
    for number in count():
        if stopping.is_set():
            return
        with session(port) as client, suppress(Refused, ConnectionError):
            client.do(b"APPEND " + (b"There" if number % 2 else b"Here"), b"X-Number: %d\r\n\r\n" % number)
            sent.append(number)
