"""Trace fields, and how they group the copies of a message."""

from __future__ import annotations

from mailbox_d.address import EmailAddress
from mailbox_d.policy.trace import delivery_blocks
from mailbox_d.policy.transaction import Client, Delivered, Transaction
from mailbox_d.store.ports import Block

ALICE, BOB = EmailAddress.parse("alice@example.org"), EmailAddress.parse("bob@example.net")
SALES = EmailAddress.parse("sales@example.org")


def blocks(*recipients: Delivered, host: str = "192.0.2.7", sender: EmailAddress | None = ALICE) -> tuple[Block, ...]:
    client = Client(host, "client.example.com", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384")
    transaction = Transaction(client, sender)
    for recipient in recipients:
        transaction.add(recipient)
    return delivery_blocks(transaction, hostname="mail.example.org", identifier="0123456789AB", now=1_700_000_000)


def test_the_fields_in_front_of_a_message() -> None:
    (block,) = blocks(Delivered(ALICE, (ALICE,)))
    assert block.header == (
        b"Return-Path: <alice@example.org>\r\n"
        b"Received: from client.example.com ([192.0.2.7])\r\n"
        b"\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby mail.example.org with ESMTPS id 0123456789AB\r\n"
        b"\tfor <alice@example.org>;\r\n"
        b"\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
    )


def test_the_null_sender_and_an_ipv6_peer() -> None:
    (block,) = blocks(Delivered(ALICE, (ALICE,)), host="2001:db8::7", sender=None)
    assert block.header.startswith(b"Return-Path: <>\r\nReceived: from client.example.com ([IPv6:2001:db8::7])\r\n")


def test_recipients_of_their_own_addresses_share_a_block_that_names_none_of_them() -> None:
    (block,) = blocks(Delivered(ALICE, (ALICE,)), Delivered(BOB, (BOB,)))
    assert [target.address for target in block.targets] == [ALICE, BOB]
    assert b"for <" not in block.header


def test_delivered_to_tells_an_alias() -> None:
    (block,) = blocks(Delivered(SALES, (ALICE, BOB)))
    assert block.header.startswith(b"Delivered-To: sales@example.org\r\nReturn-Path:")
    assert [target.address for target in block.targets] == [ALICE, BOB]


def test_a_mailbox_gets_one_copy_and_its_own_address_counts_before_an_alias() -> None:
    shared, own = blocks(Delivered(SALES, (ALICE, BOB)), Delivered(ALICE, (ALICE,)))[::-1]
    assert [target.address for target in own.targets + shared.targets] in ([ALICE, BOB], [BOB, ALICE])
    by_address = {target.address: block.header for block in (own, shared) for target in block.targets}
    assert b"Delivered-To" not in by_address[ALICE]
    assert b"Delivered-To: sales@example.org" in by_address[BOB]
