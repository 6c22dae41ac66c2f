"""What of a transaction goes into the queue: one consignment for all recipients that need the same sender and header.

An address that another one of ours leads to is its business: its mail has a sender of ours, and says whose it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mailbox_d.address import EmailAddress
from mailbox_d.policy.trace import delivered_to, received
from mailbox_d.policy.transaction import Delivered, Transaction
from mailbox_d.queue.message import Envelope, Notify, Recipient, Source

Rewrite = Callable[[EmailAddress | None, EmailAddress], EmailAddress | None]
"""The sender that mail from somebody has when an address of ours forwards it (SRS)."""


@dataclass(frozen=True, slots=True)
class Consignment:
    """A message for the queue, but for its octets: `header` goes in front of them. `user`: who submitted it."""

    identifier: str
    envelope: Envelope
    source: Source
    header: bytes
    user: str = ""


def consignments(
    transaction: Transaction, rewrite: Rewrite, *, hostname: str, identifier: str, now: float
) -> tuple[Consignment, ...]:
    """Those of a transaction; the first has its `identifier`, others a number behind it."""
    trace = received(transaction, hostname, identifier, now)
    user = transaction.client.user
    source = Source.FORWARDED if user is None else Source.USER
    made: list[Consignment] = []
    for (sender, header), recipients in _groups(transaction, rewrite).items():
        name = f"{identifier}-{len(made) + 1}" if made else identifier
        envelope = _envelope(transaction, sender, tuple(recipients.values()))
        made.append(Consignment(name, envelope, source, header + trace, str(user.address) if user else ""))
    return tuple(made)


_Groups = dict[tuple[EmailAddress | None, bytes], dict[EmailAddress, Recipient]]


def _groups(transaction: Transaction, rewrite: Rewrite) -> _Groups:
    """The recipients elsewhere, each once for each way that leads to it, by sender and what stands before the trace."""
    groups: _Groups = {}
    for delivered in transaction.recipients:
        for recipient in _recipients(delivered):
            via = delivered.via.get(recipient.address)
            sender = transaction.sender if via is None else rewrite(transaction.sender, via)
            header = b"" if via is None else delivered_to(via)
            groups.setdefault((sender, header), {}).setdefault(recipient.address, recipient)
    return groups


def _recipients(delivered: Delivered) -> Iterator[Recipient]:
    """An address that leads to several tells of no success: nobody could say of which (RFC 3461 section 5.2.7.3)."""
    wishes = delivered.wishes
    if delivered.is_queued_whole:
        yield Recipient(delivered.envelope, wishes.notify, wishes.said_notify, wishes.original)
        return
    several = len(delivered.remote) + len(delivered.mailboxes) > 1
    if several and wishes.notify & Notify.SUCCESS:
        wishes = replace(wishes, notify=wishes.notify & ~Notify.SUCCESS)
    for address in delivered.remote:
        yield Recipient(address, wishes.notify, wishes.said_notify, wishes.original)


def _envelope(transaction: Transaction, sender: EmailAddress | None, recipients: tuple[Recipient, ...]) -> Envelope:
    return Envelope(
        sender=sender,
        recipients=recipients,
        envelope_id=transaction.envelope_id,
        returns=transaction.returns,
        body=transaction.body,
        smtputf8=transaction.smtputf8,
        require_tls=transaction.require_tls,
    )
