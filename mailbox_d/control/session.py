"""A session of the control socket: who may ask, one request after another, answers as they come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from mailbox_d import __version__
from mailbox_d.control.driver import Driver, Steps, Stopped
from mailbox_d.control.jobs import Workshop
from mailbox_d.control.login_jobs import LoginRoom, LoginTally
from mailbox_d.control.queue_jobs import QueueRoom
from mailbox_d.control.queue_telling import QueueTally
from mailbox_d.control.telling import TROUBLE, USAGE, Tally, Telling, refusal
from mailbox_d.net.peer_credentials import PeerCredentials, credentials_of
from mailbox_d.net.session import SessionLimits, SessionShell
from mailbox_d.printable import one_line
from mailbox_d.wire.control.answers import format_answer
from mailbox_d.wire.control.login_requests import LoginRequest
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.queue_requests import QueueRequest
from mailbox_d.wire.control.requests import PROTOCOL
from mailbox_d.wire.control.subjects import AnyRequest, parse_any
from mailbox_d.wire.pop3.framer import Event, Framer, Line

TOO_MANY: Final = format_answer(refusal("too many requests are under way: try again later", TROUBLE))
_NOT_ALLOWED: Final = refusal("only root, the daemon's user and the group control.group may ask", TROUBLE)
_TOO_LONG: Final = refusal("the request is too long", USAGE)
_LAST_WORDS: Final = {
    "fault": "the request failed; the daemon's log says why",
    "shutdown": "the daemon stops",
    "timeout": "no request came in time",
    "overtime": "the request took longer than limits.control_job",
}


@dataclass(frozen=True, slots=True)
class ControlService:
    """What sessions of the control socket share. `line`: octets of a request; `job`: seconds that one may take."""

    workshop: Workshop
    queue: QueueRoom
    logins: LoginRoom
    driver: Callable[[], Driver]
    users: Collection[int]
    group: int | None
    line: int
    job: float

    def admits(self, peer: PeerCredentials) -> bool:
        """Whether somebody may ask: root, the daemon's own user, a member of the configured group."""
        return peer.user in self.users or (self.group is not None and self.group in peer.groups)

    def work(self, request: AnyRequest) -> tuple[Steps, Telling]:
        """The work of a request, and what makes answers of it. Raises `BadRequest`."""
        if isinstance(request, QueueRequest):
            return self.queue.work(request), QueueTally()
        if isinstance(request, LoginRequest):
            return self.logins.work(request), LoginTally()
        return self.workshop.work(request), Tally()


class ControlSession(SessionShell, Protocol):
    """One connection."""

    def __init__(self, service: ControlService, limits: SessionLimits, reactor: Any) -> None:
        self.limits = limits
        self.callLater = reactor.callLater
        self._service = service
        self._driver: Driver | None = None
        self._peer: PeerCredentials | None = None
        self._why_stopped = "shutdown"

    def new_framer(self) -> Framer:
        return Framer(self._service.line)

    def forget(self) -> None:
        """There is nothing to be forgotten."""

    def greet(self) -> None:
        """Say who we are, to whom we know."""
        try:
            peer: PeerCredentials | None = credentials_of(self.transport.getHandle())
        except OSError:
            peer = None
        if peer is None or not self._service.admits(peer):
            self.log.warn("control socket: refused {peer}", peer=peer)
            self.close(format_answer(_NOT_ALLOWED))
            return
        self._peer = peer
        self.send(format_answer({"answer": "hello", "mailboxd": __version__, "protocol": PROTOCOL}))

    async def respond(self, event: Event) -> None:
        """Answer one line; nothing that comes behind one that makes no sense is looked at."""
        if not isinstance(event, Line):
            self.close(format_answer(_TOO_LONG))
            return
        try:
            request = parse_any(event.text)
            work, telling = self._service.work(request)
        except BadRequest as error:
            self.close(format_answer(refusal(error.public, USAGE)))
            return
        self.log.info("control socket: {peer} asks {request}", peer=self._peer, request=one_line(request))
        await self._do(work, telling)

    def farewell(self, reason: str) -> bytes:
        return format_answer(refusal(_LAST_WORDS[reason], TROUBLE))

    def wind_down(self) -> None:
        self._stop("shutdown")
        super().wind_down()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._stop("shutdown")

    async def _do(self, work: Steps, telling: Telling) -> None:
        driver = self._driver = self._service.driver()
        timer = self.callLater(self._service.job, self._stop, "overtime")
        try:
            await driver.drive(work, partial(self._tell, telling))
        except BadRequest as error:
            self.send(format_answer(refusal(error.public, USAGE)))
        except Stopped:
            self.close(self.farewell(self._why_stopped))
        else:
            self.send(format_answer(telling.end()))
        finally:
            self._driver = None
            if timer.active():
                timer.cancel()

    async def _tell(self, telling: Telling, told: Sequence[Any]) -> None:
        for each in told:
            self.send(format_answer(telling.answer(each)))
        await self.drained()

    def _stop(self, why: str) -> None:
        """End the request that is under way."""
        if self._driver is not None:
            self._why_stopped = why
            self._driver.stop()
