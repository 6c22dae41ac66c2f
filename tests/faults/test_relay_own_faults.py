"""A fault of ours, anywhere in an attempt, costs that attempt and nothing else: what it was about is tried later.

Four faults in each of its parts by default; `make faults` (`MAILBOXD_FAULTS_IN_FULL`) has forty.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.failing_daemon import AWAITED, FAULT
from tests.faults.relaying import RECORDS, Letter, Reports, Users, here, servers, torn
from tests.faults.tally import IN_FULL, count
from tests.integration.daemon import Daemon
from tests.integration.outgoing import OutgoingSite, outgoing_site
from tests.integration.site import ALICE, BOB

pytestmark = pytest.mark.faults

EACH = 40 if IN_FULL else 4
FAULTS = EACH * len(AWAITED)
LIMITS = "  messages_per_user_per_day: 0\n  queue_idle_connection: 0 s\n"
SEED = 40
SECONDS = 300.0


def faults_told(outgoing: OutgoingSite) -> Counter[str]:
    """How often the log tells of each."""
    return Counter(re.findall(rf"RuntimeError: ({FAULT} \d+ in \S+)", outgoing.daemon.log_text()))


def be_busy_until_all_faults_were(outgoing: OutgoingSite) -> list[str]:
    """Send letters until there was every fault, and nothing waits; their identities."""
    answered: list[str] = []
    deadline = time.monotonic() + SECONDS
    while len(faults_told(outgoing)) < FAULTS:
        assert time.monotonic() < deadline, outgoing.daemon.log_tail(60)
        if len(outgoing.queued) > 20:
            time.sleep(0.1)
            continue
        users = Users(outgoing.site, f"f{len(answered)}", size=2, each=3)
        users.start()
        users.join()
        answered += users.answered
    while outgoing.queued:
        assert time.monotonic() < deadline, outgoing.daemon.log_tail(60)
        time.sleep(0.1)
    return answered


def test_a_fault_of_ours_costs_one_attempt_and_is_told_once(tmp_path: Path) -> None:
    with outgoing_site(tmp_path, records=RECORDS, limits=LIMITS) as outgoing, servers(outgoing.port) as elsewhere:
        prefix = (sys.executable, "-m", "tests.faults.failing_daemon", str(SEED), str(EACH))
        outgoing.daemon = Daemon(outgoing.site, prefix=prefix)
        outgoing.daemon.start()
        try:
            answered = be_busy_until_all_faults_were(outgoing)
        finally:
            outgoing.daemon.stop()
        reports = Reports(outgoing.site, ALICE)
        reports.look()
        told = Counter(recipient for _, recipients in reports.seen.values() for recipient in recipients)
        assert not torn(elsewhere.taken)
        assert elsewhere.counts() + told == Counter(
            one for identity in answered for one in Letter(identity).recipients if one != BOB
        )
        assert set(here(outgoing.site)) == {one for one in answered if BOB in Letter(one).recipients}
        told_of = faults_told(outgoing)
    assert set(told_of.values()) == {1}
    count("faults of ours while mail is sent", faults=FAULTS, messages=len(answered))
