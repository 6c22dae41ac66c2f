"""The control socket's sessions: who may ask, what becomes of junk, of faults, and of clients that do not read."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mailbox_d.auth.guessing.guesses import Guesses
from mailbox_d.control.driver import Driver
from mailbox_d.control.jobs import Workshop
from mailbox_d.control.login_jobs import LoginRoom
from mailbox_d.control.session import ControlService, ControlSession
from mailbox_d.net.lanes import InlineLane
from mailbox_d.net.session import SessionLimits
from mailbox_d.store.upkeep.steps import Note, Pause, Work
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.queue_requests import QueueRequest
from mailbox_d.wire.control.requests import Request

VERIFY = b'{"verb": "verify"}\n'
LINE = 200


class Transport(StringTransport):
    """A unix socket in memory; its peer is this process."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = socket.socketpair()
        self.aborted = False

    def getHandle(self) -> socket.socket:
        return self.ends[0]

    def abortConnection(self) -> None:
        self.aborted = True

    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.value().splitlines()]


class NoChildren:
    """Children that nobody asks."""

    running = False

    def startService(self) -> None:
        self.running = True

    def stopService(self) -> None:
        self.running = False


class Room:
    """Tells what was asked for."""

    def work(self, request: QueueRequest) -> Iterator[dict[str, object]]:
        if request.domain == "bad":
            raise BadRequest("This is not a domain name")
        return self._told(request.verb.value)

    def _told(self, text: str) -> Iterator[dict[str, object]]:
        yield {"answer": "note", "text": text}
        yield {"answer": "missing", "id": "A"}


class Shop(Workshop):
    """Does what the test wants instead of what was asked for."""

    wanted: Callable[[], Work[None]]

    def work(self, request: Request) -> Work[None]:
        return self.wanted()


def connect(
    work: Callable[[], Work[None]], *, users: frozenset[int] | None = None, group: int | None = None, job: float = 60.0
) -> tuple[ControlSession, Transport, Clock]:
    clock = Clock()
    shop: Any = object.__new__(Shop)
    object.__setattr__(shop, "wanted", work)
    service = ControlService(
        workshop=shop,
        queue=Room(),  # type: ignore[arg-type]
        logins=LoginRoom(Guesses()),
        driver=lambda: Driver(clock, InlineLane(), NoChildren()),  # type: ignore[arg-type]
        users=frozenset({os.geteuid()}) if users is None else users,
        group=group,
        line=LINE,
        job=job,
    )
    session = ControlSession(service, SessionLimits(command_timeout=30.0, output_buffer=1000), clock)
    transport = Transport()
    session.makeConnection(transport)
    return session, transport, clock


def two_notes() -> Work[None]:
    yield Note("alice@example.org", "one")
    yield Note("alice@example.org", "two")


def failing() -> Work[None]:
    yield Note("alice@example.org", "one")
    raise RuntimeError("a secret")


def endless(closed: list[bool]) -> Work[None]:
    try:
        while True:
            yield Note("alice@example.org", "again")
            yield Pause(1.0)
    finally:
        closed.append(True)


def kinds(transport: Transport) -> list[str]:
    return [answer["answer"] for answer in transport.answers()]


def test_an_answer_comes_for_each_step_and_an_end() -> None:
    session, transport, _ = connect(two_notes)
    session.dataReceived(VERIFY + VERIFY)
    assert kinds(transport) == ["hello", "note", "note", "end", "note", "note", "end"]
    assert transport.answers()[-1] == {"answer": "end", "status": 0, "findings": 0, "mended": 0, "troubles": 0}


def test_a_request_about_the_queue_is_worked_on_in_its_room() -> None:
    session, transport, _ = connect(two_notes)
    session.dataReceived(b'{"subject": "queue", "verb": "list"}\n' + VERIFY)
    told = transport.answers()
    assert [answer["answer"] for answer in told] == ["hello", "note", "missing", "end", "note", "note", "end"]
    assert told[1]["text"] == "list"
    assert told[3] == {"answer": "end", "status": 1, "messages": 0, "changed": 0, "missing": 1, "troubles": 0}


def test_a_request_about_the_queue_that_means_nothing_is_refused() -> None:
    session, transport, _ = connect(two_notes)
    session.dataReceived(b'{"subject": "queue", "verb": "list", "domain": "bad"}\n' + VERIFY)
    assert kinds(transport) == ["hello", "end"]
    assert (transport.answers()[-1]["status"], transport.disconnecting) == (2, True)


