"""The whole daemon is killed while clients do everything at once: deliveries over SMTP, APPEND, STORE, COPY, MOVE and
EXPUNGE over IMAP, DELE and QUIT over POP3. What each was told holds; a message being moved may be in both mailboxes.

Two rounds by default; `make faults` (`MAILBOXD_FAULTS_IN_FULL`) does a hundred. One site lives through all of them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clients import FolderOnDisk, Mailboxes, MailboxWork, MaildropWork, Until
from tests.faults.deliveries import Crew, Numbered
from tests.faults.tally import IN_FULL, count
from tests.integration.daemon import Daemon
from tests.integration.site import ALICE, BOB, make_site

pytestmark = pytest.mark.faults

ROUNDS = 100 if IN_FULL else 2
CREW, WORKERS = 6, 4


def kill_in_the_middle(
    daemon: Daemon, name: str, chance: random.Random
) -> tuple[Crew, list[MailboxWork], MaildropWork]:
    """Start all clients, let some of them be answered, kill the daemon at any point of what they do."""
    crew, drop = Crew(daemon.site, f"{name}.smtp", CREW), MaildropWork(daemon.site, f"{name}.pop3")
    works = [MailboxWork(daemon.site, f"{name}.imap{number}") for number in range(WORKERS)]
    clients: list[Crew | Until] = [crew, drop, *works]
    for client in clients:
        client.start()
    crew.wait_for_answers(chance.randint(10, 60))
    pause = threading.Event()
    while not all(len(work.kept) > 4 or work.trouble for work in works):
        pause.wait(0.01)
    pause.wait(chance.uniform(0, 0.05))
    daemon.kill()
    for client in clients:
        client.join()
    return crew, works, drop


def faults_of_maildrop(maildrop: FolderOnDisk, kept: set[str], gone: set[str]) -> Iterator[str]:
    """What is not there of what was kept, what is there of what was deleted, and what is there twice."""
    yield from (f"{one} was lost" for one in kept if one not in maildrop.counts)
    yield from (f"{one} was deleted by POP3" for one in gone if one in maildrop.counts)
    yield from (f"{one} is there twice" for one, number in maildrop.counts.items() if number > 1)


def test_fault_3_the_daemon_is_killed_while_clients_do_everything(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    daemon, chance = Daemon(site), random.Random(33)
    answered, going, gone, works = list[str](), set[str](), set[str](), list[MailboxWork]()
    alice, bob = Mailboxes.at(site.maildir(ALICE)), FolderOnDisk(site.maildir(BOB))
    try:
        for turn in range(ROUNDS):
            daemon.start()
            crew, workers, drop = kill_in_the_middle(daemon, f"r{turn}", chance)
            answered += crew.answered
            works += workers
            going |= drop.going
            gone |= drop.gone
            alice.look()
            bob.look()
            faults = [fault for work in works for fault in alice.faults_of(work)]
            faults += alice.never_sent(works)
            faults += faults_of_maildrop(bob, {one for one in answered if BOB in Numbered(one).users} - going, gone)
            faults += [drop.trouble] if drop.trouble else []
            assert not faults, f"round {turn}: {faults}"
    finally:
        daemon.stop()
    kept = sum(len(work.kept) for work in works)
    for done in ("flagged", "copied", "moved", "gone"):
        assert sum(len(getattr(work, done)) for work in works), f"nothing was {done}"
    assert gone
    count("3: kills of the daemon, all protocols", kills=ROUNDS, messages=len(answered) + kept)
