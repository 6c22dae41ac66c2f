"""Fault 24, each way in which a directory can fail, for recipients and logins of every service; and fault 25, one that
is there and gone in turn: nothing of it stays behind.

Four turns under load in the short form; `make faults` takes three hundred, faster than the daemon notices each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count as numbers
from pathlib import Path

import pytest

from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from mailbox_d.auth.ldap_realm.connection import LdapConnection, Way
from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.servers import OpenConnection, Servers
from mailbox_d.errors import AuthenticationUnavailable
from tests.faults.directory_load import KEPT, LOGINS, RECIPIENTS, UNKEPT, Ask, Load, Said, at_work, questions, recipient
from tests.faults.directory_place import LANE, POOLS, UnsteadyPlace, unsteady_place
from tests.faults.tally import IN_FULL, count, tell
from tests.faults.vitals import assert_level, vitals, wait_until
from tests.integration.bad_directory import answering, entry, message, result
from tests.integration.directory_site import LONG
from tests.integration.site import BOB
from tests.integration.slapd import SECRET, SERVICE_DN
from tests.integration.unsteady_way import Flow, UnsteadyWay, unsteady_way

pytestmark = pytest.mark.faults

TURNS = 300 if IN_FULL else 4
PACE = 0.4
"""Seconds of each half of a turn, in full."""
WARM = 150 if IN_FULL else 5
"""Answers to each question before anything is counted: by then the process is as large as it gets."""
TURNS_OF_ONE = 300
"""Turns of one realm's connections, where no daemon is in the way and time is made up."""
PER_CONNECTION = 4
"""Threads and descriptors that one takes here, at its ends and on its way."""
MEMORY = 16 * 1024
"""KiB."""

LATER = {"smtp": "451", "lmtp": "451", "submission": "454", "imap": "[UNAVAILABLE]", "pop3": "[SYS/TEMP]"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnsteadyPlace]:
    with unsteady_place(tmp_path_factory.mktemp("unsteady")) as place:
        yield place


def flow(what: Flow) -> Callable[[UnsteadyPlace], None]:
    """The directory's answers become that, on connections that there are and on new ones."""

    def change(place: UnsteadyPlace) -> None:
        place.way.flow, place.way.delay = what, 10.0

    return change


def refuse(place: UnsteadyPlace) -> None:
    place.way.close()


def lock_out(place: UnsteadyPlace) -> None:
    """The daemon's own password is another one now."""
    set_password(place, "changed")
    place.way.break_all()


def lose_the_password(place: UnsteadyPlace) -> None:
    """Its file is empty."""
    (place.site.folder / "ldap.secret").write_text("")
    place.way.break_all()


def set_password(place: UnsteadyPlace, password: str) -> None:
    place.slapd.change(f"dn: {SERVICE_DN}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n")


def mend(place: UnsteadyPlace) -> None:
    """All is as it should be."""
    place.way.close()
    place.way.flow = Flow.ALL
    place.way.open()
    set_password(place, SECRET)
    (place.site.folder / "ldap.secret").write_text(SECRET + "\n")


def asked_of(place: UnsteadyPlace, number: int) -> dict[str, Ask]:
    """Questions that nobody has asked yet, by the service, with the user's number in them."""
    asked: dict[str, Ask] = {}
    for service, log_in in LOGINS.items():
        for user, password in ((f"{service}{number}", "pass"), (f"{service}{number}", "wrong"), ("nobody", "pass")):
            asked[f"{service}: {user}, {password}"] = lambda do=log_in, user=user, password=password: do(
                place.site, f"{user}@{UNKEPT}", password
            )
    for service, ask in RECIPIENTS.items():
        for address in (f"anna@{UNKEPT}", f"nobody@{UNKEPT}", f"nobody{number}@{KEPT}"):
            asked[f"{service}: {address}"] = lambda ask=ask, address=address: ask(place.site, address)
    return asked


USERS = numbers()


@pytest.mark.parametrize(
    "fail",
    [refuse, flow(Flow.NONE), flow(Flow.LATE), flow(Flow.HALF), flow(Flow.CUT), lock_out, lose_the_password],
    ids=["refused", "hangs", "10 s", "half", "half and the end", "wrong password for it", "no password for it"],
)
def test_fault_24_each_way_to_fail_is_temporary(place: UnsteadyPlace, fail: Callable[[UnsteadyPlace], None]) -> None:
    remembered = {service: lambda ask=ask: ask(place.site, f"alice@{KEPT}") for service, ask in RECIPIENTS.items()}
    wait_until(lambda: all(ask()[0] is Said.YES for ask in remembered.values()), "it is well")
    try:
        fail(place)
        asked = asked_of(place, next(USERS))
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = dict(zip(asked, pool.map(lambda ask: ask(), asked.values()), strict=True))
        for question, (said, text) in answers.items():
            assert said is Said.LATER and LATER[question.partition(":")[0]] in text, (question, text)
        assert {ask()[0] for ask in remembered.values()} == {Said.YES}
    finally:
        mend(place)
    for service, ask in [*LOGINS.items(), *RECIPIENTS.items()]:
        user = f"{service}1@{UNKEPT}" if service in LOGINS else f"anna@{UNKEPT}"
        wait_until(lambda ask=ask, user=user: ask(place.site, user)[0] is Said.YES, f"{service} is back")
    count("24: a directory that fails", faults=1, messages=len(answers))


