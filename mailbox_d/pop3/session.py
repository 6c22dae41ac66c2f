"""What a POP3 session knows: its state, the user, the maildrop (RFC 1939 section 3)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto

from mailbox_d.net.client_connection import ClientConnection
from mailbox_d.net.login import LoginPeer
from mailbox_d.net.offences import Offences
from mailbox_d.net.sasl_session import SaslSession
from mailbox_d.pop3.maildrop import POP3Maildrop
from mailbox_d.pop3.service import POP3Service
from mailbox_d.wire.sasl.mechanisms import Terms


class State(Flag):
    """How far a session has come; a command may stand in some of these."""

    AUTHORIZATION = auto()
    TRANSACTION = auto()
    UPDATE = auto()
    """QUIT was sent: the session ends, whatever comes."""

    ANY = AUTHORIZATION | TRANSACTION


class POP3Session:
    """One session's state. STLS makes a new one."""

    def __init__(self, service: POP3Service, connection: ClientConnection, offences: Offences) -> None:
        self.service = service
        self.connection = connection
        self.offences = offences
        self.state = State.AUTHORIZATION
        self.name: str | None = None
        """What USER said, until PASS."""
        self.exchange: SaslSession | None = None
        self._maildrop: POP3Maildrop | None = None
        self._leave: Callable[[], None] | None = None

    @property
    def maildrop(self) -> POP3Maildrop:
        """The maildrop of the user who is logged in."""
        assert self._maildrop is not None
        return self._maildrop

    @property
    def takes_logins(self) -> bool:
        """Whether a user may log in on this connection: nobody can listen, or may (RFC 2595 section 2.1)."""
        return self.connection.is_tls or self.service.allow_plaintext

    @property
    def takes_passwords(self) -> bool:
        """Whether USER and PASS may be said on it."""
        return self.takes_logins and self.service.gate.takes_passwords

    @property
    def line_limit(self) -> int:
        """Octets of the next line. An AUTH command may be as long as a response: many programs send a token with it."""
        limits, may_log_in = self.service.limits, self.state is State.AUTHORIZATION and self.takes_logins
        return max(limits.auth_line, limits.command_line) if may_log_in else limits.command_line

    @property
    def terms(self) -> Terms:
        """What an exchange is held to."""
        return self.connection.sasl_terms(self.service.limits.auth_line)

    @property
    def login_peer(self) -> LoginPeer:
        """Who wants to log in."""
        connection = self.connection
        return LoginPeer(connection.peer, self.offences.login_failures, self.terms, end=connection.dismiss)

    def enter(self, maildrop: POP3Maildrop, leave: Callable[[], None]) -> None:
        """The user is in; `leave` is called once, when the session ends."""
        self._maildrop, self._leave = maildrop, leave
        self.state = State.TRANSACTION
        self.offences.bad_commands = 0

    def release(self) -> None:
        """Let the user's next session in. Harmless when called twice."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
