"""A message that is open for reading is closed once and in a lane, whenever the client goes and whatever fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from typing_extensions import ParamSpec

from mailbox_d.net.lanes import InlineLane
from mailbox_d.pop3.maildrop import POP3Maildrop
from mailbox_d.pop3.service import POP3Limits
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.message_file import HeldMessage
from tests.dialogues.memory import Connection
from tests.dialogues.pop3_server import HELLO, LONG, OneMaildrop, filled_store, pop3_connection, pop3_service

P = ParamSpec("P")
T = TypeVar("T")

LOGIN = b"USER ann@example.org\r\nPASS secret\r\n"
RETRIEVE = b"RETR 1\r\n"


class StepLane(InlineLane):
    """A lane whose threads work when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.works = True
        self.is_busy = False
        self._waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self.works:
            return self._do(lambda: work(*args, **kwargs))
        waiting: Deferred[T] = Deferred()
        self._waiting.append((waiting, lambda: work(*args, **kwargs)))
        return await waiting

    def step(self) -> bool:
        """Do the work that has waited longest; whether there was any."""
        if not self._waiting:
            return False
        waiting, work = self._waiting.pop(0)
        try:
            outcome = self._do(work)
        except BaseException:
            waiting.errback(Failure())
        else:
            waiting.callback(outcome)
        return True

    def _do(self, work: Callable[[], T]) -> T:
        self.is_busy = True
        try:
            return work()
        finally:
            self.is_busy = False


@dataclass
class Counts:
    """What became of the store's readers, and what was done to them outside of a lane."""

    lane: StepLane
    closed: list[int] = field(default_factory=list)
    """For each reader, how often it was closed."""
    outside: list[str] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    """By name of what fails."""

    def note(self, action: str) -> None:
        if not self.lane.is_busy:
            self.outside.append(action)
        if action in self.failing:
            raise self.failing[action]


class CountingReader(HeldMessage):
    def __init__(self, wire: bytes, counts: Counts) -> None:
        super().__init__(wire)
        self._counts = counts
        self._number = len(counts.closed)
        counts.closed.append(0)

    def read(self, offset: int, length: int) -> bytes:
        self._counts.note("first read" if offset == 0 else "read")
        return super().read(offset, length)

    def close(self) -> None:
        self._counts.closed[self._number] += 1
        self._counts.note("close")
        super().close()


@dataclass
class Site:
    connection: Connection
    lane: StepLane
    counts: Counts

    def send(self, data: bytes) -> bytes:
        self.connection.send(data)
        return self.connection.transport.take()

    def finish(self) -> None:
        """Let the lane do all its work."""
        while self.lane.step():
            self.connection.settle()

    def drop(self) -> None:
        self.connection.protocol.connectionLost(Failure(ConnectionDone()))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """Ann is logged in; from now on the lane waits for its steps."""
    lane = StepLane()
    counts = Counts(lane)
    store = filled_store(HELLO, LONG)
    monkeypatch.setattr(MemoryMailbox, "read", lambda self, uid: CountingReader(self._stored[uid].wire, counts))
    monkeypatch.setattr(OneMaildrop, "maildrop", lambda self, account: POP3Maildrop(account, lane))
    service = pop3_service(store, limits=replace(POP3Limits(), octets_a_read=30))
    connection = pop3_connection(service, secure=True)
    connection.connect()
    connection.send(LOGIN)
    assert connection.transport.take().endswith(b"+OK 2 messages\r\n")
    lane.works = False
    return Site(connection, lane, counts)


def assert_tidy(site: Site) -> None:
    """All that was opened, also what was read ahead, is closed, once and in the lane, and the maildrop is free."""
    assert set(site.counts.closed) == {1}
    assert site.counts.outside == []
    site.lane.works = True
    again = pop3_connection(site.connection.protocol.service, secure=True)
    again.connect()
    again.send(LOGIN)
    assert again.transport.take().endswith(b"+OK 2 messages\r\n")


STEPS = 4
"""The lane's work for HELLO's 67 octets: open and read, read, read, close."""


