"""A connection to another server: lines out, replies in, one thing waited for at a time.

twisted.mail's ESMTPClient with everything of its own line loop sealed off; a conversation is a coroutine that says
something and awaits the reply. Every wait has its limit, as have all of them together, and ends with a reply or a
`PeerFailure`; once one failed, so do all that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.mail import smtp
from twisted.python.failure import Failure
from zope.interface import implementer

from mailbox_d.net.inherited import without_inherited
from mailbox_d.printable import one_line
from mailbox_d.relay.peer.failures import CLOSING, lost, malformed, refused, timed_out
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import PeerFailure
from mailbox_d.wire.smtp.peer_replies import MalformedReply, ReceivedReply, ReplyReader

INHERITED: frozenset[str] = frozenset()
"""Methods of twisted.mail's classes that stay in use: none."""

_BEFORE_TLS = "plain text came behind the go-ahead for TLS"


@implementer(IHandshakeListener, IPushProducer)
@without_inherited(keep=INHERITED)
class PeerConnection(smtp.ESMTPClient):
    """One connection. `stage` is what the conversation is at, for failures (see `PeerFailure`); `when_gone` is called
    once when the connection is gone.
    """

    transport: Any
    setTimeout: Callable[[float | None], None]

    def __init__(self, name: str, limits: RelayLimits, clock: Any) -> None:
        """`name`: how we call ourselves; `clock`: an `IReactorTime`."""
        smtp.ESMTPClient.__init__(self, None, None, name)
        self.limits = limits
        self.stage = "connect"
        self.busy = True
        """A conversation is under way: what comes while it is not, ends the connection."""
        self.when_gone: Callable[[], None] | None = None
        self.callLater = clock.callLater  # type: ignore[method-assign]
        self._seconds: Callable[[], float] = clock.seconds
        self._reader = ReplyReader(limits.reply_line, limits.reply)
        self._waiting: Deferred[None] | None = None
        self._left = limits.conversation
        """Seconds of waiting for the server that are left, see `allow`."""
        self._failure: PeerFailure | None = None
        self._gone = False
        self._paused = False
        self._handshaking = False
        self._ending = False

    # -- what conversations use ---------------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether a conversation could go on: the server is there and did not speak unasked."""
        return self._failure is None and not self._gone and not self._reader.buffered

    @property
    def is_full(self) -> bool:
        """Whether the server has yet to take what was sent before more is."""
        return self._paused

    def write(self, data: bytes) -> None:
        """Send what asks for replies. Raises `PeerFailure` where the server has replied already: to what?"""
        if self._reader.buffered:
            self._fail(malformed(self.stage, "it spoke before it was asked"))
        self._raise_failure()
        self.transport.write(data)

    async def ask(self, line: bytes, stage: str, seconds: float | None = None) -> ReceivedReply:
        """Say one command and await its reply."""
        self.stage = stage
        self.write(line)
        return await self.reply(stage, seconds)

    async def reply(self, stage: str, seconds: float | None = None) -> ReceivedReply:
        """The next reply, whole, within `seconds`, or the limit for commands. Raises `PeerFailure`, also for 421."""
        self.stage = stage
        until = self._seconds() + (self.limits.command if seconds is None else seconds)
        while (reply := self._next_reply()) is None:
            self._raise_failure()
            await self._wait(until)
        if reply.code == CLOSING:
            self._fail(refused(stage, reply))
            self._raise_failure()
        return reply

    async def drained(self, seconds: float) -> None:
        """Wait until the server has taken enough of what was sent, or speaks. Raises `PeerFailure`."""
        until = self._seconds() + seconds
        while self._paused and not self._reader.buffered:
            self._raise_failure()
            await self._wait(until)

    async def early_refusal(self) -> ReceivedReply | None:
        """A refusal that came before all was sent. Raises `PeerFailure`, also for anything else that came there."""
        if not self._reader.buffered:
            self._raise_failure()
            return None
        reply = await self.reply(self.stage, self.limits.data)
        if reply.code < 400:
            self._fail(malformed(self.stage, f"it replied before the message ended: {reply.code} {reply.text}"))
            self._raise_failure()
        return reply

    def allow(self, seconds: float) -> None:
        """All waits from now on may take so long together, whatever each one may take. What we do meanwhile ourselves,
        such as reading a message, is not counted."""
        self._left = seconds

    def rest(self) -> None:
        """The conversation is over for now."""
        self.busy = False
        self.stage = "mail"
        self.setTimeout(None)

    async def start_tls(self, creator: Any) -> Any:
        """Begin TLS and await the handshake; the `OpenSSL.SSL.Connection`. Raises `PeerFailure`.

        Whatever came in plain text behind the reply to STARTTLS may be an attacker's (RFC 3207 section 4.2).
        """
        self.stage = "tls"
        if self._reader.buffered:
            self._fail(malformed("tls", _BEFORE_TLS))
        self._raise_failure()
        self._handshaking = True
        self.transport.startTLS(creator)
        until = self._seconds() + self.limits.handshake
        while self._handshaking:
            self._raise_failure()
            await self._wait(until)
        return self.transport.getHandle()

    async def end(self) -> None:
        """Close in good order, within the limit for farewells; then anyhow."""
        if self._gone or self._failure is not None:
            return
        self._ending = True
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        until = self._seconds() + self.limits.farewell
        while not self._gone and self._failure is None:
            await self._wait(until)

    def abort(self) -> None:
        """End at once."""
        if not self._gone:
            self._fail(lost(self.stage, "we ended it"))

    # -- twisted's hooks ----------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def handshakeCompleted(self) -> None:
        self._handshaking = False
        self._wake()

    def dataReceived(self, data: bytes) -> None:
        if self._failure is not None or self._ending:
            return
        self._reader.feed(data)
        if self._handshaking:
            self._fail(malformed("tls", _BEFORE_TLS))
        elif not self.busy:
            self._fail(lost(self.stage, "it spoke unasked"))
        self._wake()
        # Who waits for a reply has taken out all but one that is not whole, which the reader bounds.
        if self._reader.buffered > self.limits.reply + self.limits.reply_line:
            self._fail(malformed(self.stage, "it speaks without being asked"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        self.setTimeout(None)
        if self._failure is None:
            self._failure = lost(self.stage, one_line(reason.getErrorMessage()))
        self._wake()
        if self.when_gone is not None:
            self.when_gone()

    def timeoutConnection(self) -> None:
        if self._waiting is not None:
            self._fail(timed_out(self.stage))

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:
        self._paused = False

    # -- waiting ------------------------------------------------------------------------------------------------

    def _next_reply(self) -> ReceivedReply | None:
        try:
            return self._reader.next_reply()
        except MalformedReply as error:
            self._fail(malformed(self.stage, str(error)))
            return None

    async def _wait(self, until: float) -> None:
        """Wait until something happens, but no longer, and not beyond what is allowed for all waits together."""
        began = self._seconds()
        self._waiting = Deferred()
        self.setTimeout(max(0.0, min(until - began, self._left)))
        try:
            await self._waiting
        finally:
            self._waiting = None
            self._left -= self._seconds() - began

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _fail(self, failure: PeerFailure) -> None:
        """The conversation cannot go on: the first reason is the one that is told."""
        if self._failure is None:
            self._failure = failure
            self.setTimeout(None)
            self.transport.abortConnection()
            self._wake()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
