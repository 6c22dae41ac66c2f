"""Messages that a command could not read: the others are answered for, and the tagged response tells of these."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from mailbox_d.errors import MailError
from mailbox_d.imap.errors import SERVER_BUG, completion_of
from mailbox_d.imap.session import IMAPSession
from mailbox_d.printable import one_line
from mailbox_d.wire.imap.responses import Completion, Condition

log = Logger()


class MessageFailures:
    """How many messages of one command could not be read, and why the first could not, which alone is logged."""

    def __init__(self, session: IMAPSession) -> None:
        self.count = 0
        self._session = session
        self._first: Completion | None = None
        self._is_a_fault = False

    def add(self, uid: int, error: Exception) -> None:
        """A message could not be read. An error of no known kind is our fault, whatever else happens."""
        self.count += 1
        is_a_fault = not isinstance(error, MailError)
        if self._first is None or (is_a_fault and not self._is_a_fault):
            self._first = completion_of(error) if isinstance(error, MailError) else SERVER_BUG
            self._is_a_fault = is_a_fault
            self._log(uid, error)

    def completion(self) -> Completion:
        """The tagged response: that of the first error, with the number of messages."""
        assert self._first is not None
        count = "1 message" if self.count == 1 else f"{self.count} messages"
        return Completion(Condition.NO, f"{count} could not be read: {self._first.text}", self._first.code)

    def _log(self, uid: int, error: Exception) -> None:
        message = "message {uid} of {mailbox!r} could not be read for {peer}"
        where: dict[str, Any] = {
            "uid": uid,
            "mailbox": self._session.selected.mailbox.name,
            "peer": self._session.connection.peer,
        }
        if isinstance(error, MailError):
            log.warn(message + ": {error}", error=one_line(error), **where)
        else:
            log.failure(message, Failure(error, type(error), error.__traceback__), **where)
