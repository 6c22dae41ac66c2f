"""The lines that tell the operator what became of each message."""

from __future__ import annotations

from twisted.logger import Logger

from mailbox_d.errors import MailError
from mailbox_d.policy.transaction import Transaction
from mailbox_d.policy.verdict import Refused
from mailbox_d.printable import one_line
from mailbox_d.smtp.incoming import IncomingMessage
from mailbox_d.smtp.session import SMTPSession

log = Logger()

_LOGGED_RECIPIENTS = 5
"""Recipients that a line names; a line has a bound too."""

_LOGGED_ADDRESS = 100
"""Characters of each of them."""


def log_kept(session: SMTPSession, transaction: Transaction, incoming: IncomingMessage) -> None:
    """A message is in its mailboxes."""
    recipients = [str(recipient.envelope) for recipient in transaction.recipients]
    named = ", ".join(one_line(recipient, _LOGGED_ADDRESS) for recipient in recipients[:_LOGGED_RECIPIENTS])
    more = len(recipients) - _LOGGED_RECIPIENTS
    log.info(
        "{kind}: kept {identifier} from <{sender}> to {recipients} ({size} octets) of {peer}",
        kind=session.service.kind.value,
        identifier=incoming.identifier,
        sender=one_line(transaction.sender or "", _LOGGED_ADDRESS),
        recipients=f"{named} and {more} more" if more > 0 else named,
        size=incoming.size,
        peer=session.peer,
    )


def log_refused(session: SMTPSession, refused: Refused) -> None:
    """A step of the policy said no, to a command or to a message."""
    log.info(
        "{kind}: refused from {peer}: {reason} ({cause})",
        kind=session.service.kind.value,
        peer=session.peer,
        reason=refused.reason.name,
        cause=one_line(refused.cause),
    )


def log_not_kept(session: SMTPSession, error: MailError) -> None:
    """A fault of ours kept a message from its mailboxes."""
    log.error(
        "{kind}: a message of {peer} was not kept: {error}",
        kind=session.service.kind.value,
        peer=session.peer,
        error=one_line(error),
    )
