"""The one table from what went wrong to what the client is told (response codes: RFC 5530, 3501, 7889, 3516, 6154,
9208)."""

from __future__ import annotations

from typing import Final

from mailbox_d.errors import (
    AuthenticationFailed,
    AuthenticationUnavailable,
    MailboxBusy,
    MailboxExists,
    MailboxNameError,
    MailError,
    MessageGone,
    NoSuchMailbox,
    OverQuota,
    StorageFault,
    StorageFull,
    TemporaryError,
    TooManyKeywords,
    TooManySessions,
    TooMuchKept,
    UnknownEncoding,
)
from mailbox_d.wire.imap.errors import BadCharset, BadSyntax, TooMuchAsked
from mailbox_d.wire.imap.responses import Completion, Condition


class NotServed(MailError):
    """A part of the grammar that this server reads and does not serve."""


class NotAllowed(MailError):
    """The mailbox was opened for reading alone."""


class MessageTooLarge(MailError):
    """APPEND of more octets than a message may have."""


class BinaryNotKept(MailError):
    """APPEND of octets that no other client could be sent (RFC 3516 section 4.4)."""


class NoSuchDestination(MailError):
    """The mailbox to put a message into does not exist; creating it would help."""


class UseNotKept(MailError):
    """CREATE of a mailbox for a use that none can have here (RFC 6154 section 3)."""


class NoSuchQuotaRoot(MailError):
    """A quota root that the user does not have."""


class NotPermitted(MailError):
    """Something that users may not do."""


class PrivacyRequired(MailError):
    """A password must not be sent before TLS."""


_TABLE: Final[tuple[tuple[type[MailError], Condition, bytes], ...]] = (
    (BadCharset, Condition.NO, b"BADCHARSET (US-ASCII UTF-8)"),
    (BadSyntax, Condition.BAD, b""),
    (TooMuchAsked, Condition.NO, b"LIMIT"),
    (NotServed, Condition.NO, b"CANNOT"),
    (NotAllowed, Condition.NO, b"READ-ONLY"),
    (MessageTooLarge, Condition.NO, b"TOOBIG"),
    (BinaryNotKept, Condition.NO, b"UNKNOWN-CTE"),
    (NoSuchDestination, Condition.NO, b"TRYCREATE"),
    (UseNotKept, Condition.NO, b"USEATTR"),
    (NoSuchQuotaRoot, Condition.NO, b"NONEXISTENT"),
    (NotPermitted, Condition.NO, b"NOPERM"),
    (PrivacyRequired, Condition.NO, b"PRIVACYREQUIRED"),
    (TooManySessions, Condition.NO, b"LIMIT"),
    (AuthenticationFailed, Condition.NO, b"AUTHENTICATIONFAILED"),
    (AuthenticationUnavailable, Condition.NO, b"UNAVAILABLE"),
    (MailboxNameError, Condition.NO, b"CANNOT"),
    (NoSuchMailbox, Condition.NO, b"NONEXISTENT"),
    (MailboxExists, Condition.NO, b"ALREADYEXISTS"),
    (MessageGone, Condition.NO, b"EXPUNGEISSUED"),
    (UnknownEncoding, Condition.NO, b"UNKNOWN-CTE"),
    (TooManyKeywords, Condition.NO, b"LIMIT"),
    (TooMuchKept, Condition.NO, b"LIMIT"),
    (MailboxBusy, Condition.NO, b"INUSE"),
    (OverQuota, Condition.NO, b"OVERQUOTA"),
    (StorageFull, Condition.NO, b"OVERQUOTA"),
    (StorageFault, Condition.NO, b"UNAVAILABLE"),
    (TemporaryError, Condition.NO, b"UNAVAILABLE"),
)
"""The first line whose class fits."""

SERVER_BUG: Final = Completion(Condition.NO, "Internal error, see the server's log", b"SERVERBUG")


def completion_of(error: MailError) -> Completion:
    """How a command ends that met this error: the error's public text, never its cause."""
    for kind, condition, code in _TABLE:
        if isinstance(error, kind):
            return Completion(condition, error.public, code)
    return Completion(Condition.NO, error.public)
