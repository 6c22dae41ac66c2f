"""What the SMTP servers say, and the tables that turn refusals and errors into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from mailbox_d.errors import AuthenticationUnavailable, MailError, OverQuota, StorageFull
from mailbox_d.policy.verdict import Reason, Refused
from mailbox_d.wire.smtp.replies import Reply


class Then(Enum):
    """What follows a reply."""

    CONTINUE = auto()
    CLOSE = auto()
    START_TLS = auto()
    READ_MESSAGE = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's replies (LMTP has several behind a message) and what follows them."""

    replies: tuple[Reply, ...]
    then: Then = Then.CONTINUE

    @classmethod
    def of(cls, reply: Reply, then: Then = Then.CONTINUE) -> Answer:
        return cls((reply,), then)


OK = Reply(250, "2.0.0", "Ok")
SENDER_OK = Reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient ok")
BYE = Reply(221, "2.0.0", "Goodbye")
GO_AHEAD_TLS = Reply(220, "2.0.0", "Go ahead with TLS")
GO_AHEAD_DATA = Reply(354, "", "End the message with a dot on a line of its own")
AUTHENTICATED = Reply(235, "2.7.0", "You are logged in")
CANNOT_VERIFY = Reply(252, "2.5.0", "Try to send, and see")
HELP = Reply(214, "2.0.0", "Commands are those of RFC 5321; ask postmaster for more")

SAY_HELLO = Reply(503, "5.5.1", "Say EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "MAIL comes first")
RECIPIENT_FIRST = Reply(503, "5.5.1", "RCPT comes first")
IN_TRANSACTION = Reply(503, "5.5.1", "Not while a message is begun")
NO_VALID_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Not offered here")

TLS_FIRST = Reply(530, "5.7.0", "STARTTLS comes first")
AUTH_FIRST = Reply(530, "5.7.0", "Log in first")
AUTH_WANTS_TLS = Reply(538, "5.7.11", "STARTTLS comes before AUTH")
TLS_ALREADY = Reply(503, "5.5.1", "TLS is on already")
AUTH_ALREADY = Reply(503, "5.5.1", "You are logged in already")
AUTH_UNKNOWN = Reply(504, "5.5.4", "This mechanism is not offered")
AUTH_MALFORMED = Reply(501, "5.5.2", "This is not how the mechanism is spoken")
AUTH_UNAVAILABLE = Reply(454, "4.7.0", "Your login cannot be checked now, try again later")
AUTH_CANCELLED = Reply(501, "5.7.0", "Cancelled")
AUTH_FAILED = Reply(535, "5.7.8", "Wrong user or password")
TOO_MANY_SESSIONS = Reply(421, "4.7.0", "This user has too many connections")

TOO_BIG = Reply(552, "5.3.4", "The message is too big")
BARE_NEWLINE_IN_MESSAGE = Reply(550, "5.6.0", "The message has a bare CR or LF; lines end with both")
BARE_NEWLINE = Reply(500, "5.5.2", "Lines end with CR and LF")
LINE_TOO_LONG = Reply(500, "5.5.2", "The line is too long")
EARLY_TALKER = Reply(554, "5.5.0", "You spoke before it was your turn")
NOT_HTTP = Reply(421, "4.7.0", "This is no web server")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, send the rest separately")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
TOO_MANY_IDLE_COMMANDS = Reply(421, "4.7.0", "Too many commands without a message")
TOO_MANY_UNKNOWN = Reply(421, "4.7.0", "Too many unknown recipients")
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections, try again later")
SHUTTING_DOWN = Reply(421, "4.3.2", "The service is being stopped, try again later")
DISMISSED = Reply(421, "4.7.0", "This login is no longer good")
TIMEOUT = Reply(421, "4.4.2", "You took too long")
OUR_FAULT = Reply(421, "4.3.0", "Something went wrong here, try again later")

_REASONS: Mapping[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_RECIPIENT: (550, "5.1.1"),
    Reason.RELAYING_DENIED: (550, "5.7.1"),
    Reason.TOO_MANY_TARGETS: (451, "4.3.5"),
    Reason.SENDER_NOT_ALLOWED: (550, "5.7.1"),
    Reason.TOO_MANY_HOPS: (554, "5.4.6"),
    Reason.HEADER_TOO_LARGE: (554, "5.3.4"),
    Reason.MALFORMED_HEADER: (550, "5.6.0"),
    Reason.MESSAGE_TOO_LARGE: (552, "5.3.4"),
    Reason.NO_SPACE: (452, "4.3.1"),
    Reason.MAILBOX_FULL: (552, "5.2.2"),
    Reason.MAILBOX_FULL_FOR_NOW: (452, "4.2.2"),
    Reason.RATE_EXCEEDED: (451, "4.7.1"),
}

_ERRORS: tuple[tuple[type[MailError], tuple[int, str]], ...] = (
    (OverQuota, (452, "4.2.2")),
    (StorageFull, (452, "4.3.1")),
    (AuthenticationUnavailable, (451, "4.3.0")),
    (MailError, (451, "4.3.0")),
)
"""Errors of ours, most special first; whatever the cause, it is temporary to the peer."""


def reply_to_refusal(refused: Refused) -> Reply:
    """The reply to a refusal by policy."""
    return Reply(*_REASONS[refused.reason], refused.public)


def reply_to_error(error: MailError) -> Reply:
    """The reply to an error on our side."""
    codes = next(codes for kind, codes in _ERRORS if isinstance(error, kind))
    return Reply(*codes, error.public)
