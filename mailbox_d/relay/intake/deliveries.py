"""Where a message goes that is taken: into mailboxes here, into the queue, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailbox_d.policy.trace import delivery_blocks
from mailbox_d.policy.transaction import Transaction
from mailbox_d.queue.message import Envelope, Source
from mailbox_d.relay.intake.consignments import Consignment, Rewrite, consignments
from mailbox_d.relay.intake.parts import Part, PartedDelivery, parts
from mailbox_d.relay.intake.passage import Draft, Passage
from mailbox_d.store.ports import Block, Delivery, Store


@dataclass(frozen=True, slots=True)
class Destinations:
    """What is to be made of one message: copies in mailboxes, by what stands in front of each, and queue files."""

    blocks: tuple[Block, ...]
    consignments: tuple[Consignment, ...]


class Queue(Protocol):
    """Where mail for other sites is put."""

    def begin(self, identifier: str, envelope: Envelope, source: Source, user: str, header: bytes) -> Draft:
        """A message that begins with `header`. Blocks. Raises `StorageFault`."""

    def is_full(self) -> bool:
        """Whether it takes no more."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What makes mail for other sites possible. `rewrite`: the sender that forwarded mail has; `scheduled` is called,
    in whatever thread, when something is in the queue."""

    queue: Queue
    rewrite: Rewrite
    scheduled: Callable[[], None]


class Intake:
    """Begins deliveries; without `outgoing` to mailboxes here alone."""

    def __init__(self, store: Store, hostname: str, outgoing: Outgoing | None = None) -> None:
        self._store = store
        self._hostname = hostname
        self._outgoing = outgoing

    @property
    def takes_remote(self) -> bool:
        """Whether mail for other sites, and reports, can be sent."""
        return self._outgoing is not None

    @property
    def is_full(self) -> bool:
        """Whether no more mail for other sites can be taken."""
        return self._outgoing is not None and self._outgoing.queue.is_full()

    def begin(self, transaction: Transaction, identifier: str, now: float) -> Delivery:
        """One delivery to all recipients; `identifier` names the message in its Received field, and in the queue.
        Blocks. Raises `StorageFault`."""
        return self._begin(self._destinations(transaction, identifier, now))

    def begin_in_parts(self, transaction: Transaction, identifier: str, now: float) -> Delivery:
        """The same where each recipient has a reply of its own, which is true of all that it leads to."""
        free, *tied = parts(transaction)
        if not tied:
            return self.begin(transaction, identifier, now)
        begun: list[Part] = []
        try:
            for number, part in enumerate(tied, start=1):
                begun.append(Part.of(self.begin(part, f"{identifier}-P{number}", now), part))
            return PartedDelivery(self.begin(free, identifier, now) if free.recipients else None, begun)
        except BaseException:
            PartedDelivery(None, begun).abort()
            raise

    def _destinations(self, transaction: Transaction, identifier: str, now: float) -> Destinations:
        names = {"hostname": self._hostname, "identifier": identifier}
        blocks = delivery_blocks(transaction, **names, now=now)
        if self._outgoing is None:
            return Destinations(blocks, ())
        return Destinations(blocks, consignments(transaction, self._outgoing.rewrite, **names, now=now))

    def _begin(self, destinations: Destinations) -> Delivery:
        if self._outgoing is None or not destinations.consignments:
            return self._store.deliver(destinations.blocks)
        queue = self._outgoing.queue
        drafts = [
            queue.begin(each.identifier, each.envelope, each.source, each.user, each.header)
            for each in destinations.consignments
        ]
        local = self._store.deliver(destinations.blocks) if destinations.blocks else None
        return Passage(local, drafts, self._outgoing.scheduled)
