"""The shell around an SMTP session: twisted.mail's ESMTP with everything of its own line loop sealed off."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.mail import smtp
from twisted.python.failure import Failure

from mailbox_d.net.inherited import without_inherited
from mailbox_d.net.session import SessionLimits, SessionShell
from mailbox_d.net.tls import ServerTls
from mailbox_d.smtp import data
from mailbox_d.smtp.dispatch import dispatch
from mailbox_d.smtp.greeting import offer
from mailbox_d.smtp.replies import DISMISSED, EARLY_TALKER, OUR_FAULT, SHUTTING_DOWN, TIMEOUT, Answer, Then
from mailbox_d.smtp.service import Kind, Service
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.wire.smtp.framer import Event, SMTPFramer
from mailbox_d.wire.smtp.replies import Reply

INHERITED = frozenset({"host"})
"""Methods of twisted.mail's classes that stay in use; `docs/twisted.md` says what for."""

_FAREWELLS = {
    "timeout": TIMEOUT,
    "dismissed": DISMISSED,
    "shutdown": SHUTTING_DOWN,
    "fault": OUR_FAULT,
    "early": EARLY_TALKER,
}


@without_inherited(keep=INHERITED)
class SMTPServer(SessionShell, smtp.ESMTP):
    """One connection of one kind of service."""

    def __init__(
        self,
        service: Service,
        limits: SessionLimits,
        tls_context: ServerTls | None,
        *,
        implicit_tls: bool = False,
    ) -> None:
        smtp.ESMTP.__init__(self, contextFactory=tls_context)
        self.service = service
        self.limits = limits
        self.tls_context = tls_context
        self.implicit_tls = implicit_tls
        self.host = service.hostname

    def new_framer(self) -> SMTPFramer:
        self.framer = SMTPFramer(self.service.limits.command_line)
        return self.framer

    def greet(self) -> None:
        self.send(Reply(220, "", self.greeting()).encode())

    def greeting(self) -> str:
        """The banner's text (RFC 5321 section 4.2.2)."""
        return f"{self.service.hostname} {'LMTP' if self.service.kind is Kind.LMTP else 'ESMTP'}"

    def extensions(self) -> dict[bytes, list[bytes] | None]:
        """twisted.mail's hook: the extensions that EHLO offers."""
        offered = offer(self.session).items()
        return {name.encode(): [word.encode() for word in words] or None for name, words in offered}

    def forget(self) -> None:
        can_start_tls = self.tls_context is not None and not self.is_tls
        self.session = SMTPSession(
            self.service,
            self.peer,
            self.tls_description,
            self.sasl_terms,
            can_start_tls=can_start_tls,
            dismiss=self.dismiss,
        )

    async def respond(self, event: Event) -> None:
        answer = await dispatch(self.session, event, more_waits=self.framer.buffered > 0)
        if answer is not None:
            await self._give(answer)
        if self.session.incoming is not None:
            self.set_deadline(data.time_left(self.session))
        self.framer.max_line = self.session.line_limit

    async def _give(self, answer: Answer) -> None:
        for reply in answer.replies:
            self.send(reply.encode())
        match answer.then:
            case Then.CLOSE:
                self.close()
            case Then.START_TLS:
                await self.start_tls()
            case Then.READ_MESSAGE:
                self.framer.begin_data()

    def farewell(self, reason: str) -> bytes:
        return _FAREWELLS[reason].encode()

    def released(self) -> None:
        session = self.session
        if session.incoming is not None:
            Deferred.fromCoroutine(session.incoming.abort()).addErrback(self._not_aborted)
        session.leave()

    def _not_aborted(self, failure: Failure) -> None:
        self.log.failure("an unfinished message of {peer} could not be removed", failure, peer=self.session.peer)
