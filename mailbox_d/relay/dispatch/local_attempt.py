"""Queued mail for domains of ours: our own reports, and what was queued before the domain was ours.

A report to an address that we made of a sender elsewhere (SRS) goes on to that sender, as one does that comes by SMTP.
Where an address leads to several, each of them is queued anew as a recipient of its own: so each has an outcome of
its own, and nobody gets a second copy because another one could not have the first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, OverQuota
from mailbox_d.net.lanes import Lane
from mailbox_d.policy.recipients import Destination, Recipients
from mailbox_d.policy.srs import is_rewritten
from mailbox_d.policy.transaction import LOCAL_PEER, Client, Delivered, Transaction, Wishes
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Attempt, Fate, Notify, Parcel, Recipient
from mailbox_d.record.events import Kept
from mailbox_d.record.recorder import Record
from mailbox_d.relay.dispatch.outcomes import NOBODY, OUR_FAULT
from mailbox_d.relay.intake.deliveries import Intake
from mailbox_d.store.ports import Outcome, Receipt, Refusal

_BLOCK = 65536
_UNKNOWN = "There is no such user here"
_GONE = "The message is not in the queue any more"


Original = Callable[[EmailAddress], EmailAddress | None]
"""The sender that an address of ours was made of; None where we did not make it, or too long ago."""


class LocalAttempting:
    """Delivers to mailboxes here, and to where the recipients' aliases lead. `original` finds whom a report is for."""

    def __init__(
        self,
        queue: MailQueue,
        lane: Lane,
        recipients: Recipients,
        intake: Intake,
        record: Record,
        original: Original,
        *,
        hostname: str,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._lane = lane
        self._recipients = recipients
        self._intake = intake
        self._record = record
        self._original = original
        self._hostname = hostname
        self._clock = clock

    async def attempt(self, parcel: Parcel) -> list[Attempt]:
        """What became of each recipient."""
        attempts: list[Attempt] = []
        known: list[tuple[Recipient, Delivered]] = []
        for recipient in parcel.waiting:
            try:
                delivered = await self._delivered(parcel, recipient)
            except MailError as error:
                attempts.append(self._said(recipient, Fate.DEFERRED, OUR_FAULT, error.public))
                continue
            if delivered is None:
                attempts.append(self._said(recipient, Fate.FAILED, "5.1.1", _UNKNOWN))
            else:
                known.append((recipient, delivered))
        return attempts + (await self._deliver(parcel, known) if known else [])

    async def _delivered(self, parcel: Parcel, recipient: Recipient) -> Delivered | None:
        """Where a recipient leads, None where nobody has the address. Raises `TemporaryError`."""
        is_report = parcel.message.envelope.sender is None
        found = await self._destination(recipient.address, is_report=is_report)
        if found.is_nobody:
            return None
        wishes = Wishes(recipient.notify & ~Notify.SUCCESS, recipient.said_notify, recipient.original)
        several = len(found.mailboxes) + len(found.remote) > 1
        return Delivered(recipient.address, found.mailboxes, found.remote, found.via, wishes, is_split=several)

    async def _destination(self, address: EmailAddress, *, is_report: bool) -> Destination:
        if not is_rewritten(address):
            return await self._recipients.resolve(address)
        original = self._original(address) if is_report else None
        if original is None:
            return Destination()
        if self._recipients.is_ours(original.domain):
            return await self._recipients.resolve(original)
        return Destination(remote=(original,), via={original: address})

    async def _deliver(self, parcel: Parcel, known: Sequence[tuple[Recipient, Delivered]]) -> list[Attempt]:
        transaction = self._transaction(parcel, [delivered for _, delivered in known])
        lane = self._lane.of(*map(str, transaction.copies))
        try:
            outcomes = await lane.run(partial(self._write, parcel.message.identifier, transaction))
        except MailError as error:
            return [self._said(recipient, Fate.DEFERRED, OUR_FAULT, error.public) for recipient, _ in known]
        refused = {each.target.address: each.error for each in outcomes if isinstance(each, Refusal)}
        self._note(parcel.message.identifier, transaction, outcomes)
        return [self._outcome(recipient, delivered, refused) for recipient, delivered in known]

    def _note(self, identifier: str, transaction: Transaction, outcomes: Sequence[Outcome]) -> None:
        """Tell the record where the copies are."""
        for each in outcomes:
            if isinstance(each, Receipt):
                target, envelope = each.target, transaction.copies[each.target.address]
                kept = (envelope, target.address, target.mailbox, each.name, each.uid or 0)
                self._record.tell(Kept(identifier, self._clock(), *kept))

    def _transaction(self, parcel: Parcel, delivered: Sequence[Delivered]) -> Transaction:
        envelope = parcel.message.envelope
        transaction = Transaction(
            Client(LOCAL_PEER, self._hostname, "ESMTP"),
            envelope.sender,
            envelope.smtputf8,
            body=envelope.body,
            envelope_id=envelope.envelope_id,
            returns=envelope.returns,
            require_tls=envelope.require_tls,
        )
        for each in delivered:
            transaction.add(each)
        return transaction

    def _write(self, identifier: str, transaction: Transaction) -> tuple[Outcome, ...]:
        """Copy the message. Blocks. Raises `StorageFault`, `MailError` where it is gone."""
        content = self._queue.content(identifier)
        if content is None:
            raise MailError(_GONE)
        with content:
            delivery = self._intake.begin(transaction, secrets.token_hex(6).upper(), self._clock())
            try:
                for offset in range(0, content.octets, _BLOCK):
                    delivery.write(content.read(offset, _BLOCK))
                return delivery.commit(all_or_nothing=False)
            except BaseException:
                delivery.abort()
                raise

    def _outcome(self, recipient: Recipient, delivered: Delivered, refused: dict[EmailAddress, MailError]) -> Attempt:
        here = () if delivered.is_split else delivered.mailboxes
        error = next((refused[mailbox] for mailbox in here if mailbox in refused), None)
        if error is None:
            host = self._hostname if delivered.elsewhere else ""  # it is relayed then, to where the alias leads
            return replace(self._said(recipient, Fate.DELIVERED, "2.1.5", ""), host=host)
        status = "4.2.2" if isinstance(error, OverQuota) else OUR_FAULT
        return self._said(recipient, Fate.DEFERRED, status, error.public)

    def _said(self, recipient: Recipient, fate: Fate, status: str, reason: str) -> Attempt:
        return replace(NOBODY.attempt(recipient, fate, status, self._clock(), reason=reason), policy="local")
