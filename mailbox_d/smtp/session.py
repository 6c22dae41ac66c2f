"""What an SMTP session knows: how far it has come, who is there, and the message that is begun."""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto

from mailbox_d.auth.realm import User
from mailbox_d.net.login import LoginPeer
from mailbox_d.net.sasl_session import SaslSession
from mailbox_d.policy.transaction import Client, Transaction
from mailbox_d.smtp.delivery import StrangerDelivery
from mailbox_d.smtp.incoming import IncomingMessage
from mailbox_d.smtp.replies import TOO_MANY_ERRORS, Answer, Then
from mailbox_d.smtp.service import Kind, Service
from mailbox_d.wire.sasl.mechanisms import Terms
from mailbox_d.wire.smtp.commands import Hello
from mailbox_d.wire.smtp.replies import Reply


class Stage(Flag):
    """How far a session has come; a command may stand in some of these (RFC 5321 section 4.1.4)."""

    FRESH = auto()
    GREETED = auto()
    SENDER = auto()
    RECIPIENTS = auto()

    ANY = FRESH | GREETED | SENDER | RECIPIENTS
    BEGUN = SENDER | RECIPIENTS


class SMTPSession:
    """One session's state. STARTTLS makes a new one; a transaction is replaced, never mended."""

    def __init__(
        self,
        service: Service,
        peer: str,
        tls: str = "",
        terms: Callable[[int], Terms] = Terms,
        *,
        can_start_tls: bool = False,
        dismiss: Callable[[], None] = lambda: None,
    ) -> None:
        """`tls`: TLS version and cipher, empty without TLS; `terms`, `dismiss`: see `SessionShell`."""
        self.service = service
        self.peer = peer
        self.tls = tls
        self._terms = terms
        self.can_start_tls = can_start_tls
        self._dismiss = dismiss
        self.hello: Hello | None = None
        self.delivery: StrangerDelivery = StrangerDelivery(service.recipients)
        self.logout: Callable[[], None] | None = None
        self.transaction: Transaction | None = None
        self.incoming: IncomingMessage | None = None
        self.exchange: SaslSession | None = None
        """The SASL exchange whose next response is awaited."""
        self.began_data = 0.0
        self.refused_recipients = 0
        self.bad_commands = 0
        self.junk_commands = 0
        self.unknown_recipients = 0
        self.login_failures = 0

    @property
    def stage(self) -> Stage:
        if self.transaction is not None:
            return Stage.RECIPIENTS if self.transaction.recipients else Stage.SENDER
        return Stage.GREETED if self.hello is not None else Stage.FRESH

    @property
    def user(self) -> User | None:
        return self.delivery.user

    @property
    def may_log_in(self) -> bool:
        """Whether AUTH may be said now."""
        return self.service.gate is not None and bool(self.tls) and self.user is None

    @property
    def line_limit(self) -> int:
        """Octets of the next line. An AUTH command may be as long as a response: many programs send a token with it."""
        limits = self.service.limits
        return max(limits.auth_line, limits.command_line) if self.may_log_in else limits.command_line

    @property
    def terms(self) -> Terms:
        """What an exchange is held to."""
        return self._terms(self.service.limits.auth_line)

    @property
    def login_peer(self) -> LoginPeer:
        """Who wants to log in."""
        return LoginPeer(self.peer, self.login_failures, self.terms, end=self._dismiss)

    @property
    def offers_reports(self) -> bool:
        """Whether DSN is spoken (RFC 3461): where reports can be sent."""
        return self.service.intake.takes_remote and self.service.kind is not Kind.LMTP

    @property
    def offers_require_tls(self) -> bool:
        """Whether REQUIRETLS is spoken (RFC 8689): inside TLS alone."""
        return self.service.intake.takes_remote and bool(self.tls) and self.service.kind is not Kind.LMTP

    def client(self, *, smtputf8: bool = False) -> Client:
        """The client, for the transaction and its trace fields. The greeting has been said."""
        assert self.hello is not None
        return Client(self.peer, self.hello.name, self._protocol(self.hello, smtputf8), self.tls, self.user)

    def _protocol(self, hello: Hello, smtputf8: bool) -> str:
        """The protocol as Received tells it (RFC 3848, RFC 6531 section 4.3)."""
        if hello.verb == "HELO":
            return "SMTP"
        if self.service.kind is Kind.LMTP:
            base = "UTF8LMTP" if smtputf8 else "LMTP"
        else:
            base = "UTF8SMTP" if smtputf8 else "ESMTP"
        return f"{base}{'S' if self.tls else ''}{'A' if self.user else ''}"

    def bad_command(self, reply: Reply) -> Answer:
        """Refuse a command that is not as it should be; too many of them end the session."""
        self.bad_commands += 1
        if self.bad_commands >= self.service.limits.bad_commands:
            return Answer((reply, TOO_MANY_ERRORS), Then.CLOSE)
        return Answer.of(reply)

    def begin_transaction(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.refused_recipients = 0

    def forget_transaction(self) -> None:
        """Throw away the envelope and whatever was begun with it."""
        self.transaction = None
        self.incoming = None
        self.refused_recipients = 0

    def leave(self) -> None:
        """The session is over: give back what its login took."""
        logout, self.logout = self.logout, None
        if logout is not None:
            logout()
