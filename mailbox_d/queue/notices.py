"""Which recipients a sender is told of, and what (RFC 3461 sections 4.1 and 5.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from mailbox_d.queue.message import Attempt, Fate, Notify, Parcel, Queued, Recipient


class Action(Enum):
    """What a report says of a recipient (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


_ASKED = {
    Action.FAILED: Notify.FAILURE,
    Action.DELAYED: Notify.DELAY,
    Action.DELIVERED: Notify.SUCCESS,
    Action.RELAYED: Notify.SUCCESS,
    Action.EXPANDED: Notify.SUCCESS,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What a sender is to be told of one recipient. `until`: when a late message is given back (seconds since 1970)."""

    recipient: Recipient
    action: Action
    attempt: Attempt
    until: float | None = None


def notices_of_outcome(message: Queued, attempts: Iterable[Attempt]) -> tuple[Notice, ...]:
    """What is to be told of attempts that decided about their recipients; others are passed over.

    Nothing where another server tells it, nothing that nobody asked for, and never anything of mail from nobody.
    """
    return tuple(
        Notice(recipient, action, attempt)
        for recipient, attempt in _with_attempts(message, attempts)
        if (action := _action(attempt)) is not None and _is_told(message, recipient, action)
    )


def notices_of_delay(parcel: Parcel, until: float) -> tuple[Notice, ...]:
    """What is to be told of a late message: each recipient who still waits, once. `until`: as in `Notice`."""
    message = parcel.message
    return tuple(
        Notice(recipient, Action.DELAYED, attempt, until)
        for recipient in parcel.waiting
        if recipient.address not in parcel.warned and _is_told(message, recipient, Action.DELAYED)
        if (attempt := parcel.last.get(recipient.address)) is not None
    )


def _with_attempts(message: Queued, attempts: Iterable[Attempt]) -> Iterator[tuple[Recipient, Attempt]]:
    last = {attempt.recipient: attempt for attempt in attempts}
    for recipient in message.envelope.recipients:
        if recipient.address in last:
            yield recipient, last[recipient.address]


def _action(attempt: Attempt) -> Action | None:
    if attempt.fate is Fate.FAILED:
        return Action.FAILED
    if attempt.fate is Fate.DELIVERED:
        return Action.RELAYED if attempt.host or attempt.address else Action.DELIVERED
    return None


def _is_told(message: Queued, recipient: Recipient, action: Action) -> bool:
    return message.envelope.sender is not None and bool(recipient.notify & _ASKED[action])
