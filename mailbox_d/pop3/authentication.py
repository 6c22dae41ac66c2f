"""STLS, USER, PASS and AUTH: from a stranger to a user (RFC 1939 section 7, RFC 2595 section 4, RFC 5034)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from mailbox_d.errors import AuthenticationFailed
from mailbox_d.net.login import Admission
from mailbox_d.pop3.errors import MaildropInUse, PrivacyRequired
from mailbox_d.pop3.session import POP3Session
from mailbox_d.wire.pop3 import commands, replies
from mailbox_d.wire.pop3.commands import BadCommand
from mailbox_d.wire.sasl import Challenge, Credentials, Mechanism, Plain, SaslError, Step

MECHANISMS: dict[str, Callable[[int], Mechanism]] = {Plain.name: Plain}


async def stls(session: POP3Session, command: commands.Stls) -> bytes:
    """RFC 2595 section 4. The answer goes out in plain text, and nothing of the session survives it."""
    if not session.connection.can_start_tls:
        raise BadCommand("TLS has begun already" if session.connection.is_tls else "There is no TLS here")
    session.connection.send(replies.ok("Begin TLS negotiation now"))
    await session.connection.start_tls()
    return b""


async def user(session: POP3Session, command: commands.User) -> bytes:
    """RFC 1939 section 7: the answer is the same whether or not there is such a user."""
    _require_privacy(session)
    session.name = command.name
    return replies.ok("Send the password")


async def pass_(session: POP3Session, command: commands.Pass) -> bytes:
    """RFC 1939 section 7: directly behind USER, or USER must be sent again."""
    _require_privacy(session)
    if session.name is None:
        raise BadCommand("Send USER first")
    return await _log_in(session, Credentials(session.name, command.password))


async def auth(session: POP3Session, command: commands.Auth) -> bytes:
    """RFC 5034 section 4: begin an exchange, which the initial response may complete at once."""
    _require_privacy(session)
    make = MECHANISMS.get(command.mechanism)
    if make is None:
        raise BadCommand("This authentication mechanism is not offered")
    session.exchange = exchange = make(session.service.limits.auth_line)
    return await _advance(session, lambda: exchange.start(command.initial))


async def response(session: POP3Session, line: bytes) -> bytes:
    """The client's answer to a challenge."""
    exchange = session.exchange
    assert exchange is not None
    return await _advance(session, lambda: exchange.step(line))


def _require_privacy(session: POP3Session) -> None:
    """Raises `PrivacyRequired` where somebody could read a password on its way."""
    if not session.takes_passwords:
        raise PrivacyRequired("Begin TLS before you send a password")


async def _advance(session: POP3Session, step: Callable[[], Step]) -> bytes:
    exchange, session.exchange = session.exchange, None
    try:
        outcome = step()
    except AuthenticationFailed:
        await _refuse(session)
    except SaslError as error:
        raise BadCommand(error.public, cause=error.cause) from error
    if isinstance(outcome, Challenge):
        session.exchange = exchange
        session.connection.expect_line(session.service.limits.auth_line)
        return replies.challenge(outcome.line)
    return await _log_in(session, outcome)


async def _log_in(session: POP3Session, credentials: Credentials) -> bytes:
    try:
        admission = await session.service.gate.admit(
            credentials, peer=session.connection.peer, failures=session.offences.login_failures
        )
    except AuthenticationFailed:
        session.offences.login_failures += 1
        raise
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


async def _refuse(session: POP3Session) -> NoReturn:
    """Refuse whoever wants to be somebody else as a wrong password is refused. Raises `AuthenticationFailed`."""
    offences = session.offences
    failures, offences.login_failures = offences.login_failures, offences.login_failures + 1
    await session.service.gate.refuse("", peer=session.connection.peer, failures=failures)
