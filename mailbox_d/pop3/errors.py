"""The one table from what went wrong to what the client is told (response codes: RFC 2449, RFC 3206)."""

from __future__ import annotations

from typing import Final

from mailbox_d.errors import AuthenticationFailed, MailError, TemporaryError
from mailbox_d.wire.pop3 import replies


class NoSuchMessage(MailError):
    """There never was a message of this number, or it is marked as deleted."""


class PrivacyRequired(MailError):
    """A password must not be sent before TLS."""


class MaildropInUse(TemporaryError):
    """Another session has the maildrop."""


_TABLE: Final[tuple[tuple[type[MailError], str], ...]] = (
    (AuthenticationFailed, "AUTH"),
    (MaildropInUse, "IN-USE"),
    (TemporaryError, "SYS/TEMP"),
)
"""The first line whose class fits; other errors have no code."""

INTERNAL_ERROR: Final = replies.err("Internal error, see the server's log", "SYS/TEMP")


def reply_of(error: MailError) -> bytes:
    """What a client is told of an error: its public text, never its cause."""
    code = next((code for kind, code in _TABLE if isinstance(error, kind)), "")
    return replies.err(error.public, code)
