"""Attack 33: clients by the thousand hang up in the middle of logging in: nothing of them is left, others feel nothing.

Some dozens a service in the short form; `make faults` has ten thousand each.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import yaml

from mailbox_d.auth.passwords import hash_password
from tests.faults.directory_load import UNKEPT, Ask, Said, at_work, imap, pop3, recipient, submission
from tests.faults.directory_place import POOLS, unsteady_place
from tests.faults.hang_ups import EXCHANGES, Crew, Exchange
from tests.faults.tally import IN_FULL, count, tell
from tests.faults.vitals import assert_level, vitals, wait_until
from tests.integration.daemon import Daemon, running
from tests.integration.directory_site import LONG
from tests.integration.imap_lines import ImapLines, Refused
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site, make_site
from tests.integration.unsteady_way import Flow

pytestmark = pytest.mark.faults

HANG_UPS = 10_000 if IN_FULL else 64
"""Of each service."""
WARM = 3000 if IN_FULL else 64
"""Before anything is counted: by then the process is as large as it gets."""
MEMORY = 16 * 1024
"""KiB."""
SESSIONS_OF_A_USER, CONNECTIONS_OF_AN_ADDRESS = 20, 50
"""As many as there may be at once, by the limits' defaults."""
OTHERS_DESCRIPTORS = 8
"""What the clients that feel nothing may have open at a moment."""
LANES = 16
"""Threads that may be begun meanwhile for the store."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A site with SCRAM, and a user whose password takes time to check."""
    site = make_site(tmp_path_factory.mktemp("hang_ups") / "site")
    configuration = yaml.safe_load(site.configuration.read_text())
    configuration["login"]["mechanisms"] = ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
    configuration["limits"]["password_cache"] = 0
    site.configuration.write_text(yaml.safe_dump(configuration))
    users = yaml.safe_load((site.folder / "users.yaml").read_text())
    users["users"][ALICE]["password"] = hash_password(PASSWORD.encode(), scheme="SCRAM-SHA-256")
    (site.folder / "users.yaml").write_text(yaml.safe_dump(users))
    with running(site) as daemon:
        yield daemon


def others(site: Site) -> dict[str, Ask]:
    """What is asked meanwhile, and answered as ever."""
    return {
        "imap": lambda: imap(site, BOB),
        "pop3": lambda: pop3(site, BOB),
        "submission": lambda: submission(site, BOB),
        "smtp": lambda: recipient(site, BOB),
    }


@pytest.mark.parametrize("kind", ["submissions", "imap", "pop3"])
def test_attack_33_who_hangs_up_in_the_middle_of_logging_in_leaves_nothing_behind(daemon: Daemon, kind: str) -> None:
    exchanges = [exchange for exchange in EXCHANGES if exchange.kind == kind]
    with at_work(others(daemon.site)) as load:
        Crew(daemon.site, exchanges, hang_ups=WARM).work()
        before = vitals(daemon.pid)
        Crew(daemon.site, exchanges, hang_ups=HANG_UPS).work()
        ended = time.monotonic()
        load.wait_for_answers(ended, 3)
    assert {answer.said for answers in load.answers.values() for answer in answers} == {Said.YES}
    after = assert_level(daemon.pid, before, memory=MEMORY, threads=LANES, descriptors=OTHERS_DESCRIPTORS)
    wait_until(lambda: all_may_come_back(daemon.site), "no connection and no session is counted any more")
    count("33: hang-ups in mid-login", faults=HANG_UPS, messages=len(load))
    tell(f"33: {HANG_UPS} hang-ups of {kind}; before them {before}; after them {after}")


def all_may_come_back(site: Site) -> bool:
    """Whether as many sessions of a user, and as many connections, may be there as if nobody had hung up."""
    with ExitStack() as stack, suppress(OSError, Refused):
        for _ in range(SESSIONS_OF_A_USER):
            stack.callback(ImapLines(site.ports["imap"], ALICE).close)
        for _ in range(CONNECTIONS_OF_AN_ADDRESS - SESSIONS_OF_A_USER):
            connection = stack.enter_context(socket.create_connection((HOST, site.ports["imap"]), LONG))
            if not connection.recv(512).startswith(b"* OK"):
                return False
        return True
    return False


def test_attack_33_who_hangs_up_while_a_directory_does_not_answer_leaves_nothing_behind(tmp_path: Path) -> None:
    """However many they are: what they wanted is asked of nobody for long."""
    with unsteady_place(tmp_path) as place:
        site = place.site
        exchanges = [
            Exchange("imap", (f"a LOGIN imap1@{UNKEPT} {PASSWORD}",)),
            Exchange("pop3", (f"USER pop31@{UNKEPT}", f"PASS {PASSWORD}")),
        ]
        with at_work(others(site)) as load:
            Crew(site, exchanges, hang_ups=WARM).work()
            before = vitals(place.daemon.pid)
            place.way.flow = Flow.NONE
            Crew(site, exchanges, hang_ups=HANG_UPS).work()
            ended = time.monotonic()
            load.wait_for_answers(ended, 3)
            place.way.close()
            place.way.flow = Flow.ALL
            place.way.open()
            wait_until(lambda: imap(site, f"imap1@{UNKEPT}")[0] is Said.YES, "the directory is asked again")
        assert {answer.said for answers in load.answers.values() for answer in answers} == {Said.YES}
        after = assert_level(place.daemon.pid, before, memory=MEMORY, threads=LANES, descriptors=POOLS)
    count("33: hang-ups in mid-login", faults=HANG_UPS, messages=len(load))
    tell(f"33: {HANG_UPS} hang-ups, the directory not answering; before them {before}; after them {after}")
