"""STARTTLS, LOGIN and AUTHENTICATE: from a stranger to a user (RFC 3501 section 6.2, RFC 4959)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.logger import Logger
from twisted.mail.interfaces import IAccountIMAP

from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.imap.account import IMAPAccount
from mailbox_d.imap.errors import NotServed, PrivacyRequired, TooManySessions
from mailbox_d.imap.informational import capabilities
from mailbox_d.imap.session import IMAPSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.sasl import Challenge, Credentials, Mechanism, Plain, SaslError, Step

log = Logger()

_MECHANISMS: dict[str, Callable[[int], Mechanism]] = {Plain.name: Plain}

_LOGGED_NAME = 254
"""Characters of a user's name that go into the log: as many as an address has (RFC 5321 section 4.5.3.1.3)."""

_FAILED = "Authentication failed"
_PRIVACY_REQUIRED = "Begin TLS before you send a password"


async def starttls(session: IMAPSession, command: commands.StartTls) -> Completion | None:
    """RFC 3501 section 6.2.1. The reply goes out in plain text, and nothing of the session survives it."""
    if not session.connection.can_start_tls:
        raise BadSyntax("TLS has begun already" if session.connection.is_tls else "There is no TLS here")
    session.connection.send(responses.tagged(session.tag, Completion(Condition.OK, "Begin TLS negotiation now")))
    await session.connection.start_tls()
    return None


async def login(session: IMAPSession, command: commands.Login) -> Completion:
    """RFC 3501 section 6.2.3."""
    require_privacy(session)
    if not command.user or not command.password or b"\0" in command.user + command.password:
        raise AuthenticationFailed(_FAILED)
    try:
        user = command.user.decode("utf-8")
    except UnicodeDecodeError:
        raise AuthenticationFailed(_FAILED) from None
    return await _log_in(session, Credentials(user, command.password))


async def authenticate(session: IMAPSession, command: commands.Authenticate) -> Completion | None:
    """RFC 3501 section 6.2.2: begin an exchange, which the initial response may complete at once."""
    require_privacy(session)
    make = _MECHANISMS.get(command.mechanism)
    if make is None:
        raise NotServed("This authentication mechanism is not offered")
    session.exchange = exchange = make(session.service.limits.before_login.line)
    return await _advance(session, lambda: exchange.start(command.initial))


async def response(session: IMAPSession, line: bytes) -> Completion | None:
    """The client's answer to a challenge."""
    exchange = session.exchange
    assert exchange is not None
    return await _advance(session, lambda: exchange.step(line))


def require_privacy(session: IMAPSession) -> None:
    """Raises `PrivacyRequired` where somebody could read a password on its way (RFC 5530)."""
    if not session.takes_passwords:
        raise PrivacyRequired(_PRIVACY_REQUIRED)


async def _advance(session: IMAPSession, step: Callable[[], Step]) -> Completion | None:
    exchange, session.exchange = session.exchange, None
    try:
        outcome = step()
    except AuthenticationFailed:
        raise
    except SaslError as error:
        raise BadSyntax(error.public, cause=error.cause) from error
    if isinstance(outcome, Challenge):
        session.exchange = exchange
        session.connection.expect_line()
        session.connection.send(responses.continuation(outcome.line))
        return None
    return await _log_in(session, outcome)


async def _log_in(session: IMAPSession, credentials: Credentials) -> Completion:
    login: Any = UsernamePassword(credentials.authcid.encode("utf-8"), credentials.password)
    try:
        _, avatar, logout = await session.service.portal.login(login, None, IAccountIMAP)
    except (UnauthorizedLogin, AuthenticationFailed) as error:
        _note_refusal(session, credentials)
        raise AuthenticationFailed(_FAILED) from error
    except AuthenticationUnavailable as error:
        log.error("nobody can log in: {error}", error=str(error))
        raise
    _admit(session, cast(IMAPAccount, avatar), logout)
    return Completion(Condition.OK, "Logged in", responses.capability(capabilities(session)))


def _admit(session: IMAPSession, account: IMAPAccount, logout: Callable[[], None]) -> None:
    """Take the user in. Raises `TooManySessions`."""
    sessions = session.service.user_sessions
    user = str(account.address)
    if not sessions.admit(user):
        logout()
        raise TooManySessions("You have too many connections")

    def leave() -> None:
        sessions.release(user)
        logout()

    session.account, session.logout = account, leave
    session.bad_commands = 0
    session.connection.hold_to(session.service.limits.after_login)
    log.info("login: service=imap peer={peer} user={user}", peer=session.connection.peer, user=user)


def _note_refusal(session: IMAPSession, credentials: Credentials) -> None:
    """A name is as long as a stranger likes; the log takes what a name can be."""
    user = credentials.authcid[:_LOGGED_NAME]
    session.login_failures += 1
    log.info("login failed: service=imap peer={peer} user={user!r}", peer=session.connection.peer, user=user)
