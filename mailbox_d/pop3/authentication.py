"""STLS, USER, PASS and AUTH: from a stranger to a user (RFC 1939 section 7, RFC 2595 section 4, RFC 5034)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.net.login import Admission
from mailbox_d.net.sasl_session import SaslSession
from mailbox_d.pop3.errors import MaildropInUse, PrivacyRequired
from mailbox_d.pop3.session import POP3Session
from mailbox_d.wire.pop3 import commands, replies
from mailbox_d.wire.pop3.commands import BadCommand
from mailbox_d.wire.sasl.exchange import Challenge, Credentials, PrivacyWanted, SaslError, UnknownMechanism

T = TypeVar("T")


async def stls(session: POP3Session, command: commands.Stls) -> bytes:
    """RFC 2595 section 4. The answer goes out in plain text, and nothing of the session survives it."""
    if not session.connection.can_start_tls:
        raise BadCommand("TLS has begun already" if session.connection.is_tls else "There is no TLS here")
    session.connection.send(replies.ok("Begin TLS negotiation now"))
    await session.connection.start_tls()
    return b""


async def user(session: POP3Session, command: commands.User) -> bytes:
    """RFC 1939 section 7: the answer is the same whether or not there is such a user."""
    _require_passwords(session)
    session.name = command.name
    return replies.ok("Send the password")


async def pass_(session: POP3Session, command: commands.Pass) -> bytes:
    """RFC 1939 section 7: directly behind USER, or USER must be sent again."""
    _require_passwords(session)
    if session.name is None:
        raise BadCommand("Send USER first")
    proof = Credentials(session.name, command.password)
    return await _enter(session, await _counted(session, session.service.gate.admit(proof, session.login_peer)))


async def auth(session: POP3Session, command: commands.Auth) -> bytes:
    """RFC 5034 section 4: begin an exchange, which the initial response may complete at once."""
    _require_privacy(session)
    try:
        exchange = SaslSession(session.service.gate, command.mechanism, session.login_peer)
    except PrivacyWanted as error:
        raise PrivacyRequired(error.public) from error
    except UnknownMechanism as error:
        raise BadCommand(error.public) from error
    return await _answer(session, exchange, exchange.start(command.initial))


async def response(session: POP3Session, line: bytes) -> bytes:
    """The client's answer to a challenge."""
    exchange = session.exchange
    assert exchange is not None
    return await _answer(session, exchange, exchange.step(line))


def _require_privacy(session: POP3Session) -> None:
    """Raises `PrivacyRequired` where somebody could read a password on its way."""
    if not session.takes_logins:
        raise PrivacyRequired("Begin TLS before you send a password")


def _require_passwords(session: POP3Session) -> None:
    """Raises `PrivacyRequired`, and `BadCommand` where users log in by other means alone."""
    _require_privacy(session)
    if not session.takes_passwords:
        raise BadCommand("Passwords are not taken here")


async def _answer(session: POP3Session, exchange: SaslSession, step: Awaitable[Challenge | Admission]) -> bytes:
    session.exchange = None
    outcome = await _counted(session, step)
    if isinstance(outcome, Admission):
        return await _enter(session, outcome)
    session.exchange = exchange
    return replies.challenge(outcome.line)


async def _counted(session: POP3Session, step: Awaitable[T]) -> T:
    """What comes of a step; a login that fails, or cannot be checked, counts.

    Raises `BadCommand` for what is no step of an exchange.
    """
    try:
        return await step
    except (AuthenticationFailed, AuthenticationUnavailable):
        session.offences.login_failures += 1
        raise
    except SaslError as error:
        raise BadCommand(error.public, cause=error.cause) from error


async def _enter(session: POP3Session, admission: Admission) -> bytes:
    await _open(session, admission)
    return replies.ok(f"{session.maildrop.count} messages")


async def _open(session: POP3Session, admission: Admission) -> None:
    """Take the maildrop for this session, or leave. Raises `MaildropInUse`, `MailboxBusy`, `StorageFault`."""
    locks, maildrop = session.service.locks, admission.avatar
    if not locks.take(maildrop.address):
        admission.leave()
        raise MaildropInUse("Another session has your maildrop")

    def leave() -> None:
        locks.give_back(maildrop.address)
        admission.leave()

    try:
        await maildrop.open()
    except BaseException:
        leave()
        raise
    session.enter(maildrop, leave)
