"""What every store does with a message that is delivered."""

from __future__ import annotations

import threading

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError, NoSuchMailbox
from mailbox_d.store.ports import Block, Message, Receipt, Refusal, Store, Target
from tests.contract.store.mailboxes import ALICE, BOB, BODY, content, deliver, inbox, uids


def test_a_delivered_message_is_read_back_as_it_came(store: Store) -> None:
    deliver(store)
    mailbox = inbox(store)
    (message,) = mailbox.messages()
    assert message == Message(1, frozenset(), len(BODY), message.mod_sequence)
    assert content(mailbox, 1) == BODY


def test_each_block_has_its_header_in_front(store: Store) -> None:
    delivery = store.deliver(
        [
            Block(b"Delivered-To: a\r\n", (Target(ALICE),)),
            Block(b"Delivered-To: b\r\nX: y\r\n", (Target(BOB),)),
        ]
    )
    delivery.write(BODY[:7])
    delivery.write(BODY[7:])
    assert len(delivery.commit(all_or_nothing=True)) == 2
    assert content(inbox(store), 1) == b"Delivered-To: a\r\n" + BODY
    assert content(inbox(store, BOB), 1) == b"Delivered-To: b\r\nX: y\r\n" + BODY


def test_all_targets_of_a_block_get_the_message(store: Store) -> None:
    people = [EmailAddress.parse(f"user{number}@example.org") for number in range(20)]
    deliver(store, *map(Target, people))
    assert [content(inbox(store, address), 1) for address in people] == [BODY] * 20


def test_outcomes_come_in_the_order_of_blocks_and_targets(store: Store) -> None:
    targets = [Target(ALICE), Target(BOB), Target(ALICE)]
    delivery = store.deliver([Block(b"", tuple(targets[:2])), Block(b"X: y\r\n", tuple(targets[2:]))])
    delivery.write(BODY)
    assert [outcome.target for outcome in delivery.commit(all_or_nothing=False)] == targets


def test_an_aborted_delivery_leaves_nothing(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(BODY)
    delivery.abort()
    delivery.abort()
    assert not inbox(store).messages()


def test_abort_after_commit_is_harmless(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(BODY)
    delivery.commit(all_or_nothing=True)
    delivery.abort()
    assert content(inbox(store), 1) == BODY


def test_a_missing_mailbox_refuses_its_own_copy_only(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE, "Nowhere"), Target(ALICE)))])
    delivery.write(BODY)
    refused, received = delivery.commit(all_or_nothing=False)
    assert isinstance(refused, Refusal) and isinstance(refused.error, NoSuchMailbox)
    assert isinstance(received, Receipt)
    assert content(inbox(store), 1) == BODY


def test_a_missing_mailbox_refuses_everything_when_all_or_nothing(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE), Target(ALICE, "Nowhere")))])
    delivery.write(BODY)
    with pytest.raises(NoSuchMailbox):
        delivery.commit(all_or_nothing=True)
    assert not inbox(store).messages()


def test_delivery_into_another_mailbox(store: Store) -> None:
    store.account(ALICE).create("Lists/Tea")
    deliver(store, Target(ALICE, "Lists/Tea"))
    assert content(store.account(ALICE).open("Lists/Tea"), 1) == BODY
    assert not inbox(store).messages()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"\n",
        b"\r",
        b"no end",
        b"a\nb\r\n",
        b"a\r\r\nb",
        b"a\rb\r\n",
        b"\r\n\r\r\r\n\n\r",
        b"a\r\n" * 3 + b"\n",
        bytes(range(256)),
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_any_octets_come_back_however_they_were_cut(store: Store, body: bytes, piece: int) -> None:
    delivery = store.deliver([Block(b"X: y\r\n", (Target(ALICE),)), Block(b"Z: y\r\n", (Target(BOB),))])
    for start in range(0, len(body), piece):
        delivery.write(body[start : start + piece])
    delivery.commit(all_or_nothing=True)
    assert content(inbox(store), 1) == b"X: y\r\n" + body
    assert content(inbox(store, BOB), 1) == b"Z: y\r\n" + body
    assert inbox(store).messages()[0].size == len(body) + 6


def test_equal_addresses_share_an_account(store: Store) -> None:
    deliver(store, Target(EmailAddress.parse("Alice@EXAMPLE.org")))
    assert len(inbox(store).messages()) == 1


@pytest.mark.parametrize(
    "local_part", ["..", ".", "a/b", "../x", "", "a\0b", ".hidden", "\N{TWO DOT LEADER}", "a\N{FULLWIDTH SOLIDUS}b"]
)
def test_attack_122_a_name_that_is_no_folder_has_no_account(store: Store, local_part: str) -> None:
    with pytest.raises(AddressError):
        store.account(EmailAddress(local_part, "example.org"))
    if local_part.isascii():
        with pytest.raises(AddressError):
            store.account(EmailAddress("alice", local_part))
    delivery = store.deliver([Block(b"", (Target(EmailAddress(local_part, "example.org")), Target(ALICE)))])
    delivery.write(BODY)
    refused, received = delivery.commit(all_or_nothing=False)
    assert isinstance(refused, Refusal) and isinstance(received, Receipt)


def test_attack_122_compatible_spellings_are_one_account(store: Store) -> None:
    deliver(store, Target(EmailAddress("\N{FULLWIDTH LATIN SMALL LETTER B}ob", "example.org")))
    deliver(store, Target(EmailAddress("BOB", "example.org")))
    assert uids(inbox(store, BOB)) == [1, 2]


def test_many_threads_deliver_and_nothing_is_lost(store: Store) -> None:
    def work(number: int) -> None:
        for count in range(10):
            deliver(store, body=b"%d-%d\r\n" % (number, count))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mailbox = inbox(store)
    found = {content(mailbox, uid) for uid in uids(mailbox)}
    assert found == {b"%d-%d\r\n" % (number, count) for number in range(8) for count in range(10)}
    assert uids(mailbox) == list(range(1, 81))


def test_free_octets_is_a_size(store: Store) -> None:
    assert store.free_octets() > 0
