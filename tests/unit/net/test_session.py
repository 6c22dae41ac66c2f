"""The session shell: one unit at a time, back-pressure both ways, time limits, STARTTLS."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mailbox_d.net.session import SessionLimits, SessionShell
from mailbox_d.net.turns import Turns


class LineFramer:
    """One unit per line, as small as a framer can be."""

    def __init__(self) -> None:
        self.buffer = b""

    @property
    def buffered(self) -> int:
        return len(self.buffer)

    def feed(self, data: bytes) -> None:
        self.buffer += data

    def next_event(self) -> bytes | None:
        line, newline, rest = self.buffer.partition(b"\n")
        if not newline:
            return None
        self.buffer = rest
        if line == b"broken":
            raise RuntimeError("secret")
        return line


class Transport(StringTransport):
    """A transport in memory that notices aborts, pauses and the start of TLS."""

    aborted = False
    tls_started = False

    def abortConnection(self) -> None:
        self.aborted = True

    def startTLS(self, context: object) -> None:
        self.tls_started = True

    def setTcpNoDelay(self, on: bool) -> None:
        self.no_delay = on


class Echo(SessionShell, Protocol):
    """Answers each line with itself; `wait` waits for `self.gate`, `fail` fails, `tls` begins TLS."""

    def __init__(self, clock: Clock, limits: SessionLimits) -> None:
        self.clock = clock
        self.limits = limits
        self.gate: Deferred[None] = Deferred()
        self.seen: list[bytes] = []
        self.forgotten = self.given_back = 0
        self.callLater = clock.callLater  # type: ignore[method-assign]
        self.monotonic = clock.seconds

    def new_framer(self) -> LineFramer:
        return LineFramer()

    def greet(self) -> None:
        self.send(b"hello\n")

    async def respond(self, event: bytes) -> None:
        self.seen.append(event)
        if event == b"wait":
            await self.gate
        elif event == b"fail":
            raise RuntimeError("secret")
        elif event == b"tls":
            self.send(b"go\n")
            await self.start_tls()
            return
        elif event == b"drain":
            await self.drained()
        self.send(event + b"\n")

    def forget(self) -> None:
        self.forgotten += 1

    def farewell(self, reason: str) -> bytes:
        return b"bye " + reason.encode() + b"\n"

    def released(self) -> None:
        self.given_back += 1


def connect(**limits: Any) -> tuple[Echo, Transport, Clock]:
    clock = Clock()
    session = Echo(clock, SessionLimits(**limits))
    transport = Transport()
    session.makeConnection(transport)
    return session, transport, clock


def lose(session: Echo) -> None:
    session.connectionLost(Failure(ConnectionDone()))


def test_greets_and_answers_each_unit_once_in_order() -> None:
    session, transport, _ = connect()
    session.dataReceived(b"a\nb\n")
    session.dataReceived(b"c")
    session.dataReceived(b"\n")
    assert transport.value() == b"hello\na\nb\nc\n"
    assert transport.no_delay is True


def test_takes_no_unit_while_one_waits() -> None:
    session, transport, _ = connect()
    session.dataReceived(b"wait\nnext\n")
    assert session.seen == [b"wait"]
    session.gate.callback(None)
    assert session.seen == [b"wait", b"next"]
    assert transport.value() == b"hello\nwait\nnext\n"


def test_stops_reading_when_the_input_budget_is_full_and_reads_on_after() -> None:
    session, transport, _ = connect(input_buffer=10)
    session.dataReceived(b"wait\n")
    session.dataReceived(b"123456789\n")
    assert transport.producerState == "paused"
    session.gate.callback(None)
    assert transport.producerState == "producing"


def test_who_may_stay_no_longer_hears_the_answer_to_a_command_that_runs_and_no_other() -> None:
    session, transport, _ = connect()
    session.dataReceived(b"wait\nmore\n")
    session.dismiss()
    assert not transport.disconnecting
    session.gate.callback(None)
    assert transport.value() == b"hello\nwait\nbye dismissed\n"
    assert transport.disconnecting
    session.dismiss()
    assert transport.value() == b"hello\nwait\nbye dismissed\n"


def test_a_small_backlog_does_not_stop_reading() -> None:
    session, transport, _ = connect(input_buffer=100)
    session.dataReceived(b"wait\nnext\n")
    assert transport.producerState == "producing"


def test_attack_17_answers_nothing_while_the_peer_does_not_read() -> None:
    session, transport, _ = connect()
    transport.producer.pauseProducing()
    session.dataReceived(b"a\nb\n")
    assert session.seen == []
    transport.producer.resumeProducing()
    assert session.seen == [b"a", b"b"]


def test_a_peer_that_reads_nothing_is_dropped_in_the_end() -> None:
    _session, transport, clock = connect(write_timeout=60)
    transport.producer.pauseProducing()
    clock.advance(59)
    assert not transport.aborted
    clock.advance(2)
    assert transport.aborted


def test_a_peer_that_reads_a_little_and_then_nothing_is_dropped_too() -> None:
    session, transport, clock = connect(write_timeout=60)

    async def send_much() -> None:
        await session.drained()
        transport.producer.pauseProducing()

    transport.producer.pauseProducing()
    Deferred.fromCoroutine(send_much())
    transport.producer.resumeProducing()
    clock.advance(61)
    assert transport.aborted


def test_a_peer_that_goes_on_sending_to_a_closed_session_is_cut_off() -> None:
    session, transport, _ = connect(input_buffer=100)
    session.close(b"bye\n")
    session.dataReceived(b"x" * 100)
    assert not transport.aborted
    session.dataReceived(b"x")
    assert transport.aborted


def test_waiting_to_be_drained_ends_with_the_connection() -> None:
    session, transport, _ = connect()
    transport.producer.pauseProducing()
    failures: list[object] = []
    Deferred.fromCoroutine(session.drained()).addErrback(lambda failure: failures.append(failure.type))
    lose(session)
    assert failures == [ConnectionDone]


def test_attack_16_one_octet_at_a_time_does_not_extend_the_deadline() -> None:
    session, transport, clock = connect(command_timeout=30)
    for _ in range(4):
        clock.advance(9)
        if not transport.disconnecting:
            session.dataReceived(b"x")
    assert transport.value().endswith(b"bye timeout\n")
    assert transport.disconnecting


def test_the_deadline_starts_again_with_each_answer() -> None:
    session, transport, clock = connect(command_timeout=30)
    for _ in range(4):
        clock.advance(20)
        session.dataReceived(b"a\n")
    assert not transport.disconnecting


def test_the_deadline_is_the_peer_s_and_not_for_our_own_work() -> None:
    session, transport, clock = connect(command_timeout=30)
    clock.advance(29)
    session.dataReceived(b"wait\n")
    clock.advance(100)
    session.gate.callback(None)
    assert transport.value() == b"hello\nwait\n"
    clock.advance(31)
    assert transport.value() == b"hello\nwait\nbye timeout\n"


def test_no_time_runs_against_the_peer_while_we_work() -> None:
    session, transport, clock = connect(command_timeout=30)
    session.dataReceived(b"wait\n")
    clock.advance(100)
    assert not transport.disconnecting
    session.gate.callback(None)
    clock.advance(29)
    assert not transport.disconnecting
    clock.advance(2)
    assert transport.disconnecting


def test_a_fault_while_an_answer_waits_is_told_alike() -> None:
    session, transport, _ = connect()
    session.log = log = Silent()  # type: ignore[assignment]
    session.dataReceived(b"wait\nnext\n")
    session.gate.errback(RuntimeError("secret"))
    assert transport.value() == b"hello\nbye fault\n"
    assert session.seen == [b"wait"]
    assert log.failures == 1


def test_what_an_answer_awaits_may_fail_within_a_coroutine_of_its_own() -> None:
    session, transport, _ = connect()

    async def deeper(event: bytes) -> None:
        try:
            await session.gate
        except LookupError:
            session.send(b"caught\n")

    session.respond = deeper  # type: ignore[method-assign]
    session.dataReceived(b"x\n")
    session.gate.addErrback(lambda failure: failure)
    session.gate.errback(LookupError())
    assert transport.value() == b"hello\ncaught\n"


def test_a_fault_of_ours_tells_the_peer_nothing_of_it() -> None:
    session, transport, _ = connect()
    session.log = log = Silent()  # type: ignore[assignment]
    session.dataReceived(b"fail\nnext\n")
    assert transport.value() == b"hello\nbye fault\n"
    assert session.seen == [b"fail"]
    assert log.failures == 1


@pytest.mark.parametrize("before", [b"", b"wait\n"])
def test_fault_39_a_fault_of_the_framer_ends_the_session_alike(before: bytes) -> None:
    session, transport, _ = connect()
    session.log = Silent()  # type: ignore[assignment]
    session.dataReceived(before + b"broken\nnext\n")
    session.gate.callback(None)
    assert transport.value() == b"hello\n" + before + b"bye fault\n"
    lose(session)
    assert session.given_back == 1


def test_fault_39_a_fault_in_giving_back_does_not_keep_the_connection_counted() -> None:
    session, _, _ = connect()
    ended: list[bool] = []
    session.when_gone = lambda: ended.append(True)
    session.released = session.farewell  # type: ignore[assignment]
    with suppress(TypeError):
        lose(session)
    assert ended == [True]


class Silent:
    failures = 0

    def failure(self, *_: object, **__: object) -> None:
        self.failures += 1

    warn = failure


def test_attack_44_plaintext_behind_starttls_ends_the_connection() -> None:
    session, transport, _ = connect()
    session.dataReceived(b"tls\nnext\n")
    assert transport.aborted
    assert not transport.tls_started
    assert session.seen == [b"tls"]


def test_attack_46_starttls_forgets_the_session() -> None:
    session, transport, _ = connect()
    session.dataReceived(b"tls\n")
    assert transport.tls_started
    assert session.forgotten == 1
    session.handshakeCompleted()
    assert session.forgotten == 2
    assert transport.value() == b"hello\ngo\n"


def test_no_unit_is_taken_before_the_handshake_is_complete() -> None:
    session, _transport, _ = connect()
    session.dataReceived(b"tls\n")
    session.dataReceived(b"a\n")
    assert session.seen == [b"tls"]
    session.handshakeCompleted()
    assert session.seen == [b"tls", b"a"]


def test_a_stalled_handshake_is_aborted() -> None:
    session, transport, clock = connect(handshake_timeout=30)
    session.dataReceived(b"tls\n")
    clock.advance(31)
    assert transport.aborted


def test_attack_9_a_client_hello_in_plain_text_is_closed_without_an_answer() -> None:
    session, transport, _ = connect()
    session.dataReceived(b"\x16\x03\x01\x02\x00\x01\n")
    assert transport.disconnecting
    assert transport.value() == b"hello\n"


def test_a_long_burst_gives_others_their_turn() -> None:
    session, _, clock = connect(burst=3)
    session.dataReceived(b"x\n" * 8)
    assert len(session.seen) == 3
    clock.advance(0)
    assert len(session.seen) == 8


def test_attack_17_what_waits_for_its_turn_fills_the_input_budget() -> None:
    session, transport, clock = connect(burst=3, input_buffer=10)
    for _ in range(4):
        session.dataReceived(b"x\n" * 5)
    assert len(session.seen) == 3
    assert transport.producerState == "paused"
    clock.pump([0] * 7)
    assert len(session.seen) == 20
    assert transport.producerState == "producing"


def test_a_burst_that_takes_long_gives_others_their_turn() -> None:
    session, _, clock = connect(burst_time=0.01)
    session.monotonic = iter([0.0, 0.005, 0.02, 0.0, 0.001, 0.002, 0.003]).__next__
    session.dataReceived(b"x\n" * 5)
    assert len(session.seen) == 2
    clock.advance(0)
    assert len(session.seen) == 5


@pytest.mark.parametrize("running", [True, False])
def test_released_comes_once_and_after_the_last_answer(running: bool) -> None:
    session, _, _ = connect()
    session.dataReceived(b"wait\n" if running else b"a\n")
    lose(session)
    assert session.given_back == (0 if running else 1)
    if running:
        session.gate.callback(None)
    assert session.given_back == 1


# What is said without having been asked for


def interject(session: Any, *texts: bytes) -> None:
    async def say(text: bytes) -> None:
        session.send(text)

    for text in texts:
        session.interject(lambda text=text: say(text))


def test_an_interjection_is_said_at_once_where_nothing_else_is() -> None:
    session, transport, clock = connect()
    interject(session, b"news\n")
    clock.advance(0)
    assert transport.value() == b"hello\nnews\n"


def test_an_interjection_waits_for_the_answer_that_is_under_way_and_the_last_one_counts() -> None:
    session, transport, clock = connect()
    session.dataReceived(b"wait\nnext\n")
    interject(session, b"old\n", b"news\n")
    clock.advance(0)
    assert transport.value() == b"hello\n"
    session.gate.callback(None)
    clock.advance(0)
    assert transport.value() == b"hello\nwait\nnews\nnext\n"


def test_an_interjection_waits_for_a_peer_that_does_not_read() -> None:
    session, transport, clock = connect()
    transport.producer.pauseProducing()
    interject(session, b"news\n")
    clock.advance(0)
    assert transport.value() == b"hello\n"
    transport.producer.resumeProducing()
    assert transport.value() == b"hello\nnews\n"


def test_an_interjection_gives_the_peer_no_more_time() -> None:
    session, transport, clock = connect(command_timeout=30)
    for _ in range(3):
        clock.advance(9)
        interject(session, b"news\n")
        clock.advance(0)
    clock.advance(4)
    assert transport.value() == b"hello\n" + b"news\n" * 3 + b"bye timeout\n"


def test_time_runs_again_where_it_ran_out_within_an_interjection() -> None:
    session, transport, clock = connect(command_timeout=30)
    gate: Deferred[None] = Deferred()

    async def wait() -> None:
        await gate

    session.interject(wait)
    clock.advance(31)
    assert not transport.disconnecting
    gate.callback(None)
    clock.advance(31)
    assert transport.disconnecting


def test_nothing_is_interjected_when_the_session_is_over() -> None:
    session, transport, clock = connect()
    interject(session, b"news\n")
    session.close(b"bye\n")
    clock.advance(0)
    assert transport.value() == b"hello\nbye\n"


def spent(session: Echo) -> list[Any]:
    """Have the session share turns of the reactor that others have used up; the calls that begin the next ones."""
    calls: list[Any] = []
    session.turns = Turns(lambda _, call: calls.append(call))
    session.turns.wait(lambda: None)
    return calls


def test_what_comes_when_a_turn_is_used_up_is_answered_in_the_next() -> None:
    session, transport, _ = connect(input_buffer=10)
    calls = spent(session)
    transport.clear()
    session.dataReceived(b"one\ntwo\n")
    assert transport.value() == b""
    assert transport.producerState == "producing"
    session.dataReceived(b"three\n")
    assert transport.producerState == "paused"
    calls.pop()()
    assert transport.value() == b"one\ntwo\nthree\n"
    assert transport.producerState == "producing"


def test_who_is_gone_before_the_turn_comes_is_answered_nothing_and_given_back_once() -> None:
    session, transport, _ = connect()
    calls = spent(session)
    transport.clear()
    session.dataReceived(b"one\n")
    lose(session)
    assert session.given_back == 0
    calls.pop()()
    assert (session.seen, session.given_back) == ([], 1)


def test_who_gives_way_waits_behind_those_who_wait_for_a_turn() -> None:
    session, _, clock = connect()
    calls = spent(session)
    order: list[str] = []
    assert session.turns is not None
    session.turns.wait(lambda: order.append("other"))
    Deferred.fromCoroutine(session.give_way()).addCallback(lambda _: order.append("given way"))
    clock.advance(0)
    assert order == []
    calls.pop()()
    assert order == ["other", "given way"]
