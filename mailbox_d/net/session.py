"""The session shell: what every server shares between the socket and its commands.

`class SMTPServer(SessionShell, smtp.ESMTP)`: the shell takes the octets before twisted.mail's own line loop can see
them, cuts them with a sans-IO framer, and hands over one unit at a time; the next one is not taken before the last was
answered. It holds at most one input budget of octets, stops reading when that is full, stops answering while the peer
does not read, and ends a connection that keeps it waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from mailbox_d.net.channel_bindings import channel_bindings
from mailbox_d.net.client_certificates import shown_on
from mailbox_d.net.limits import host_of
from mailbox_d.net.output import Output
from mailbox_d.net.tls import ServerTls
from mailbox_d.net.turns import Turns
from mailbox_d.printable import one_line
from mailbox_d.wire.sasl.mechanisms import Terms

_TLS_RECORD_OF_A_HANDSHAKE = 0x16
"""The first octet of a ClientHello (RFC 8446 section 5.1), met where plain text is spoken."""


class Framer(Protocol):
    """Cuts a stream into the units of a protocol, without knowing where the stream comes from."""

    @property
    def buffered(self) -> int:
        """Octets that were fed and not yet handed out."""

    def feed(self, data: bytes) -> None:
        """Take what was received."""

    def next_event(self) -> object | None:
        """The next whole unit, or None while more must be fed first."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one connection may hold and how long it may wait. Octets and seconds."""

    input_buffer: int = 65536
    output_buffer: int = 65536
    command_timeout: float = 300.0
    handshake_timeout: float = 30.0
    write_timeout: float = 300.0
    greeting_delay: float = 0.0
    burst: int = 100
    """Pipelined commands that are answered before other connections get their turn."""
    burst_time: float = 0.01
    """How long that may take."""


