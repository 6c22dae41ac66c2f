"""Connections that are admitted, refused, and ended with the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from mailbox_d.net.certificates import Certificates, PairFiles
from mailbox_d.net.connections import OpenSessions, SessionFactory
from mailbox_d.net.limits import ConnectionLimits
from mailbox_d.net.session import SessionLimits
from tests.unit.net.pki import write_pair
from tests.unit.net.test_session import Echo, Transport

PEER = IPv4Address("TCP", "192.0.2.1", 4711)


class Site:
    """A factory with room for one connection of an address."""

    def __init__(self, refusal: bytes = b"too many\n") -> None:
        self.clock = Clock()
        self.sessions = OpenSessions(self.clock, grace=5)
        limits = ConnectionLimits(total=10, per_address=1)
        make = lambda: Echo(self.clock, SessionLimits())  # noqa: E731
        self.factory = SessionFactory(make, limits, self.sessions, refusal=refusal)

    def connect(self) -> tuple[Any, Transport]:
        transport = Transport()
        protocol = self.factory.buildProtocol(PEER)
        if protocol is not None:
            protocol.makeConnection(transport)
        return protocol, transport


def lose(session: Any) -> None:
    session.connectionLost(Failure(ConnectionDone()))


def test_a_connection_too_many_is_told_so_and_closed() -> None:
    site = Site()
    site.connect()
    _, transport = site.connect()
    assert transport.value() == b"too many\n"
    assert transport.disconnecting


def test_inside_tls_it_is_just_closed(tmp_path: Path) -> None:
    site = Site(refusal=b"")
    certificates = Certificates([PairFiles(*write_pair(tmp_path, "org", ["mail.example.org"]))])
    factory = TLSMemoryBIOFactory(certificates.context("imap"), False, site.factory)
    first, second = Transport(), Transport()
    factory.buildProtocol(PEER).makeConnection(first)
    one_too_many = factory.buildProtocol(PEER)
    one_too_many.makeConnection(second)
    assert (first.aborted, second.aborted) == (False, True)
    one_too_many.connectionLost(Failure(ConnectionDone()))
    assert len(site.sessions) == 1


def test_a_connection_that_ends_makes_room() -> None:
    site = Site()
    session, _ = site.connect()
    lose(session)
    assert len(site.sessions) == 0
    session, transport = site.connect()
    assert transport.value() == b"hello\n"


def test_fault_38_stopping_says_farewell_and_waits_for_what_runs() -> None:
    site = Site()
    session, transport = site.connect()
    session.dataReceived(b"wait\n")
    stopped: list[object] = []
    site.sessions.stopService().addCallback(stopped.append)
    assert transport.value() == b"hello\n"
    session.gate.callback(None)
    assert transport.value() == b"hello\nwait\nbye shutdown\n"
    assert transport.disconnecting
    assert not stopped
    lose(session)
    assert stopped == [None]


def test_fault_38_what_does_not_end_by_itself_is_ended() -> None:
    site = Site()
    session, transport = site.connect()
    session.dataReceived(b"wait\n")
    stopped: Deferred[None] = site.sessions.stopService()
    site.clock.advance(5)
    assert transport.aborted
    lose(session)
    assert not stopped.called
    session.gate.callback(None)
    assert stopped.called


def test_fault_38_a_command_that_never_ends_does_not_keep_the_daemon() -> None:
    site = Site()
    session, _ = site.connect()
    session.dataReceived(b"wait\n")
    stopped: Deferred[None] = site.sessions.stopService()
    site.clock.advance(5)
    lose(session)
    site.clock.advance(1)
    assert stopped.called


def test_an_idle_session_is_ended_at_once() -> None:
    site = Site()
    _, transport = site.connect()
    site.sessions.stopService()
    assert transport.value() == b"hello\nbye shutdown\n"
