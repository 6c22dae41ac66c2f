"""What an IMAP session knows: its state, the user, the mailbox that is selected (RFC 3501 section 3)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, Protocol

from mailbox_d.imap.account import IMAPAccount
from mailbox_d.imap.incoming import IncomingMessage
from mailbox_d.imap.service import IMAPService
from mailbox_d.imap.view import View
from mailbox_d.net.client_connection import ClientConnection
from mailbox_d.net.login import LoginPeer
from mailbox_d.net.offences import Offences
from mailbox_d.net.sasl_session import SaslSession
from mailbox_d.wire.imap.framer import FramerLimits
from mailbox_d.wire.imap.responses import Condition, untagged
from mailbox_d.wire.sasl.mechanisms import Terms


class State(Flag):
    """How far a session has come; a command may stand in some of these."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()
    SELECTED = auto()

    ANY = NOT_AUTHENTICATED | AUTHENTICATED | SELECTED
    LOGGED_IN = AUTHENTICATED | SELECTED


class Connection(ClientConnection, Protocol):
    """What a session needs of the connection that it lives on."""

    @property
    def callLater(self) -> Callable[..., Any]:
        """The reactor's."""

    def interject(self, answer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `answer` as soon as no command runs and the client reads what it is sent."""

    def expect_line(self) -> None:
        """What comes next is no command but a line."""

    def hold_to(self, limits: FramerLimits) -> None:
        """From the next command on these limits hold."""

    def refuse_literal(self) -> bool:
        """See `Framer.refuse`."""


@dataclass(slots=True)
class Idling:
    """A client in IDLE: how to have it told what is new, and the time at which that is done in any case."""

    wake: Callable[[], None]
    look_again: Any = None

    def cancel(self) -> None:
        """Do not look again by the clock."""
        look_again, self.look_again = self.look_again, None
        if look_again is not None and look_again.active():
            look_again.cancel()


class IMAPSession:
    """One session's state. STARTTLS makes a new one."""

    def __init__(self, service: IMAPService, connection: Connection, offences: Offences) -> None:
        self.service = service
        self.connection = connection
        self.offences = offences
        self.account: IMAPAccount | None = None
        self.logout: Callable[[], None] | None = None
        self.view: View | None = None
        self.tag = b"*"
        """Of the command that waits for more from the client: a SASL exchange, an APPEND, or IDLE."""
        self.exchange: SaslSession | None = None
        self.idling: Idling | None = None
        self.incoming: IncomingMessage | None = None
        self.incoming_is_binary = False
        self.enabled: set[bytes] = set()
        """Capabilities that the client asked for (RFC 5161)."""
        self.client_id: tuple[tuple[bytes, bytes | None], ...] = ()

    @property
    def state(self) -> State:
        if self.account is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self.view is None else State.SELECTED

    @property
    def user(self) -> IMAPAccount:
        """The account of the user who is logged in."""
        assert self.account is not None
        return self.account

    @property
    def selected(self) -> View:
        """The view of the mailbox that is selected."""
        assert self.view is not None
        return self.view

    @property
    def utf8(self) -> bool:
        """Whether names and quoted strings are in UTF-8 (RFC 6855)."""
        return b"UTF8=ACCEPT" in self.enabled

    @property
    def takes_logins(self) -> bool:
        """Whether a user may log in on this connection: nobody can listen, or may (RFC 3501 section 11.2)."""
        return self.connection.is_tls or self.service.allow_plaintext

    @property
    def takes_passwords(self) -> bool:
        """Whether LOGIN may be said on it."""
        return self.takes_logins and self.service.gate.takes_passwords

    @property
    def terms(self) -> Terms:
        """What an exchange is held to."""
        return self.connection.sasl_terms(self.service.limits.before_login.line)

    @property
    def login_peer(self) -> LoginPeer:
        """Who wants to log in."""
        connection = self.connection
        return LoginPeer(connection.peer, self.offences.login_failures, self.terms, end=connection.dismiss)

    @property
    def patience(self) -> float:
        """Seconds that a client who logged in has for its next command."""
        limits = self.service.limits
        return limits.idle_timeout if self.idling is None else limits.idle_time

    def bye(self, text: str, code: bytes = b"") -> None:
        """End the session from our side."""
        self.connection.close(untagged(Condition.BYE, text, code))

    def notice(self) -> None:
        """There may be news of the selected mailbox: who waits for them is told, others with their next command."""
        if self.idling is not None:
            self.idling.wake()

    def stop_idling(self) -> None:
        """The client waits no more."""
        idling, self.idling = self.idling, None
        if idling is not None:
            idling.cancel()

    async def unselect(self) -> None:
        """Leave the selected mailbox, if there is one."""
        view, self.view = self.view, None
        if view is not None:
            await view.close()

    async def release(self) -> None:
        """The connection is gone: leave nothing behind."""
        self.stop_idling()
        incoming, self.incoming = self.incoming, None
        logout, self.logout = self.logout, None
        try:
            if incoming is not None:
                await incoming.abort()
            await self.unselect()
        finally:
            if logout is not None:
                logout()
