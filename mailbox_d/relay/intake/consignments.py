"""What of a transaction goes into the queue: one consignment for all recipients that need the same sender and header.

An address that another one of ours leads to is its business: its mail has a sender of ours, and says whose it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from mailbox_d.address import EmailAddress
from mailbox_d.policy.trace import delivered_to, received
from mailbox_d.policy.transaction import Delivered, Transaction, Wishes
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
    for way, recipients in _groups(transaction).items():
        sender = transaction.sender if way.via is None else rewrite(transaction.sender, way.via)
        header = b"" if way.named is None else delivered_to(way.named)
        for together in _told_apart(recipients.values()):
            name = f"{identifier}-{len(made) + 1}" if made else identifier
            envelope = _envelope(transaction, sender, together)
            made.append(Consignment(name, envelope, source, header + trace, str(user.address) if user else ""))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class _Way:
    """How an address is reached: `via`, the address of ours whose business it is; `named`: whose mail it was."""

    via: EmailAddress | None = None
    named: EmailAddress | None = None


_STRAIGHT = _Way()

_Written = tuple[str, str]
"""By what recipients are told apart: ours when folded, others as they are written."""


def _groups(transaction: Transaction) -> dict[_Way, dict[_Written, Recipient]]:
    """The recipients for the queue, each once for each way that leads to it. A mailbox here has one way: none
    where its copy is made at once."""
    groups: dict[_Way, dict[_Written, Recipient]] = {}
    split = set(transaction.copies)
    for delivered in transaction.recipients:
        wishes = _wishes(delivered)
        for way, key, address in _targets(delivered, split):
            group = groups.setdefault(way, {})
            if key not in group:
                group[key] = Recipient(address, wishes.notify, wishes.said_notify, wishes.original)
    return groups


def _targets(delivered: Delivered, split: set[EmailAddress]) -> Iterator[tuple[_Way, _Written, EmailAddress]]:
    """`split` has the mailboxes that have their way or their copy, and gets those that now have one."""
    if delivered.is_queued_whole:
        yield _STRAIGHT, _folded(delivered.envelope), delivered.envelope
        return
    if delivered.is_split:
        named = _Way(named=delivered.envelope.without_suffix())
        for mailbox in delivered.mailboxes:
            if mailbox not in split:
                split.add(mailbox)
                yield named, _folded(mailbox), mailbox
    ways = {via: _Way(via, via) for via in delivered.via.values()}
    for address in delivered.remote:
        via = delivered.via.get(address)
        yield _STRAIGHT if via is None else ways[via], address.written, address


def _folded(address: EmailAddress) -> _Written:
    return address.key, address.domain


def _told_apart(recipients: Iterable[Recipient]) -> list[tuple[Recipient, ...]]:
    """The queue knows a message's recipients by their folded addresses: those equal then go in files of their own."""
    files: list[dict[EmailAddress, Recipient]] = []
    for recipient in recipients:
        free = next((file for file in files if recipient.address not in file), None)
        if free is None:
            files.append(free := {})
        free[recipient.address] = recipient
    return [tuple(file.values()) for file in files]


def _wishes(delivered: Delivered) -> Wishes:
    """An address that leads to several tells of no success: nobody could say of which (RFC 3461 section 5.2.7.3)."""
    wishes = delivered.wishes
    several = len(delivered.remote) + len(delivered.mailboxes) > 1 and not delivered.is_queued_whole
    if several and wishes.notify & Notify.SUCCESS:
        return replace(wishes, notify=wishes.notify & ~Notify.SUCCESS)
    return wishes


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
