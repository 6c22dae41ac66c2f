"""NOOP, HELP, VRFY, EXPN and QUIT."""

from __future__ import annotations

from mailbox_d.smtp.replies import BYE, CANNOT_VERIFY, HELP, OK, Answer, Then
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.wire.smtp.commands import Plain


async def noop(session: SMTPSession, command: Plain) -> Answer:
    """Nothing (RFC 5321 section 4.1.1.9)."""
    return Answer.of(OK)


async def help_(session: SMTPSession, command: Plain) -> Answer:
    """A word of help (RFC 5321 section 4.1.1.8)."""
    return Answer.of(HELP)


async def verify(session: SMTPSession, command: Plain) -> Answer:
    """VRFY and EXPN: the same for every name, so that nobody can try out names (RFC 5321 section 7.3)."""
    return Answer.of(CANNOT_VERIFY)


async def quit_(session: SMTPSession, command: Plain) -> Answer:
    """Part (RFC 5321 section 4.1.1.10)."""
    return Answer.of(BYE, Then.CLOSE)