def test_a_request_is_understood_however_the_stream_is_cut() -> None:
    for cut in range(1, len(VERIFY)):
        session, transport, _ = connect(two_notes)
        session.dataReceived(VERIFY[:cut])
        session.dataReceived(VERIFY[cut:])
        assert kinds(transport) == ["hello", "note", "note", "end"]
    session, transport, _ = connect(two_notes)
    for octet in VERIFY:
        session.dataReceived(bytes([octet]))
    assert kinds(transport) == ["hello", "note", "note", "end"]


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n", b"\0\n", b"{}\n", b"x" * LINE, b"[" * (LINE - 1) + b"\n"])
def test_junk_ends_the_connection_and_nothing_behind_it_is_done(junk: bytes) -> None:
    session, transport, _ = connect(two_notes)
    session.dataReceived(junk + VERIFY)
    assert kinds(transport) == ["hello", "end"]
    assert transport.answers()[-1]["status"] == 2
    assert transport.disconnecting


def test_a_fault_is_told_without_its_secret_and_ends_one_session_alone() -> None:
    session, transport, _ = connect(failing)
    logged: list[object] = []
    session.log = type("Log", (), {"failure": lambda *a, **k: logged.append(a), "info": lambda *a, **k: None})()  # type: ignore[assignment]
    session.dataReceived(VERIFY)
    assert kinds(transport) == ["hello", "note", "end"]
    assert b"secret" not in transport.value()
    assert transport.answers()[-1]["status"] == 3
    assert transport.disconnecting and len(logged) == 1


@pytest.mark.parametrize(
    ("users", "group", "is_admitted"),
    [
        (frozenset[int](), None, False),
        (frozenset({os.geteuid()}), None, True),
        (frozenset({os.geteuid() + 1}), os.getegid() + 1, False),
        (frozenset({os.geteuid() + 1}), os.getegid(), True),
    ],
)
def test_only_who_may_ask_is_answered(users: frozenset[int], group: int | None, is_admitted: bool) -> None:
    session, transport, _ = connect(two_notes, users=users, group=group)
    session.dataReceived(VERIFY)
    assert kinds(transport) == (["hello", "note", "note", "end"] if is_admitted else ["end"])
    assert transport.disconnecting is not is_admitted
    if not is_admitted:
        assert transport.answers()[0]["status"] == 3


def test_work_ends_with_the_connection() -> None:
    closed: list[bool] = []
    session, transport, clock = connect(partial(endless, closed))
    session.dataReceived(VERIFY)
    clock.advance(1.0)
    assert kinds(transport) == ["hello", "note", "note"] and not closed
    session.connectionLost(Failure(ConnectionDone()))
    assert closed == [True]
    assert not clock.getDelayedCalls()


def test_work_that_takes_too_long_is_ended() -> None:
    closed: list[bool] = []
    session, transport, clock = connect(partial(endless, closed), job=2.5)
    session.dataReceived(VERIFY)
    clock.pump([1.0] * 3)
    assert closed == [True]
    assert "limits.control_job" in transport.answers()[-1]["text"]


def test_the_daemons_end_is_told() -> None:
    closed: list[bool] = []
    session, transport, _ = connect(partial(endless, closed))
    session.dataReceived(VERIFY)
    session.wind_down()
    assert closed == [True]
    assert transport.answers()[-1] == {"answer": "end", "status": 3, "text": "the daemon stops"}


def test_a_client_that_does_not_read_stops_the_work_and_holds_little() -> None:
    told = [0]

    def much() -> Work[None]:
        yield Pause(1.0)
        while told[0] < 100_000:
            told[0] += 1
            yield Note("alice@example.org", "x" * 100)

    session, transport, clock = connect(much)
    session.dataReceived(VERIFY)
    transport.producer.pauseProducing()
    clock.advance(1.0)
    assert 0 < told[0] <= 200
    clock.advance(299.5)
    assert 0 < told[0] <= 200 and len(transport.value()) < 200 * 300
    assert transport.aborted


def test_who_asks_for_nothing_is_sent_away() -> None:
    session, transport, clock = connect(two_notes)
    session.dataReceived(b'{"verb"')
    clock.advance(31)
    assert transport.answers()[-1]["text"] == "no request came in time"
    assert transport.disconnecting
