"""One question to one DNS server, where the server is a recording."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from mailbox_d.net.dns_exchange import _by_stream
from mailbox_d.net.dns_servers import DnsServer
from mailbox_d.wire.dns.answers import NotTheAnswer, Reading, Truncated
from mailbox_d.wire.dns.records import Answer, LookupFailed

SERVER = DnsServer("127.0.0.1", 53)
QUESTION = b"question"
GOOD = b"answer"


def read(octets: bytes) -> Reading[Any]:
    if octets != GOOD:
        raise Truncated if octets == b"cut" else NotTheAnswer
    return Reading(Answer(("record",)))


class Transport(StringTransport):
    """One whose connection is gone once it is aborted."""

    was_aborted = False

    def abortConnection(self) -> None:
        self.was_aborted = True


class Stream:
    """A question by TCP, up to the connection and beyond."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.outcomes: list[Any] = []
        self.asking = Deferred.fromCoroutine(_by_stream(self.reactor, SERVER, QUESTION, read))
        self.asking.addBoth(self.outcomes.append)
        self.transport = Transport()

    def connect(self) -> Any:
        protocol = self.reactor.tcpClients[0][2].buildProtocol(None)
        protocol.makeConnection(self.transport)
        return protocol

    @property
    def failure(self) -> BaseException:
        (failure,) = self.outcomes
        assert isinstance(failure, Failure)
        return failure.value


def message(octets: bytes) -> bytes:
    return struct.pack("!H", len(octets)) + octets


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_an_answer_may_come_in_pieces(size: int) -> None:
    stream = Stream()
    protocol = stream.connect()
    assert stream.transport.value() == message(QUESTION)
    answer = message(GOOD) + b"and more"
    for at in range(0, len(answer), size):
        assert stream.outcomes == [] or at >= len(message(GOOD))
        protocol.dataReceived(answer[at : at + size])
    assert [reading.answer.records for reading in stream.outcomes] == [("record",)]
    assert stream.transport.was_aborted


@pytest.mark.parametrize("octets", [b"", b"cut", b"other"])
def test_what_is_no_answer_by_tcp_is_none_at_all(octets: bytes) -> None:
    stream = Stream()
    stream.connect().dataReceived(message(octets))
    assert isinstance(stream.failure, LookupFailed)
    assert stream.transport.was_aborted


def test_a_connection_that_breaks_or_never_is_gives_no_answer() -> None:
    stream = Stream()
    protocol = stream.connect()
    protocol.dataReceived(message(GOOD)[:-1])
    protocol.connectionLost(Failure(ConnectionDone()))
    assert isinstance(stream.failure, LookupFailed)
    stream = Stream()
    stream.reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert isinstance(stream.failure, LookupFailed)


def test_who_cancels_hears_so_before_and_after_the_connection() -> None:
    stream = Stream()
    stream.asking.cancel()
    assert isinstance(stream.failure, CancelledError)
    assert stream.reactor.connectors[0].stoppedConnecting
    stream = Stream()
    stream.connect()
    stream.asking.cancel()
    assert isinstance(stream.failure, CancelledError)
    assert stream.transport.was_aborted
