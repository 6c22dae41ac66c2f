"""A message with a reply for each recipient: what one of them leads to stands or falls together."""

from __future__ import annotations

from itertools import chain

from mailbox_d.address import EmailAddress
from mailbox_d.errors import OverQuota
from mailbox_d.policy.transaction import Client, Delivered, Transaction
from mailbox_d.queue.message import Envelope, Source
from mailbox_d.relay.intake.deliveries import Intake, Outgoing
from mailbox_d.relay.intake.parts import MOST, parts
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import INBOX, Outcome, QuotaLimits, Receipt, Refusal
from mailbox_d.store.quota import QuotaRules


def address(text: str) -> EmailAddress:
    return EmailAddress.parse(text)


ALICE, BOB, ERIN = address("alice@example.org"), address("bob@example.org"), address("erin@example.org")
DAVE, TEAM, LIST = address("dave@example.com"), address("team@example.org"), address("list@example.org")


def transaction(*recipients: Delivered) -> Transaction:
    begun = Transaction(Client("local", "client.example", "LMTP"), DAVE)
    for recipient in recipients:
        begun.add(recipient)
    return begun


def only(user: EmailAddress) -> Delivered:
    return Delivered(user, (user,))


def leads_to(via: EmailAddress, *mailboxes: EmailAddress, remote: tuple[EmailAddress, ...] = ()) -> Delivered:
    return Delivered(via, mailboxes, remote, dict.fromkeys(remote, via))


def envelopes(begun: Transaction) -> list[list[str]]:
    return [[each.envelope.local_part for each in part.recipients] for part in parts(begun)]


class Queue:
    """Notes what is to be sent, and what was taken back."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.gone: list[str] = []

    def begin(self, identifier: str, envelope: Envelope, source: Source, user: str, header: bytes) -> QueueDraft:
        return QueueDraft(self, identifier)

    def is_full(self) -> bool:
        return False


class QueueDraft:
    def __init__(self, queue: Queue, identifier: str) -> None:
        self._queue = queue
        self._identifier = identifier

    def write(self, octets: bytes) -> None:
        pass

    def publish(self) -> None:
        pass

    def schedule(self) -> None:
        self._queue.kept.append(self._identifier)

    def abort(self) -> None:
        self._queue.gone.append(self._identifier)


class World:
    """Bob's mailbox is full."""

    def __init__(self) -> None:
        self.store = MemoryStore(quotas=QuotaRules({BOB: QuotaLimits(10)}.get))
        self.queue = Queue()
        self.intake = Intake(
            self.store, "mail.example.org", Outgoing(self.queue, lambda sender, via: via, lambda: None)
        )

    def deliver(self, *recipients: Delivered) -> tuple[Outcome, ...]:
        delivery = self.intake.begin_in_parts(transaction(*recipients), "ABC", 0.0)
        delivery.write(b"Subject: x\r\n\r\nHello\r\n")
        return delivery.commit(all_or_nothing=False)

    def messages(self, user: EmailAddress) -> int:
        return self.store.account(user).open(INBOX).status().messages


def test_who_leads_to_one_mailbox_each_is_one_part() -> None:
    begun = transaction(only(ALICE), only(BOB), leads_to(TEAM, remote=(DAVE,)))
    assert parts(begun) == (begun,)


def test_who_leads_to_several_is_a_part_with_those_that_share_a_mailbox() -> None:
    staff, third = address("staff@example.org"), address("third@example.org")
    begun = transaction(
        only(ERIN), leads_to(TEAM, ALICE, remote=(DAVE,)), leads_to(staff, BOB, address("f@example.org")), only(ALICE)
    )
    assert envelopes(begun) == [["erin"], ["team", "alice"], ["staff"]]
    begun.add(leads_to(third, ALICE, BOB))
    free, joined = envelopes(begun)
    assert (free, sorted(joined)) == (["erin"], ["alice", "staff", "team", "third"])


def test_who_shares_a_way_elsewhere_is_in_one_part() -> None:
    """In two the queue would have it twice for that way: a part of its own knows of no other."""
    staff = address("staff@example.org")
    team = Delivered(TEAM, (ALICE,), (DAVE,), {DAVE: LIST})
    straight = [Delivered(DAVE, (), (DAVE,)), Delivered(staff, (BOB,), (DAVE,))]
    begun = transaction(only(ERIN), leads_to(LIST, remote=(DAVE,)), team, *straight)
    assert envelopes(begun) == [["erin"], ["list", "team"], ["dave", "staff"]]


def test_there_are_so_many_parts_and_no_more() -> None:
    pairs = [(address(f"a{number}@example.org"), address(f"b{number}@example.org")) for number in range(3 * MOST)]
    found = parts(transaction(*(leads_to(address(f"t{a.local_part}@example.org"), a, b) for a, b in pairs)))
    assert len(found) == MOST + 1
    assert set(chain.from_iterable(part.copies for part in found)) == set(chain.from_iterable(pairs))


def test_a_full_mailbox_gives_the_others_of_its_recipient_no_copy_and_other_recipients_theirs() -> None:
    world = World()
    for _ in range(3):
        outcomes = world.deliver(leads_to(TEAM, ALICE, BOB, remote=(DAVE,)), only(ERIN))
    assert (world.messages(ALICE), world.messages(BOB), world.messages(ERIN)) == (0, 0, 3)
    assert world.queue.kept == []
    assert set(world.queue.gone) == {"ABC-P1"}
    assert [(type(each), each.target.address) for each in outcomes] == [
        (Receipt, ERIN),
        (Refusal, ALICE),
        (Refusal, BOB),
    ]
    assert all(isinstance(each.error, OverQuota) for each in outcomes if isinstance(each, Refusal))


def test_who_goes_elsewhere_by_the_way_of_a_full_mailbox_is_refused_with_it() -> None:
    world = World()
    team = Delivered(TEAM, (BOB,), (DAVE,), {DAVE: LIST})
    outcomes = world.deliver(
        leads_to(LIST, remote=(DAVE,)), team, leads_to(address("free@example.org"), remote=(DAVE,))
    )
    assert (world.queue.kept, set(world.queue.gone)) == (["ABC"], {"ABC-P1"})
    assert [(type(each), each.target.address) for each in outcomes] == [(Refusal, BOB), (Refusal, LIST)]


def test_where_all_have_room_all_have_a_copy() -> None:
    world = World()
    outcomes = world.deliver(leads_to(TEAM, ALICE, ERIN, remote=(DAVE,)))
    assert [type(each) for each in outcomes] == [Receipt, Receipt]
    assert (world.messages(ALICE), world.queue.kept) == (1, ["ABC-P1"])


def test_what_is_given_up_leaves_nothing() -> None:
    world = World()
    delivery = world.intake.begin_in_parts(transaction(leads_to(TEAM, ALICE, remote=(DAVE,)), only(ERIN)), "ABC", 0.0)
    delivery.abort()
    assert (world.queue.gone, world.queue.kept) == (["ABC-P1"], [])
