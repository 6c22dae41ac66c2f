"""Where a message goes that is taken: into mailboxes here, into the queue, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailbox_d.policy.trace import delivery_blocks
from mailbox_d.policy.transaction import Transaction
from mailbox_d.queue.draft import QueueDraft
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.relay.consignments import Consignment, Rewrite, consignments
from mailbox_d.relay.passage import Passage
from mailbox_d.store.ports import Block, Delivery, Store


@dataclass(frozen=True, slots=True)
class Destinations:
    """What is to be made of one message: copies in mailboxes, by what stands in front of each, and queue files."""

    blocks: tuple[Block, ...]
    consignments: tuple[Consignment, ...]


class Intake:
    """Begins deliveries. `rewrite`: the sender that forwarded mail has; `scheduled` is called, in whatever thread,
    when something is in the queue."""

    def __init__(
        self, store: Store, queue: MailQueue, rewrite: Rewrite, *, hostname: str, scheduled: Callable[[], None]
    ) -> None:
        self._store = store
        self._queue = queue
        self._rewrite = rewrite
        self._hostname = hostname
        self._scheduled = scheduled

    @property
    def is_full(self) -> bool:
        """Whether the queue takes no more."""
        return self._queue.is_full()

    def destinations(self, transaction: Transaction, identifier: str, now: float) -> Destinations:
        """Of a transaction; `identifier` names the message in its Received field, and in the queue."""
        return Destinations(
            delivery_blocks(transaction, hostname=self._hostname, identifier=identifier, now=now),
            consignments(transaction, self._rewrite, hostname=self._hostname, identifier=identifier, now=now),
        )

    def begin(self, destinations: Destinations) -> Delivery:
        """One delivery to all of them. Blocks. Raises `StorageFault`."""
        if not destinations.consignments:
            return self._store.deliver(destinations.blocks)
        drafts = [self._draft(each) for each in destinations.consignments]
        local = self._store.deliver(destinations.blocks) if destinations.blocks else None
        return Passage(local, drafts, self._scheduled)

    def _draft(self, consignment: Consignment) -> QueueDraft:
        return self._queue.begin(
            consignment.identifier,
            consignment.envelope,
            consignment.source,
            consignment.user,
            consignment.header,
        )
