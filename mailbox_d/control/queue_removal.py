"""Recipients of a queued message whom an operator takes out of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mailbox_d.address import EmailAddress
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Attempt, Fate, Recipient
from mailbox_d.queue.outcomes import MessageState

REASON = "An operator of this server removed it from the queue"
STATUS = "5.3.0"
"""Other or undefined mail system status (RFC 3463 section 3.4)."""


def removals(recipients: Iterable[Recipient], meant: Collection[EmailAddress], now: float) -> list[Attempt]:
    """The outcome of those who are meant."""
    return [
        Attempt(now, recipient.address, Fate.FAILED, STATUS, reason=REASON)
        for recipient in recipients
        if recipient.address in meant
    ]


def remove_silently(queue: MailQueue, state: MessageState, meant: Collection[EmailAddress], now: float) -> None:
    """Take recipients out of a message and tell nobody: all of it where nobody else waits. Those to whom it is being
    sent just now stay. Raises `StorageFault`."""
    identifier = state.message.identifier
    if all(recipient.address in meant for recipient in state.waiting()) and queue.remove(identifier, now):
        return
    jobs = queue.claim(identifier, now)
    try:
        while jobs:
            attempts = removals(state.waiting(jobs[-1].domain), meant, now)
            if attempts:
                queue.settle(jobs[-1], attempts, now)
            else:
                queue.release(jobs[-1])
            jobs.pop()
    finally:
        for job in jobs:
            queue.release(job)
