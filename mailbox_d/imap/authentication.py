"""STARTTLS, LOGIN and AUTHENTICATE: from a stranger to a user (RFC 3501 section 6.2, RFC 4959)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.imap.errors import NotServed, PrivacyRequired
from mailbox_d.imap.informational import capabilities
from mailbox_d.imap.session import IMAPSession
from mailbox_d.net.login import Admission
from mailbox_d.net.sasl_session import SaslSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.sasl.exchange import Challenge, Credentials, PrivacyWanted, SaslError, UnknownMechanism

T = TypeVar("T")

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
    if not session.takes_passwords:
        raise NotServed("Passwords are not taken here")
    proof = Credentials(command.user.decode("utf-8", "replace"), command.password)
    return _enter(session, await _counted(session, session.service.gate.admit(proof, session.login_peer)))


async def authenticate(session: IMAPSession, command: commands.Authenticate) -> Completion | None:
    """RFC 3501 section 6.2.2: begin an exchange, which the initial response may complete at once."""
    require_privacy(session)
    try:
        exchange = SaslSession(session.service.gate, command.mechanism, session.login_peer)
    except PrivacyWanted as error:
        raise PrivacyRequired(error.public) from error
    except UnknownMechanism as error:
        raise NotServed(error.public) from error
    return await _answer(session, exchange, exchange.start(command.initial))


async def response(session: IMAPSession, line: bytes) -> Completion | None:
    """The client's answer to a challenge."""
    exchange = session.exchange
    assert exchange is not None
    return await _answer(session, exchange, exchange.step(line))


def require_privacy(session: IMAPSession) -> None:
    """Raises `PrivacyRequired` where somebody could read a password on its way (RFC 5530)."""
    if not session.takes_logins:
        raise PrivacyRequired(_PRIVACY_REQUIRED)


async def _answer(
    session: IMAPSession, exchange: SaslSession, step: Awaitable[Challenge | Admission]
) -> Completion | None:
    session.exchange = None
    outcome = await _counted(session, step)
    if isinstance(outcome, Admission):
        return _enter(session, outcome)
    session.exchange = exchange
    session.connection.expect_line()
    session.connection.send(responses.continuation(outcome.line))
    return None


async def _counted(session: IMAPSession, step: Awaitable[T]) -> T:
    """What comes of a step; a login that fails, or cannot be checked, counts.

    Raises `BadSyntax` for what is no step of an exchange.
    """
    try:
        return await step
    except (AuthenticationFailed, AuthenticationUnavailable):
        session.offences.login_failures += 1
        raise
    except SaslError as error:
        raise BadSyntax(error.public, cause=error.cause) from error


def _enter(session: IMAPSession, admission: Admission) -> Completion:
    session.account, session.logout = admission.avatar, admission.leave
    session.offences.bad_commands = 0
    session.connection.hold_to(session.service.limits.after_login)
    return Completion(Condition.OK, "Logged in", responses.capability(capabilities(session)))
