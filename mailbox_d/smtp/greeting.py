"""EHLO, HELO, LHLO and STARTTLS: who is there and what can be spoken of (RFC 5321 section 4.1.1.1, RFC 3207)."""

from __future__ import annotations

from mailbox_d.smtp.replies import GO_AHEAD_TLS, NOT_IMPLEMENTED, TLS_ALREADY, Answer, Then
from mailbox_d.smtp.service import Kind
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.wire.sasl.mechanisms import offered as offered_mechanisms
from mailbox_d.wire.smtp.commands import Hello, Plain
from mailbox_d.wire.smtp.replies import Reply


async def hello(session: SMTPSession, command: Hello) -> Answer:
    """Greet back with what is offered; a transaction that was begun is dropped."""
    if (command.verb == "LHLO") != (session.service.kind is Kind.LMTP):
        return Answer.of(Reply(500, "5.5.1", "LMTP says LHLO, SMTP says EHLO"))
    session.forget_transaction()
    session.hello = command
    hostname = session.service.hostname
    if command.verb == "HELO":
        return Answer.of(Reply(250, "", hostname))
    offered = offer(session)
    lines = (hostname, *(" ".join([name, *arguments]) for name, arguments in offered.items()))
    return Answer.of(Reply(250, "", lines))


def offer(session: SMTPSession) -> dict[str, list[str]]:
    """The extensions that this session may use now, with their arguments."""
    offered: dict[str, list[str]] = {
        "PIPELINING": [],
        "SIZE": [str(session.service.limits.message_size)],
        "8BITMIME": [],
        "SMTPUTF8": [],
        "ENHANCEDSTATUSCODES": [],
    }
    if session.offers_reports:
        offered["DSN"] = []
    if session.can_start_tls:
        offered["STARTTLS"] = []
    if session.offers_require_tls:
        offered["REQUIRETLS"] = []
    if session.service.gate is not None and session.may_log_in:
        names = offered_mechanisms(session.service.gate.mechanisms, session.terms)
        offered.update({"AUTH": list(names)} if names else {})
    return offered


async def starttls(session: SMTPSession, command: Plain) -> Answer:
    """Go over to TLS; not twice, not with a user, not with a message begun."""
    if session.tls or session.user is not None:
        return session.bad_command(TLS_ALREADY)
    if not session.can_start_tls:
        return session.bad_command(NOT_IMPLEMENTED)
    return Answer.of(GO_AHEAD_TLS, Then.START_TLS)