@implementer(IHandshakeListener)
class SessionShell(TimeoutMixin):
    """The mixin, to stand before twisted.mail's class in the bases. A server gives:

    `new_framer()`; `forget()`, which begins the session anew, at the start and again when TLS has come up;
    `greet()`, called when the peer may be spoken to; `respond(event)`, a coroutine that answers one unit;
    `farewell(reason)`, the protocol's last words; `released()`, called once when the connection is gone and no command
    runs any more.
    """

    log = Logger()
    tls_context: ServerTls | None = None
    implicit_tls = False
    limits = SessionLimits()
    factory: Any = None
    when_gone: Callable[[], None] | None = None
    """Called once, when the connection is gone."""
    turns: Turns | None = None
    """What this session shares the reactor's turns with; without, it works whenever something comes."""
    transport: Any
    setTimeout: Callable[[float | None], None]
    callLater: Callable[..., Any]
    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    _framer: Framer
    _output: Output
    _deadline: float
    _write_timer: Any
    _greeting_timer: Any
    """Runs until the peer may be spoken to; who speaks earlier is no mail client."""
    _handshaking: bool
    _reading: bool
    _running: bool
    """A unit is being answered."""
    _timed: bool
    """The time that the peer has for the next unit is running."""
    _pumping: bool
    """Units are being taken, further up the stack."""
    _turn_waits: bool
    """Units wait for others to have their turn."""
    _ignored: int
    """Octets that came after the session was closed."""
    _closing: bool
    _interjection: Callable[[], Coroutine[Deferred[Any], None, None]] | None
    """What is to be said to the peer without its having asked."""
    _parting: str
    """Why the session ends as soon as no command runs: what `farewell` is told; empty where it goes on."""
    _gone: bool

    # -- what a server gives ------------------------------------------------------------------------------------

    def new_framer(self) -> Framer:
        raise NotImplementedError

    def greet(self) -> None:
        raise NotImplementedError

    async def respond(self, event: Any) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        raise NotImplementedError

    def farewell(self, reason: str) -> bytes:
        raise NotImplementedError

    def released(self) -> None:
        """Nothing to give back, unless the server says otherwise."""

    # -- what a server uses -------------------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        """The peer's address as text: an IP address, or `local` on a unix socket."""
        return host_of(self.transport.getPeer())

    @property
    def is_tls(self) -> bool:
        return ISSLTransport(self.transport, None) is not None

    @property
    def tls_description(self) -> str:
        """Protocol version and cipher, as `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty without TLS."""
        if not self.is_tls:
            return ""
        connection = self.transport.getHandle()
        if not hasattr(connection, "get_cipher_name"):
            return "TLS"
        return f"{connection.get_protocol_version_name()} {connection.get_cipher_name()}"

    def sasl_terms(self, limit: int) -> Terms:
        """What a SASL exchange on this connection is held to; `limit`: octets of a response in base64."""
        if not self.is_tls:
            return Terms(limit)
        handle = self.transport.getHandle()
        return Terms(limit, is_tls=True, bindings=channel_bindings(handle), certified=shown_on(handle).address)

    def send(self, data: bytes) -> None:
        """Send `data` behind everything sent before; answers to pipelined commands travel together."""
        self._output.write(data)

    async def drained(self) -> None:
        """Wait until the peer has read enough of what was sent. Raises `ConnectionDone`."""
        await self._output.drained()

    @property
    def can_start_tls(self) -> bool:
        """Whether TLS could still begin."""
        return self.tls_context is not None and not self.is_tls

    async def give_way(self) -> None:
        """Let other connections have their turn, and wait for a peer that reads slowly. Raises `ConnectionDone`."""
        turn: Deferred[None] = Deferred()
        self._next_turn(lambda: turn.callback(None))
        await turn
        await self.drained()

    def set_deadline(self, seconds: float) -> None:
        """Give the peer this long for the unit that is being waited for; the next unit has the usual time again."""
        self._deadline = seconds

    def interject(self, answer: Callable[[], Coroutine[Deferred[Any], None, None]]) -> None:
        """Run `answer` between two units, when nothing else runs and the peer reads; only the last one asked for.

        The time that the peer has for its next unit goes on.
        """
        if self._interjection is None:
            self._next_turn(self._pump_again)
        self._interjection = answer

    def close(self, farewell: bytes = b"") -> None:
        """Say farewell, then close; what the peer still sends is not looked at."""
        if not self._closing:
            self._output.write(farewell)
            self._closing = True
            self.setTimeout(None)
            self._cancel_greeting()
            self._output.flush()
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._set_write_timer(self.limits.handshake_timeout)

    async def start_tls(self) -> None:
        """Begin TLS behind what was sent. The session starts anew; plaintext behind the command ends it.

        What was received behind STARTTLS may be an attacker's (RFC 3207 section 4.2, CVE-2011-0411).
        """
        if self._framer.buffered:
            self.log.warn("plaintext behind STARTTLS from {peer}", peer=self.peer)
            self.abort()
            return
        self._output.flush()
        self._framer = self.new_framer()
        self._handshaking = True
        self.setTimeout(self.limits.handshake_timeout)
        self.transport.startTLS(self.tls_context)

    def wind_down(self) -> None:
        """The daemon stops: end as soon as no command runs."""
        self._part("shutdown")

    def dismiss(self) -> None:
        """The user may be here no more: end as soon as no command runs."""
        self._part("dismissed")

    def _part(self, why: str) -> None:
        self._parting = why
        if self._handshaking:
            self.abort()
        elif not self._running:
            self.close(self.farewell(why))

    def abort(self) -> None:
        """End at once."""
        self._closing = True
        self.transport.abortConnection()

    # -- twisted's hooks ----------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._framer = self.new_framer()
        self._output = Output(self.transport, self.limits.output_buffer, self._output_paused)
        self._running = False
        self._pumping = False
        self._timed = True
        self._turn_waits = False
        self._interjection = None
        self._ignored = 0
        self._closing = False
        self._parting = ""
        self._gone = False
        self._reading = True
        self._first_octets = not self.implicit_tls
        self._deadline = self.limits.command_timeout
        self._write_timer = None
        self._greeting_timer = None
        self._handshaking = self.implicit_tls
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self._output, True)
        self.setTimeout(self.limits.handshake_timeout if self._handshaking else self._deadline)
        self.forget()
        if not self._handshaking:
            self._open()

    def handshakeCompleted(self) -> None:
        self._handshaking = False
        self._tell_of_certificate()
        self.forget()
        self.setTimeout(self._deadline)
        if self.implicit_tls:
            self._open()
        else:
            self._pump()

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            self._ignore(data)
            return
        if self._first_octets:
            self._first_octets = False
            if data[0] == _TLS_RECORD_OF_A_HANDSHAKE:
                self.close()
                return
        if self._greeting_timer is not None:
            self.close(self.farewell("early"))
            return
        self._framer.feed(data)
        if not self._turn_waits:
            self._turn_waits = True
            self._in_turn(self._take_turn)
        if self._turn_waits:
            self._read_or_wait()

    def _ignore(self, data: bytes) -> None:
        """Let what was under way come in, so that the peer hears our last words; TLS reads on until it answers them."""
        self._ignored += len(data)
        if self._ignored > self.limits.input_buffer:
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._handshaking:
            self._tell_of_certificate()
        self._closing = self._gone = True
        self.setTimeout(None)
        self._cancel_greeting()
        self._set_write_timer(None)
        self._output.abandon()
        if not self._running:
            self._in_turn(self._release)

    def _tell_of_certificate(self) -> None:
        """Who shows a certificate means to log in by it: the log says why they cannot."""
        fault = shown_on(self.transport.getHandle()).fault if self.is_tls else ""
        if fault:
            self.log.info("the certificate of {peer} is not taken: {fault}", peer=self.peer, fault=one_line(fault))

    def _release(self) -> None:
        try:
            self.released()
        finally:
            if self.when_gone is not None:
                self.when_gone()

    def timeoutConnection(self) -> None:
        """The peer took too long over a handshake or a command; what we take over an answer does not count."""
        if self._handshaking:
            self.abort()
        elif not self._running:
            self.close(self.farewell("timeout"))
        else:
            self._timed = False

    # -- one unit at a time -------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self.limits.greeting_delay:
            self._greeting_timer = self.callLater(self.limits.greeting_delay, self._speak_first)
        else:
            self._speak_first()

    def _speak_first(self) -> None:
        self._greeting_timer = None
        self.greet()
        self._pump()

    def _pump(self) -> None:
        """Answer whole units until one must wait, the peer must read first, or others should have their turn."""
        if self._pumping or self._running or self._handshaking or self._turn_waits:
            return
        self._pumping = True
        until = self.monotonic() + self.limits.burst_time
        for _ in range(self.limits.burst):
            if self._running or self._closing or self._output.paused or not self._answer_next():
                break
            if self.monotonic() > until:
                self._wait_for_turn()
                break
        else:
            self._wait_for_turn()
        self._pumping = False
        if not self._closing:
            self._output.flush()
            self._start_timer()

    def _start_timer(self) -> None:
        """Time runs against the peer alone, from the last answer on: none of it while we are at work on a command."""
        if not self._timed:
            waited_for = self.limits.handshake_timeout if self._handshaking else self._deadline
            self.setTimeout(None if self._running else waited_for)
            self._timed = not self._running

    def _wait_for_turn(self) -> None:
        self._turn_waits = True
        self._next_turn(self._take_turn)

    def _take_turn(self) -> None:
        self._turn_waits = False
        self._pump_again()

    def _in_turn(self, work: Callable[[], None]) -> None:
        """Now, if sessions have not had their share of this turn of the reactor."""
        if self.turns is None:
            work()
        else:
            self.turns.take(work)

    def _next_turn(self, work: Callable[[], None]) -> None:
        if self.turns is None:
            self.callLater(0, work)
        else:
            self.turns.wait(work)

    def _pump_again(self) -> None:
        if not self._closing:
            self._pump()
            self._read_or_wait()

    def _answer_next(self) -> bool:
        interjection, self._interjection = self._interjection, None
        if interjection is not None:
            self._running = True
            self._advance(interjection())
            return True
        try:
            event = self._framer.next_event()
        except Exception:
            self._failed(Failure())
            return False
        if event is None:
            return False
        self._running = True
        self._timed = False
        self._deadline = self.limits.command_timeout
        self._advance(self.respond(event))
        return True

    def _advance(self, answer: Coroutine[Deferred[Any], None, None], awaited: object = None) -> None:
        """Run an answer until it waits, and go on with what came of what it awaited.

        Most answers never wait: a Deferred for each would cost more than the answer itself.
        """
        try:
            waiting = awaited.throwExceptionIntoGenerator(answer) if isinstance(awaited, Failure) else answer.send(None)
        except StopIteration:
            self._answered()
        except Exception:
            self._failed(Failure())
            self._answered()
        else:
            waiting.addBoth(lambda result: self._advance(answer, result)).addErrback(self._failed)

    def _answered(self) -> None:
        self._running = False
        if self._gone:
            self._release()
        elif self._parting:
            self.close(self.farewell(self._parting))
        elif not self._closing and not self._pumping:
            self._pump_again()

    def _failed(self, failure: Failure) -> None:
        """A fault of ours: logged once with its traceback; the peer hears that it is temporary, and no more."""
        if failure.check(ConnectionDone, ConnectionAborted) is None:
            self.log.failure("session with {peer} failed", failure, peer=self.peer)
        self.close(self.farewell("fault"))

    def _cancel_greeting(self) -> None:
        timer, self._greeting_timer = self._greeting_timer, None
        if timer is not None and timer.active():
            timer.cancel()

    # -- back-pressure ------------------------------------------------------------------------------------------

    def _read_or_wait(self) -> None:
        """Stop reading while the input budget is full, read on when it is not."""
        waiting = self._running or self._turn_waits or self._output.paused
        full = waiting and self._framer.buffered >= self.limits.input_buffer
        if full == self._reading and not self._closing:
            self._reading = not full
            (self.transport.pauseProducing if full else self.transport.resumeProducing)()

    def _output_paused(self, paused: bool) -> None:
        self._set_write_timer(self.limits.write_timeout if paused else None)
        if not paused and not self._closing:
            self._pump_again()

    def _set_write_timer(self, seconds: float | None) -> None:
        if self._write_timer is not None and self._write_timer.active():
            self._write_timer.cancel()
        self._write_timer = None if seconds is None else self.callLater(seconds, self.abort)
