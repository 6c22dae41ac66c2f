"""`kill -9` while users submit and servers elsewhere take: what was answered 250 arrives everywhere, whole.

Each message is at every recipient's server, in every mailbox here, or came back as a report. A recipient has it twice
only where a kill fell between the server's 250 and our note of it, as the queue's files show, and once more for each
such kill; so has the sender a report. Four kills by default; `make faults` (`MAILBOXD_FAULTS_IN_FULL`) does a hundred.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailbox_d.queue.mail_queue import offline
from mailbox_d.queue.message import Source
from tests.faults.relaying import (
    DOMAINS,
    RECORDS,
    Allowance,
    Letter,
    Reports,
    Servers,
    Users,
    here,
    read_report,
    servers,
    torn,
)
from tests.faults.tally import IN_FULL, count
from tests.integration.outgoing import OutgoingSite, outgoing_site
from tests.integration.site import ALICE, BOB

pytestmark = pytest.mark.faults

KILLS = 100 if IN_FULL else 4
CREW, EACH = 6, 5
RUNS_EACH = 3
"""Messages for one domain that may be under way when the daemon is killed."""

LIMITS = f"  messages_per_user_per_day: 0\n  queue_connections_per_domain: {RUNS_EACH}\n"
DRAIN_SECONDS = 300.0


@dataclass
class Witness:
    """What was told, what arrived, and what of it may have arrived again."""

    outgoing: OutgoingSite
    elsewhere: Servers
    answered: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    taking: Allowance = field(default_factory=Allowance)
    reporting: Allowance = field(default_factory=Allowance)
    """By recipient that a report tells of: reports, each counted once."""
    keeping: Allowance = field(default_factory=Allowance)
    """By report: its copies in the sender's mailbox."""
    faults: list[str] = field(default_factory=list)
    unavoidable: int = 0

    def __post_init__(self) -> None:
        self.reports = Reports(self.outgoing.site, ALICE)

    def kill(self) -> None:
        """The daemon was killed, and everybody else has noticed."""
        self.elsewhere.wait_until_left()
        self.reports.look()
        states = list(offline(self.outgoing.site.folder / "state/queue"))
        waiting = {str(one.address) for state in states for one in state.waiting()}
        queued = {state.message.identifier for state in states if state.message.source is Source.REPORT}
        taken = self.taking.kill(self.elsewhere.counts(), waiting)
        told = self.reporting.kill(self._reported(queued), waiting)
        kept = self.keeping.kill(self.reports.copies(), {f"<{one}@mail.example.org>" for one in queued})
        self.unavoidable += len(taken) + len(told) + len(kept)
        under_way = Counter(_message(one) for one in taken)
        if len(under_way) > RUNS_EACH * len(DOMAINS):
            self.faults.append(f"{len(under_way)} messages were taken and not noted: more than were under way")

    def _reported(self, queued: set[str] = frozenset()) -> Counter[str]:  # type: ignore[assignment]
        """How many reports there are of each recipient, in the mailbox or on their way to it."""
        known = dict(self.reports.seen.values())
        for identifier in queued:
            path = self.outgoing.site.folder / "state/queue/messages" / identifier
            known.setdefault(*read_report(path))
        return Counter(recipient for recipients in known.values() for recipient in recipients)

    def judge(self) -> None:
        """All is over: what is not as it must be."""
        self.reports.look()
        taken, reported, bobs = self.elsewhere.counts(), self._reported(), here(self.outgoing.site)
        self.faults += [f"not whole: {one.recipients} {one.octets[:400]!r}" for one in torn(self.elsewhere.taken)]
        self.faults += [f"{one} has it {taken[one]} times" for one in self.taking.excess(taken)]
        self.faults += [f"{one} is reported {reported[one]} times" for one in self.reporting.excess(reported)]
        self.faults += [f"the report {one} is there too often" for one in self.keeping.excess(self.reports.copies())]
        self.faults += [f"bob has {one} {number} times" for one, number in bobs.items() if number > 1]
        for identity in self.answered:
            for recipient in Letter(identity).recipients:
                if not self._has(recipient, identity, taken, reported, bobs):
                    self.faults.append(f"{recipient} has not {identity}, which was answered 250")
        known = {recipient for identity in self.begun for recipient in Letter(identity).recipients}
        self.faults += [f"{one} was never sent to" for one in {*taken, *reported} - known]

    def _has(
        self, recipient: str, identity: str, taken: Counter[str], reported: Counter[str], bobs: Counter[str]
    ) -> bool:
        if recipient == BOB:
            return bobs[identity] == 1
        if recipient.startswith("never."):
            return reported[recipient] > 0 and not taken[recipient]
        return taken[recipient] > 0 and not reported[recipient]

    @property
    def repeated(self) -> int:
        """How often something came once more."""
        counts = (self.elsewhere.counts(), self._reported(), self.reports.copies())
        return sum(sum(each.values()) - len(each) for each in counts)


def _message(recipient: str) -> tuple[str, str]:
    """The message, by its letter and its domain, that was for a recipient."""
    local_part, _, domain = recipient.rpartition("@")
    return local_part.partition(".")[2], domain


def round_that_ends_in_a_kill(witness: Witness, name: str, chance: random.Random) -> None:
    """Let some submissions be answered and some mail be taken, and kill the daemon at any point of the next ones."""
    outgoing, elsewhere = witness.outgoing, witness.elsewhere
    users = Users(outgoing.site, name, size=CREW, each=EACH)
    taken_before = len(elsewhere.taken)
    target = chance.randint(1, CREW * EACH * 3)
    users.start()
    pause = threading.Event()
    while len(users.answered) + len(elsewhere.taken) - taken_before < target:
        pause.wait(0.002)
        if users.are_done and not outgoing.queued:
            break
    pause.wait(chance.uniform(0, 0.01))
    outgoing.daemon.kill()
    users.join()
    assert not users.refused, users.refused
    witness.answered += users.answered
    witness.begun += users.begun
    witness.kill()


def drain(outgoing: OutgoingSite) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while outgoing.queued:
        assert time.monotonic() < deadline, outgoing.daemon.log_tail(40)
        time.sleep(0.05)


def test_every_message_answered_250_survives_kill_9_on_its_way_elsewhere(tmp_path: Path) -> None:
    chance = random.Random(4711)
    with outgoing_site(tmp_path, records=RECORDS, limits=LIMITS) as outgoing, servers(outgoing.port) as elsewhere:
        witness = Witness(outgoing, elsewhere)
        for turn in range(KILLS):
            outgoing.daemon.start()
            round_that_ends_in_a_kill(witness, f"k{turn}", chance)
        outgoing.daemon.start()
        drain(outgoing)
        outgoing.daemon.stop()
        witness.judge()
        assert not outgoing.daemon.faults_logged()
    repeated = witness.repeated
    assert not witness.faults, witness.faults[:20]
    assert repeated <= witness.unavoidable
    assert len(witness.begun) >= len(witness.answered) >= KILLS
    count("2: kills of the daemon, relaying", kills=KILLS, messages=len(witness.answered), unavoidable=repeated)
