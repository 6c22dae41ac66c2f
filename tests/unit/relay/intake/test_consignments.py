"""Which recipients go into the queue together, from whom, and with which fields in front."""

from __future__ import annotations

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.policy.transaction import Client, Delivered, Transaction, Wishes
from mailbox_d.queue.message import Notify, Source
from mailbox_d.relay.intake.consignments import Consignment, consignments


def address(text: str) -> EmailAddress:
    return EmailAddress.parse(text)


ALICE, BOB, CAROL = address("alice@example.org"), address("bob@example.net"), address("carol@example.com")
DAVE, AWAY, OUT = address("dave@example.com"), address("away@example.org"), address("out@example.org")
ALL = Wishes(Notify.SUCCESS | Notify.FAILURE, said_notify=True, original="rfc822;x")


rewritten_for: list[EmailAddress] = []


def rewritten(sender: EmailAddress | None, via: EmailAddress) -> EmailAddress | None:
    rewritten_for.append(via)
    return EmailAddress(f"rewritten-for-{via.local_part}", via.domain)


def made(*recipients: Delivered, user: User | None = None) -> tuple[Consignment, ...]:
    transaction = Transaction(Client("192.0.2.1", "client.example", "ESMTP", user=user), CAROL)
    for recipient in recipients:
        transaction.add(recipient)
    return consignments(transaction, rewritten, hostname="mail.example.org", identifier="ABC", now=0.0)


def forwarded(via: EmailAddress, *targets: EmailAddress, wishes: Wishes = ALL) -> Delivered:
    return Delivered(via, (), targets, dict.fromkeys(targets, via), wishes=wishes)


def test_mail_for_mailboxes_here_needs_no_queue() -> None:
    assert made(Delivered(ALICE, (ALICE,))) == ()


def test_a_user_s_recipients_elsewhere_go_together() -> None:
    (only,) = made(Delivered(CAROL, (), (CAROL,)), Delivered(DAVE, (), (DAVE,), wishes=ALL), user=User(ALICE))
    assert (only.identifier, only.source, only.user) == ("ABC", Source.USER, "alice@example.org")
    assert [str(each.address) for each in only.envelope.recipients] == ["carol@example.com", "dave@example.com"]
    assert only.envelope.recipients[1].notify == ALL.notify
    assert only.envelope.sender == CAROL
    assert only.header.startswith(b"Received: ")


def test_what_is_forwarded_has_the_sender_of_its_alias_and_says_whose_it_was() -> None:
    first, second = made(forwarded(AWAY, CAROL), forwarded(OUT, DAVE))
    assert [each.identifier for each in (first, second)] == ["ABC", "ABC-2"]
    assert str(first.envelope.sender) == "rewritten-for-away@example.org"
    assert second.header.startswith(b"Delivered-To: out@example.org\r\nReceived: ")
    assert first.source is Source.FORWARDED


def test_who_is_reached_by_two_ways_has_two_copies_and_by_one_way_one() -> None:
    made_of_two = made(forwarded(AWAY, CAROL), forwarded(OUT, CAROL), forwarded(AWAY, CAROL))
    assert [len(each.envelope.recipients) for each in made_of_two] == [1, 1]


def test_a_sender_is_rewritten_once_for_each_way() -> None:
    rewritten_for.clear()
    targets = [address(f"u{number}@example.com") for number in range(30)]
    again = Delivered(
        address("away+x@example.org"), (), tuple(targets), dict.fromkeys(targets, address("AWAY@example.org"))
    )
    (only,) = made(forwarded(AWAY, *targets), again)
    assert len(only.envelope.recipients) == 30
    assert rewritten_for == [AWAY]


def test_what_other_sites_may_tell_apart_is_two_recipients() -> None:
    """RFC 5321 section 2.4. The queue knows them by their folded addresses, so each has a file of its own."""
    upper, lower = address("Dave@example.com"), address("dave@example.com")
    sent = made(*(Delivered(each, (), (each,)) for each in (upper, CAROL, lower, lower)), user=User(ALICE))
    said = [[str(each.address) for each in one.envelope.recipients] for one in sent]
    assert said == [["Dave@example.com", "carol@example.com"], ["dave@example.com"]]
    assert [one.identifier for one in sent] == ["ABC", "ABC-2"]


def test_of_what_is_split_each_mailbox_is_a_recipient_once() -> None:
    team, all_of_us = address("team+x@example.org"), address("all@example.org")
    first, second, third = made(
        Delivered(team, (ALICE, BOB), (CAROL,), {CAROL: AWAY}, is_split=True),
        Delivered(all_of_us, (ALICE, address("erin@example.org")), is_split=True),
    )
    assert [each.address for each in first.envelope.recipients] == [ALICE, BOB]
    assert first.header.startswith(b"Delivered-To: team@example.org\r\n")
    assert (first.envelope.sender, second.envelope.sender) == (CAROL, address("rewritten-for-away@example.org"))
    assert [each.address for each in third.envelope.recipients] == [address("erin@example.org")]


def test_of_what_is_split_nobody_is_queued_who_has_a_copy_at_once() -> None:
    team = address("team@example.org")
    for order in (1, -1):
        (only,) = made(*[Delivered(team, (ALICE, BOB), is_split=True), Delivered(ALICE, (ALICE,))][::order])
        assert [each.address for each in only.envelope.recipients] == [BOB]
    assert (
        made(Delivered(team, (ALICE, BOB), is_split=True), *(Delivered(each, (each,)) for each in (ALICE, BOB))) == ()
    )


def test_nobody_reports_success_for_an_address_that_leads_to_several() -> None:
    (only,) = made(forwarded(AWAY, CAROL, DAVE))
    assert {each.notify for each in only.envelope.recipients} == {Notify.FAILURE}
    (alone,) = made(forwarded(AWAY, CAROL))
    assert alone.envelope.recipients[0].notify == ALL.notify


def test_a_user_here_whose_success_is_to_be_reported_goes_through_the_queue() -> None:
    (only,) = made(Delivered(ALICE, (ALICE,), wishes=ALL), Delivered(BOB, (BOB,)))
    assert [each.address for each in only.envelope.recipients] == [ALICE]
    assert only.envelope.sender == CAROL
