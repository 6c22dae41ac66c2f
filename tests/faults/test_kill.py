"""`kill -9` in the middle of 20 concurrent deliveries: what was answered 250 is there, once and whole.

Ten rounds by default; `make faults` (`MAILBOXD_FAULTS_IN_FULL`) does a hundred. One store lives through all rounds,
with whatever the kills before left in it, and a reader gives UIDs to arrivals all the while.
"""

from __future__ import annotations

import contextlib
import imaplib
import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.deliveries import Crew, Inbox, identity_of
from tests.faults.tally import IN_FULL, count
from tests.integration.daemon import Daemon
from tests.integration.reading import checked, fetch, mailbox, uids
from tests.integration.site import ALICE, BOB, make_site

pytestmark = pytest.mark.faults

ROUNDS = 100 if IN_FULL else 10
CREW = 20


class Reader:
    """An IMAP client in a thread that looks at an INBOX again and again, so that the kill also hits UID assignment."""

    def __init__(self, daemon: Daemon, user: str) -> None:
        self._daemon, self._user = daemon, user
        self._thread = threading.Thread(target=self._look_until_it_breaks)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _look_until_it_breaks(self) -> None:
        with contextlib.suppress(OSError, imaplib.IMAP4.error), mailbox(self._daemon.site, self._user) as client:
            while True:
                checked(client.select("INBOX"))


class Uids:
    """Which message each UID has stood for; it must never stand for another."""

    def __init__(self, daemon: Daemon, user: str) -> None:
        self._daemon, self._user = daemon, user
        self.known: dict[tuple[int, int], str] = {}

    def check(self) -> None:
        """Read what is new, and of the old ones that they are still there under their UIDs."""
        with mailbox(self._daemon.site, self._user) as client:
            present, known = uids(client), {uid for _, uid in self.known}
            for uid in sorted(set(present) - known):
                stored = fetch(client, uid)
                self.known[stored.validity, uid] = identity_of(stored.octets)
        assert {uid for _, uid in self.known} == set(present)
        assert len({validity for validity, _ in self.known}) <= 1, "UIDVALIDITY has changed"

    def check_all(self) -> None:
        with mailbox(self._daemon.site, self._user) as client:
            for (validity, uid), identity in self.known.items():
                stored = fetch(client, uid)
                assert (stored.validity, identity_of(stored.octets)) == (validity, identity)


def kill_in_mid_delivery(daemon: Daemon, name: str, chance: random.Random) -> Crew:
    """Start a crew and a reader, let some deliveries be answered, kill the daemon at any point of the next ones."""
    crew, reader = Crew(daemon.site, name, CREW), Reader(daemon, ALICE)
    crew.start()
    reader.start()
    crew.wait_for_answers(chance.randint(1, 4 * CREW))
    threading.Event().wait(chance.uniform(0, 0.01))
    daemon.kill()
    crew.join()
    reader.join()
    return crew


def test_every_message_answered_250_survives_kill_9_once_and_whole(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    daemon, chance = Daemon(site), random.Random(4711)
    inboxes, answered, begun = [Inbox(user, site) for user in (ALICE, BOB)], list[str](), 0
    numbers = Uids(daemon, ALICE)
    try:
        for turn in range(ROUNDS):
            daemon.start()
            crew = kill_in_mid_delivery(daemon, f"round{turn}", chance)
            answered += crew.answered
            begun += len(crew.begun)
            for inbox in inboxes:
                inbox.look()
                assert not inbox.torn, f"round {turn}: not whole"
                assert not inbox.missing(answered), f"round {turn}: answered 250, and lost"
                assert max(Counter(inbox.identities).values(), default=0) <= 1, f"round {turn}: there twice"
            daemon.start()
            numbers.check()
            daemon.stop()
        daemon.start()
        numbers.check_all()
    finally:
        daemon.stop()
    stored = sum(len(inbox.identities) for inbox in inboxes)
    count("1: kills of the daemon, deliveries", kills=ROUNDS, messages=len(answered))
    assert begun >= len(answered) >= ROUNDS and stored >= len(answered)