def test_fault_24_a_daemon_may_start_before_its_directory(place: UnsteadyPlace) -> None:
    try:
        refuse(place)
        place.daemon.restart()
        asked = asked_of(place, next(USERS))
        assert {ask()[0] for ask in asked.values()} == {Said.LATER}
        assert {log_in(place.site, BOB)[0] for log_in in LOGINS.values()} == {Said.YES}
    finally:
        mend(place)
    wait_until(lambda: recipient(place.site, f"alice@{KEPT}")[0] is Said.YES, "it is found")
    assert {log_in(place.site, f"{service}@{KEPT}")[0] for service, log_in in LOGINS.items()} == {Said.YES}
    count("24: a directory that fails", faults=1, messages=len(asked))


def test_fault_24_an_answer_that_is_late_and_in_time_is_an_answer(tmp_path: Path) -> None:
    with answering(lambda number: iter([alices(number)])) as directory, unsteady_way(directory.port) as way:
        way.flow, way.delay = Flow.LATE, 0.3
        connection = LdapConnection(Way(f"ldap://localhost:{way.port}", None, LONG))
        assert [found.dn for found in connection.search(QUERY)] == ["uid=alice"]
        connection.close()


def take_turns(place: UnsteadyPlace, load: Load) -> None:
    """Down and up, each as soon as the other was noticed; in full at a pace of its own."""
    for _ in range(TURNS):
        place.way.close()
        began = time.monotonic()
        if IN_FULL:
            time.sleep(PACE)
        else:
            load.wait_for(began, "smtp: unkept", Said.LATER)
        place.way.open()
        began = time.monotonic()
        if IN_FULL:
            time.sleep(PACE)
        else:
            load.wait_for(began, "smtp: unkept", Said.YES)


def test_fault_25_a_directory_that_comes_and_goes_leaves_nothing_behind(place: UnsteadyPlace) -> None:
    with at_work(questions(place.site)) as load:
        load.wait_for_answers(0, WARM)
        before = vitals(place.daemon.pid)
        take_turns(place, load)
        ended = time.monotonic()
        for name in load.answers:
            if not name.endswith(("strangers", "wrong")):
                load.wait_for(ended, name, Said.YES)
    for name, answers in load.answers.items():
        never = Said.YES if name.endswith(("strangers", "wrong")) else Said.NO
        assert never not in {answer.said for answer in answers}, name
    after = assert_level(place.daemon.pid, before, memory=MEMORY, threads=LANE, descriptors=POOLS)
    count("25: a directory that comes and goes", faults=TURNS, messages=len(load))
    tell(f"25: {TURNS} turns, {len(load)} answers; before them {before}; after them {after}")


QUERY = Query("dc=example", "(mail=alice@example.org)", ("mail",))


def alices(number: int) -> bytes:
    """An answer to any search."""
    return message(number, entry(b"uid=alice")) + message(number, result(0x65, 0))


def turn(way: UnsteadyWay, servers: Servers) -> None:
    """Searches of several at once find a server that is gone, and then one that is back."""

    def search(_: int) -> bool:
        try:
            return bool(servers.do(lambda connection: connection.search(QUERY)))
        except AuthenticationUnavailable:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(search, range(4)))
        way.close()
        assert not any(pool.map(search, range(4)))
        way.open()


def test_fault_25_connections_to_a_directory_that_comes_and_goes_are_closed() -> None:
    now, opened = [0.0], list[OpenConnection]()

    def connect(uri: str) -> OpenConnection:
        connection = LdapConnection(Way(uri, None, LONG))
        opened.append(connection)
        return connection

    with answering(lambda number: iter([alices(number)])) as directory, unsteady_way(directory.port) as way:
        servers = Servers((f"ldap://localhost:{way.port}",), connect, clock=lambda: now[0])
        before = vitals(os.getpid())
        for _ in range(TURNS_OF_ONE):
            turn(way, servers)
            now[0] += DEFAULT_BOUNDS.rest
        assert len(opened) >= TURNS_OF_ONE  # none of which is forgotten yet, and closed by that
        assert_level(os.getpid(), before, memory=MEMORY, threads=4 * PER_CONNECTION, descriptors=4 * PER_CONNECTION)
    count("25: a directory that comes and goes", faults=TURNS_OF_ONE, messages=8 * TURNS_OF_ONE)
