"""A message with a reply for each recipient (LMTP): what one recipient leads to stands or falls together.

Else a client that comes again for a recipient one of whose mailboxes is full would give the others a copy each time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError
from mailbox_d.policy.transaction import Delivered, Transaction
from mailbox_d.store.ports import Delivery, Outcome, Refusal, Target

MOST = 20
"""Parts of a message, each of which is a file of its own while the message comes in."""


def parts(transaction: Transaction) -> tuple[Transaction, ...]:
    """First those recipients whose outcomes have nothing to do with each other; then others, those together that have a
    mailbox or a way elsewhere in common, and all that are left where the parts would be too many."""
    groups = _groups(transaction.recipients)
    tied = [group for group in groups if any(map(_leads_to_several, group))]
    if not tied:
        return (transaction,)
    free = [recipient for group in groups if not any(map(_leads_to_several, group)) for recipient in group]
    return tuple(map(transaction.part, [free, *_at_most(tied)]))


def _groups(recipients: Iterable[Delivered]) -> list[list[Delivered]]:
    """In one group who shares something with another of it."""
    group_of: dict[Hashable, list[Delivered]] = {}
    for recipient in recipients:
        met = {id(group): group for tie in _ties(recipient) if (group := group_of.get(tie)) is not None}
        largest = max(met.values(), key=len, default=[])
        more = [each for group in met.values() if group is not largest for each in group] + [recipient]
        largest += more
        group_of.update((tie, largest) for each in more for tie in _ties(each))
    return list({id(group): group for group in group_of.values()}.values())


def _ties(recipient: Delivered) -> Iterator[Hashable]:
    """What is to have one copy, whoever leads to it: mailboxes, and ways elsewhere (`consignments`)."""
    yield from recipient.mailboxes
    for address in recipient.remote:
        via = recipient.via.get(address)
        yield address.written if via is None else ("via", via)


def _at_most(groups: Sequence[list[Delivered]]) -> Iterator[list[Delivered]]:
    yield from groups[: MOST - 1]
    if rest := [recipient for group in groups[MOST - 1 :] for recipient in group]:
        yield rest


def _leads_to_several(recipient: Delivered) -> bool:
    return bool(recipient.mailboxes) and len(recipient.mailboxes) + len(recipient.remote) > 1


@dataclass(frozen=True, slots=True)
class Part:
    """A delivery, and whom it is for: mailboxes, and the recipients that have none here."""

    delivery: Delivery
    addresses: tuple[EmailAddress, ...]

    @classmethod
    def of(cls, delivery: Delivery, transaction: Transaction) -> Part:
        elsewhere = (recipient.envelope for recipient in transaction.recipients if not recipient.mailboxes)
        return cls(delivery, (*transaction.copies, *elsewhere))


class PartedDelivery(Delivery):
    """`free`: where each copy stands for itself, None where there is none; `tied`: those that stand or fall as one.

    What is refused as one is refused for recipients without a mailbox, too: each is told so under its own address.
    """

    def __init__(self, free: Delivery | None, tied: Sequence[Part]) -> None:
        self._free = free
        self._tied = tied

    def write(self, data: bytes) -> None:
        for delivery in self._deliveries():
            delivery.write(data)

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        assert not all_or_nothing, "then nothing is in parts"
        outcomes = () if self._free is None else self._free.commit(all_or_nothing=False)
        return outcomes + tuple(outcome for part in self._tied for outcome in _commit(part))

    def abort(self) -> None:
        for delivery in self._deliveries():
            delivery.abort()

    def _deliveries(self) -> Iterator[Delivery]:
        if self._free is not None:
            yield self._free
        for part in self._tied:
            yield part.delivery


def _commit(part: Part) -> tuple[Outcome, ...]:
    try:
        return part.delivery.commit(all_or_nothing=True)
    except MailError as error:
        part.delivery.abort()
        return tuple(Refusal(Target(address), error) for address in part.addresses)
