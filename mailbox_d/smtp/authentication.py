"""AUTH: logging in (RFC 4954), on submission and inside TLS alone."""

from __future__ import annotations

from collections.abc import Awaitable

from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable, TooManySessions
from mailbox_d.net.login import Admission
from mailbox_d.net.sasl_session import SaslSession
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
from mailbox_d.wire.sasl.exchange import Cancelled, Challenge, SaslError, UnknownMechanism
from mailbox_d.wire.smtp.commands import Auth
from mailbox_d.wire.smtp.replies import Reply


async def auth(session: SMTPSession, command: Auth) -> Answer:
    """Begin an exchange; the secret is not looked at where it should not have been sent."""
    if session.service.gate is None:
        return session.bad_command(NOT_IMPLEMENTED)
    if not session.tls:
        return session.bad_command(AUTH_WANTS_TLS)
    if session.user is not None:
        return session.bad_command(AUTH_ALREADY)
    try:
        session.exchange = exchange = SaslSession(session.service.gate, command.mechanism, session.login_peer)
    except UnknownMechanism:
        return session.bad_command(AUTH_UNKNOWN)
    return await _answer(session, exchange, exchange.start(command.initial))


async def response(session: SMTPSession, line: bytes) -> Answer:
    """Take the client's response to a challenge."""
    exchange = session.exchange
    assert exchange is not None
    return await _answer(session, exchange, exchange.step(line))


async def _answer(session: SMTPSession, exchange: SaslSession, step: Awaitable[Challenge | Admission]) -> Answer:
    session.exchange = None
    try:
        outcome = await step
    except Cancelled:
        return session.bad_command(AUTH_CANCELLED)
    except AuthenticationFailed:
        return _failed(session, AUTH_FAILED)
    except SaslError:
        return session.bad_command(AUTH_MALFORMED)
    except AuthenticationUnavailable:
        return _failed(session, AUTH_UNAVAILABLE)
    except TooManySessions:
        return Answer.of(TOO_MANY_SESSIONS, Then.CLOSE)
    if isinstance(outcome, Challenge):
        session.exchange = exchange
        return Answer.of(Reply(334, "", outcome.line.decode("ascii")))
    session.delivery, session.logout = outcome.avatar, outcome.leave
    return Answer.of(AUTHENTICATED)


def _failed(session: SMTPSession, reply: Reply) -> Answer:
    """A login that failed or could not be checked; too many of them end the session."""
    session.login_failures += 1
    if session.login_failures >= session.service.limits.login_failures:
        return Answer((reply, TOO_MANY_ERRORS), Then.CLOSE)
    return Answer.of(reply)
