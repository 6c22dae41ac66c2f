"""STARTTLS, LOGIN and AUTHENTICATE: from a stranger to a user (RFC 3501 section 6.2, RFC 4959)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from mailbox_d.errors import AuthenticationFailed
from mailbox_d.imap.errors import NotServed, PrivacyRequired
from mailbox_d.imap.informational import capabilities
from mailbox_d.imap.session import IMAPSession
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.responses import Completion, Condition
from mailbox_d.wire.sasl import Challenge, Credentials, Mechanism, Plain, SaslError, Step

_MECHANISMS: dict[str, Callable[[int], Mechanism]] = {Plain.name: Plain}

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
    user = command.user.decode("utf-8", "replace")
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
        await _refuse(session)
    except SaslError as error:
        raise BadSyntax(error.public, cause=error.cause) from error
    if isinstance(outcome, Challenge):
        session.exchange = exchange
        session.connection.expect_line()
        session.connection.send(responses.continuation(outcome.line))
        return None
    return await _log_in(session, outcome)


async def _log_in(session: IMAPSession, credentials: Credentials) -> Completion:
    try:
        admission = await session.service.gate.admit(
            credentials, peer=session.connection.peer, failures=session.offences.login_failures
        )
    except AuthenticationFailed:
        session.offences.login_failures += 1
        raise
    session.account, session.logout = admission.avatar, admission.leave
    session.offences.bad_commands = 0
    session.connection.hold_to(session.service.limits.after_login)
    return Completion(Condition.OK, "Logged in", responses.capability(capabilities(session)))


async def _refuse(session: IMAPSession) -> NoReturn:
    """Refuse whoever wants to be somebody else as a wrong password is refused. Raises `AuthenticationFailed`."""
    offences = session.offences
    failures, offences.login_failures = offences.login_failures, offences.login_failures + 1
    await session.service.gate.refuse("", peer=session.connection.peer, failures=failures)
