"""The shell around an IMAP session: twisted.mail's IMAP4Server with everything of its own line loop sealed off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.mail import imap4
from twisted.python.failure import Failure

from mailbox_d.imap import dispatch
from mailbox_d.imap.informational import capabilities
from mailbox_d.imap.service import IMAPService
from mailbox_d.imap.session import IMAPSession
from mailbox_d.net.inherited import without_inherited
from mailbox_d.net.offences import Offences
from mailbox_d.net.session import SessionLimits, SessionShell
from mailbox_d.net.tls import ServerTls
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.framer import Event, Framer, FramerLimits
from mailbox_d.wire.imap.responses import Condition

INHERITED: frozenset[str] = frozenset()
"""Methods of twisted.mail's classes that stay in use; `docs/twisted.md` says what for."""

_FAREWELLS = {
    "timeout": ("You took too long", b""),
    "dismissed": ("This login is no longer good", b"EXPIRED"),
    "shutdown": ("The service is being stopped", b"UNAVAILABLE"),
    "early": ("You spoke before it was your turn", b""),
    "fault": ("Internal error, see the server's log", b"SERVERBUG"),
}


@without_inherited(keep=INHERITED)
class IMAPServer(SessionShell, imap4.IMAP4Server):
    """One connection of the IMAP service."""

    portal: Any

    def __init__(
        self,
        service: IMAPService,
        limits: SessionLimits,
        tls_context: ServerTls | None,
        *,
        implicit_tls: bool = False,
    ) -> None:
        """`limits.command_timeout` is the time to log in."""
        imap4.IMAP4Server.__init__(self, contextFactory=tls_context)
        self.service = service
        self.portal = service.gate.portal
        self.limits = limits
        self.tls_context = tls_context
        self.implicit_tls = implicit_tls
        self._offences = Offences()

    # -- what the shell asks for --------------------------------------------------------------------------------

    def new_framer(self) -> Framer:
        self.framer = Framer(self.service.limits.before_login)
        return self.framer

    def greet(self) -> None:
        self._login_by = self.monotonic() + self.service.limits.login_timeout
        code = responses.capability(capabilities(self.session))
        self.send(responses.untagged(Condition.OK, f"{self.service.hostname} ready", code))

    async def respond(self, event: Event) -> None:
        await dispatch.answer(self.session, event)
        self.set_deadline(self._patience())

    def _patience(self) -> float:
        """Seconds for the next command: a client must log in within one span of time, whatever it asks meanwhile."""
        if self.session.account is None:
            return max(0.0, self._login_by - self.monotonic())
        return self.session.patience

    def forget(self) -> None:
        self.session = IMAPSession(self.service, self, self._offences)

    def farewell(self, reason: str) -> bytes:
        text, code = _FAREWELLS[reason]
        return responses.untagged(Condition.BYE, text, code)

    def released(self) -> None:
        Deferred.fromCoroutine(self.session.release()).addErrback(self._not_released)

    def _not_released(self, failure: Failure) -> None:
        self.log.failure("a session of {peer} left something behind", failure, peer=self.peer)

    # -- what the session asks for ------------------------------------------------------------------------------

    def expect_line(self) -> None:
        self.framer.expect_line()

    def hold_to(self, limits: FramerLimits) -> None:
        self.framer.limits = limits
        self.limits = replace(self.limits, input_buffer=self.service.limits.input_buffer)

    def refuse_literal(self) -> bool:
        return self.framer.refuse()

    # -- twisted.mail's hooks -----------------------------------------------------------------------------------

    def capabilities(self) -> dict[bytes, list[bytes] | None]:
        """What CAPABILITY tells, with AUTH's mechanisms as a list."""
        told: dict[bytes, list[bytes] | None] = {}
        for name in capabilities(self.session):
            kind, equals, value = name.partition(b"=")
            if equals:
                told[kind] = [*(told.get(kind) or []), value]
            else:
                told[kind] = None
        return told