@pytest.mark.parametrize("command", [b"RETR 1\r\n", b"TOP 1 0\r\n", b"TOP 1 1\r\n", b"TOP 1 9\r\n", b"RETR 2\r\n"])
@pytest.mark.parametrize("steps", range(STEPS))
def test_a_client_that_goes_away_leaves_no_file_open(site: Site, command: bytes, steps: int) -> None:
    site.send(command)
    for _ in range(steps):
        site.lane.step()
    site.drop()
    site.finish()
    assert_tidy(site)


@pytest.mark.parametrize("steps", range(STEPS))
def test_a_client_that_does_not_read_and_then_goes_leaves_no_file_open(site: Site, steps: int) -> None:
    site.send(RETRIEVE)
    for _ in range(steps):
        site.lane.step()
    site.connection.transport.producer.pauseProducing()
    site.finish()
    site.drop()
    site.finish()
    assert_tidy(site)


@pytest.mark.parametrize("failing", ["first read", "read", "close"])
@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_whatever_fails_the_file_is_closed_once(site: Site, failing: str, steps: int) -> None:
    site.counts.failing = {failing: OSError(5, "/secret")}
    site.send(RETRIEVE)
    for _ in range(steps):
        site.lane.step()
    said = site.connection.transport.take()
    site.drop()
    site.finish()
    assert b"secret" not in said + site.connection.transport.take()
    assert_tidy(site)


@pytest.mark.parametrize("command", [b"RETR 1\r\n", b"TOP 1 9\r\n", b"RETR 2\r\n"])
def test_a_file_that_cannot_be_closed_puts_nothing_into_the_message(site: Site, command: bytes) -> None:
    site.send(command)
    site.finish()
    whole = site.connection.transport.take()
    assert whole.endswith(b"\r\n.\r\n")
    site.counts.failing = {"close": OSError(5, "/secret")}
    site.send(command)
    site.finish()
    assert site.connection.transport.take() == whole
    site.send(b"NOOP\r\n")
    assert not site.connection.closed


def test_a_torn_message_stays_torn_when_its_file_cannot_be_closed(site: Site) -> None:
    site.counts.failing = {"read": OSError(5, "/secret"), "close": OSError(5, "/secret")}
    site.send(RETRIEVE)
    site.finish()
    assert site.connection.transport.take() == b"+OK 67 octets\r\n" + HELLO[:30]
    assert site.connection.closed


def test_a_client_that_takes_one_after_the_other_finds_the_next_one_read(site: Site) -> None:
    site.send(RETRIEVE)
    site.finish()
    site.connection.transport.take()
    read_before = len(site.counts.closed)
    assert b"+OK" in site.send(b"RETR 2\r\n"), "without a step of the lane"
    assert len(site.counts.closed) == read_before


def test_who_does_not_go_on_in_order_is_served_all_the_same(site: Site) -> None:
    site.send(b"RETR 2\r\n")
    site.finish()
    assert b"+OK" in site.connection.transport.take()
    site.send(RETRIEVE)
    site.finish()
    assert b"+OK" in site.connection.transport.take()


def test_what_could_not_be_read_ahead_is_read_when_it_is_asked_for(site: Site) -> None:
    site.send(RETRIEVE)
    site.lane.step()
    site.counts.failing["first read"] = OSError(5, "/secret")
    site.finish()
    del site.counts.failing["first read"]
    site.connection.transport.take()
    assert b"+OK" not in site.send(b"RETR 2\r\n")
    site.finish()
    assert b"+OK" in site.connection.transport.take()


@pytest.mark.parametrize("commands", [b"RETR 2\r\n", b"RETR 1\r\n", b"RETR 1\r\nRETR 2\r\n", b"RETR 1\r\nRETR 1\r\n"])
def test_a_message_that_is_larger_than_was_told_is_closed_too(
    site: Site, commands: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryMailbox, "read", lambda self, uid: CountingReader(HELLO, site.counts))
    site.send(commands)
    site.finish()
    site.send(b"QUIT\r\n")
    site.finish()
    site.drop()
    assert_tidy(site)
