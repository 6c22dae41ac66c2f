"""Whose maildrop is open: a session has it for itself (RFC 1939 section 4)."""

from __future__ import annotations

from mailbox_d.address import EmailAddress


class MaildropLocks:
    """The users with a session. It keeps other POP3 sessions out, and neither IMAP nor a delivery."""

    def __init__(self) -> None:
        self._held: set[EmailAddress] = set()

    def take(self, user: EmailAddress) -> bool:
        """Whether the maildrop was free; it is not any more."""
        if user in self._held:
            return False
        self._held.add(user)
        return True

    def give_back(self, user: EmailAddress) -> None:
        """The session that took the lock has ended."""
        self._held.remove(user)
