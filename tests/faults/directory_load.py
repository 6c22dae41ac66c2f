"""Clients that ask for users of a directory over every service at once, again and again, and what each was told."""

from __future__ import annotations

import itertools
import multiprocessing
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection

from tests.faults.vitals import wait_until
from tests.integration.directory_site import LONG, at_rcpt, by_imap, by_pop3, by_submission
from tests.integration.site import BOB, HOST, PASSWORD, Site

PAUSE = 0.02
"""Seconds between two questions of one client."""

KEPT, UNKEPT = "example.org", "unkept.example"
"""A domain whose users and logins are remembered once they were good, and one where they are asked for each time."""

ROTATING = 60
"""Users of a kind whom a client takes in turn, so that hardly one has just logged in."""


class Said(Enum):
    """What an answer comes to."""

    YES = "yes"
    NO = "no"
    LATER = "later"
    """Temporary: nothing was said of the address or the password."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question, and when it was asked and answered (monotonic seconds)."""

    said: Said
    text: str
    began: float
    ended: float


Ask = Callable[[], tuple[Said, str]]


def _of_code(code: int) -> tuple[Said, str]:
    return (Said.YES if code < 300 else Said.LATER if code < 500 else Said.NO), str(code)


def _of_text(text: str, good: str, later: str) -> tuple[Said, str]:
    return (Said.YES if text.startswith(good) else Said.LATER if later in text else Said.NO), text


def imap(site: Site, user: str, password: str = PASSWORD) -> tuple[Said, str]:
    return _of_text(by_imap(site, user, password), "OK", "[UNAVAILABLE]")


def pop3(site: Site, user: str, password: str = PASSWORD) -> tuple[Said, str]:
    return _of_text(by_pop3(site, user, password), "+OK", "[SYS/TEMP]")


def submission(site: Site, user: str, password: str = PASSWORD) -> tuple[Said, str]:
    return _of_code(by_submission(site, user, password))


def recipient(site: Site, address: str) -> tuple[Said, str]:
    return _of_code(at_rcpt(site, address))


def local_recipient(site: Site, address: str) -> tuple[Said, str]:
    """Over LMTP."""
    with smtplib.LMTP(str(site.lmtp_socket), timeout=LONG) as client:
        client.ehlo()
        client.mail("someone@example.com")
        return _of_code(client.rcpt(address)[0])


LOGINS = {"imap": imap, "pop3": pop3, "submission": submission}
"""Each service's way in."""

RECIPIENTS = {"smtp": recipient, "lmtp": local_recipient}
"""Each service's way to ask for a recipient."""


def questions(site: Site) -> dict[str, Ask]:
    """All that the clients ask, by name: who asks, and what."""
    asked: dict[str, Ask] = {}
    for service, log_in in LOGINS.items():
        turn = itertools.cycle([f"{service}{number}@{UNKEPT}" for number in range(ROTATING)])
        asked[f"{service}: the same"] = lambda do=log_in, user=f"{service}@{KEPT}": do(site, user)
        asked[f"{service}: in turn"] = lambda do=log_in, turn=turn: do(site, next(turn))
        asked[f"{service}: wrong"] = lambda do=log_in: do(site, f"alice@{KEPT}", "wrong")
    for service, ask in RECIPIENTS.items():
        strangers = (f"nobody{number}@{KEPT}" for number in itertools.count())
        asked[f"{service}: remembered"] = lambda ask=ask: ask(site, f"alice@{KEPT}")
        asked[f"{service}: unkept"] = lambda ask=ask: ask(site, f"anna@{UNKEPT}")
        asked[f"{service}: strangers"] = lambda ask=ask, strangers=strangers: ask(site, next(strangers))
    return asked | {"smtp: a file": lambda: recipient(site, BOB), "imap: a file": lambda: imap(site, BOB)}


class Load:
    """The clients, each a thread that asks its question until it is told to stop."""

    def __init__(self, asked: Mapping[str, Ask]) -> None:
        self.answers: dict[str, list[Answer]] = {name: [] for name in asked}
        self.troubles: list[str] = []
        """What was no answer at all."""
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=item) for item in asked.items()]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def since(self, moment: float, name: str) -> list[Answer]:
        """The answers to questions asked since then."""
        return [answer for answer in self.answers[name] if answer.began >= moment]

    def wait_for_answers(self, moment: float, least: int) -> None:
        """Return when each question has so many answers to what was asked since that moment."""
        wait_until(
            lambda: bool(self.troubles) or all(len(self.since(moment, name)) >= least for name in self.answers),
            "answers",
        )
        assert not self.troubles

    def wait_for(self, moment: float, name: str, said: Said) -> Answer:
        """The first answer of that kind to a question asked since then."""
        found: list[Answer] = []

        def look() -> bool:
            found.extend(answer for answer in self.since(moment, name) if answer.said is said)
            return bool(found or self.troubles)

        wait_until(look, f"a {said.value} to {name}")
        assert not self.troubles
        return found[0]

    def __len__(self) -> int:
        return sum(map(len, self.answers.values()))

    def _ask(self, name: str, ask: Ask) -> None:
        try:
            while not self._stopped.wait(PAUSE):
                began = time.monotonic()
                said, text = ask()
                self.answers[name].append(Answer(said, text, began, time.monotonic()))
        except Exception as error:
            self.troubles.append(f"{name}: {error!r}")


@contextmanager
def at_work(asked: Mapping[str, Ask]) -> Iterator[Load]:
    """Clients that ask all of it, for as long as the block; none of them may have had trouble."""
    load = Load(asked)
    load.start()
    try:
        yield load
    finally:
        load.stop()
    assert load.troubles == []


class Noops:
    """Sessions that say NOOP all the time, each in a process of its own; begun before any thread."""

    def __init__(self, site: Site, *users: str) -> None:
        context, self._orders, self._processes = multiprocessing.get_context("fork"), [], []
        for user in users:
            ours, theirs = context.Pipe()
            process = context.Process(target=_say_noop, args=(site.ports["imap"], user, theirs), daemon=True)
            process.start()
            self._orders.append(ours)
            self._processes.append(process)

    def take(self) -> list[float]:
        """The seconds that each took since this was last asked."""
        for orders in self._orders:
            orders.send("tell")
        return sorted(took for orders in self._orders for took in orders.recv())

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
            process.join()


@contextmanager
def saying_noop(site: Site, *users: str) -> Iterator[Noops]:
    """The sessions, for as long as the block."""
    noops = Noops(site, *users)
    try:
        noops.take()
        yield noops
    finally:
        noops.stop()


def _say_noop(port: int, user: str, orders: Connection) -> None:
    connection = socket.create_connection((HOST, port), LONG)
    lines = connection.makefile("rb")
    lines.readline()
    connection.sendall(f"a LOGIN {user} {PASSWORD}\r\n".encode())
    while not lines.readline().startswith(b"a OK"):
        pass
    took: list[float] = []
    while True:
        if orders.poll():
            orders.recv()
            orders.send(took)
            took = []
        began = time.perf_counter()
        connection.sendall(b"n NOOP\r\n")
        while not lines.readline().startswith(b"n OK"):
            pass
        took.append(time.perf_counter() - began)
        time.sleep(PAUSE / 2)
