"""The shell around a POP3 session: twisted.mail's POP3 with everything of its own line loop sealed off."""

from __future__ import annotations

from typing import Any

from twisted.mail import pop3

from mailbox_d.net.inherited import without_inherited
from mailbox_d.net.offences import Offences
from mailbox_d.net.session import SessionLimits, SessionShell
from mailbox_d.net.tls import ServerTls
from mailbox_d.pop3 import dispatch
from mailbox_d.pop3.errors import INTERNAL_ERROR
from mailbox_d.pop3.informational import capabilities
from mailbox_d.pop3.service import POP3Service
from mailbox_d.pop3.session import POP3Session, State
from mailbox_d.wire.pop3 import replies
from mailbox_d.wire.pop3.framer import Event, Framer

INHERITED: frozenset[str] = frozenset()
"""Methods of twisted.mail's classes that stay in use; `docs/twisted.md` says what for."""

_FAREWELLS = {
    "timeout": b"",  # RFC 1939 section 3: without a word
    "dismissed": b"",
    "shutdown": replies.err("The service is being stopped", "SYS/TEMP"),
    "early": replies.err("You spoke before it was your turn"),
    "fault": INTERNAL_ERROR,
}


@without_inherited(keep=INHERITED)
class POP3Server(SessionShell, pop3.POP3):
    """One connection of the POP3 service."""

    portal: Any
    _login_by: float

    def __init__(
        self,
        service: POP3Service,
        limits: SessionLimits,
        tls_context: ServerTls | None,
        *,
        implicit_tls: bool = False,
    ) -> None:
        """`limits.command_timeout` is the time to log in."""
        self.service = service
        self.portal = service.gate.portal
        self.limits = limits
        self.tls_context = tls_context
        self.implicit_tls = implicit_tls
        self._offences = Offences()

    # -- what the shell asks for --------------------------------------------------------------------------------

    def new_framer(self) -> Framer:
        self.framer = Framer(self.service.limits.command_line)
        return self.framer

    def greet(self) -> None:
        self._login_by = self.monotonic() + self.service.limits.login_timeout
        self.send(replies.ok(f"{self.service.hostname} ready"))

    async def respond(self, event: Event) -> None:
        await dispatch.answer(self.session, event)
        self.framer.max_line = self.session.line_limit
        self.set_deadline(self._patience())

    def _patience(self) -> float:
        """Seconds for the next command: a client must log in within one span of time, whatever it asks meanwhile."""
        if self.session.state is State.AUTHORIZATION:
            return max(0.0, self._login_by - self.monotonic())
        return self.service.limits.idle_timeout

    def forget(self) -> None:
        self.session = POP3Session(self.service, self, self._offences)
        self.framer.max_line = self.session.line_limit

    def farewell(self, reason: str) -> bytes:
        return _FAREWELLS[reason]

    def released(self) -> None:
        self.session.release()

    # -- twisted.mail's hooks -----------------------------------------------------------------------------------

    def listCapabilities(self) -> list[bytes]:
        """What CAPA tells."""
        return list(capabilities(self.session))
