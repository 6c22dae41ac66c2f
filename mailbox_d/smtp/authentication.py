"""AUTH: logging in (RFC 4954), on submission and inside TLS alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.logger import Logger
from twisted.mail.interfaces import IMessageDelivery

from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.smtp.delivery import UserDelivery
from mailbox_d.smtp.replies import (
    AUTH_ALREADY,
    AUTH_CANCELLED,
    AUTH_FAILED,
    AUTH_MALFORMED,
    AUTH_UNAVAILABLE,
    AUTH_UNKNOWN,
    AUTH_WANTS_TLS,
    AUTHENTICATED,
    NOT_IMPLEMENTED,
    TOO_MANY_ERRORS,
    TOO_MANY_SESSIONS,
    Answer,
    Then,
)
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.wire.sasl import Cancelled, Credentials, SaslError, Step, UnknownMechanism, mechanism
from mailbox_d.wire.smtp.commands import Auth
from mailbox_d.wire.smtp.replies import Reply

log = Logger()


async def auth(session: SMTPSession, command: Auth) -> Answer:
    """Begin an exchange; the secret is not looked at where it should not have been sent."""
    if session.service.portal is None:
        return Answer.of(NOT_IMPLEMENTED)
    if not session.tls:
        return Answer.of(AUTH_WANTS_TLS)
    if session.user is not None:
        return Answer.of(AUTH_ALREADY)
    try:
        exchange = mechanism(command.mechanism, session.service.limits.auth_line)
    except UnknownMechanism:
        return Answer.of(AUTH_UNKNOWN)
    session.exchange = exchange
    return await _advance(session, lambda: exchange.start(command.initial))


async def response(session: SMTPSession, line: bytes) -> Answer:
    """Take the client's response to a challenge."""
    exchange = session.exchange
    assert exchange is not None
    return await _advance(session, lambda: exchange.step(line))


async def _advance(session: SMTPSession, step: Callable[[], Step]) -> Answer:
    try:
        outcome = step()
    except Cancelled:
        session.exchange = None
        return Answer.of(AUTH_CANCELLED)
    except AuthenticationFailed:
        session.exchange = None
        return await _failed(session)
    except SaslError:
        session.exchange = None
        session.bad_commands += 1
        return Answer.of(AUTH_MALFORMED)
    if isinstance(outcome, Credentials):
        session.exchange = None
        return await _log_in(session, outcome)
    return Answer.of(Reply(334, "", outcome.line.decode("ascii")))


async def _log_in(session: SMTPSession, credentials: Credentials) -> Answer:
    portal = session.service.portal
    assert portal is not None
    login: Any = UsernamePassword(credentials.authcid.encode(), credentials.password)
    try:
        avatar: Any
        _, avatar, logout = await portal.login(login, None, IMessageDelivery)
    except (UnauthorizedLogin, AuthenticationFailed):
        log.info(
            "login failed: service=submission peer={peer} user={user}", peer=session.peer, user=credentials.authcid
        )
        return await _failed(session)
    except AuthenticationUnavailable as error:
        log.error("nobody can log in: {error}", error=str(error))
        return Answer.of(AUTH_UNAVAILABLE)
    return _admit(session, avatar, logout)


def _admit(session: SMTPSession, avatar: UserDelivery, logout: Callable[[], None]) -> Answer:
    """Take the user in, unless they have too many sessions. What was said before the login is forgotten."""
    user = str(avatar.user.address)
    if not session.service.user_sessions.admit(user):
        logout()
        return Answer.of(TOO_MANY_SESSIONS, Then.CLOSE)

    def leave() -> None:
        session.service.user_sessions.release(user)
        logout()

    session.delivery, session.logout = avatar, leave
    return Answer.of(AUTHENTICATED)


async def _failed(session: SMTPSession) -> Answer:
    """The same words for every failure, later with each one."""
    session.login_failures += 1
    await session.service.sleep(session.service.limits.login_failure_delay.at(session.login_failures))
    if session.login_failures >= session.service.limits.login_failures:
        return Answer((AUTH_FAILED, TOO_MANY_ERRORS), Then.CLOSE)
    return Answer.of(AUTH_FAILED)
