"""The envelope as it grows."""

from __future__ import annotations

from mailbox_d.address import EmailAddress
from mailbox_d.policy.transaction import Client, Delivered, Transaction


def address(text: str) -> EmailAddress:
    return EmailAddress.parse(text)


ALICE, BOB, CAROL = address("alice@example.org"), address("bob@example.org"), address("carol@example.com")


def leads(*recipients: Delivered) -> list[str]:
    transaction = Transaction(Client("192.0.2.1", "client.example", "ESMTP"), None)
    for recipient in recipients:
        transaction.add(recipient)
    return [str(transaction.lead(each).envelope) for each in transaction.recipients]


def test_forms_of_one_address_follow_the_first_that_was_named() -> None:
    forms = [address(f"{name}@example.org") for name in ("Team+a", "team+b", "TEAM", "other+a")]
    assert leads(*(Delivered(form, (ALICE, BOB), (CAROL,)) for form in forms)) == ["Team+a@example.org"] * 3 + [
        "other+a@example.org"
    ]


def test_a_form_with_an_entry_of_its_own_leads_there() -> None:
    own = Delivered(address("team+own@example.org"), (ALICE,))
    assert leads(Delivered(address("team@example.org"), (ALICE, BOB)), own)[1] == "team+own@example.org"
    elsewhere = Delivered(address("team+out@example.org"), (ALICE, BOB), (CAROL,))
    assert leads(Delivered(address("team@example.org"), (ALICE, BOB)), elsewhere)[1] == "team+out@example.org"


def test_all_that_a_catch_all_takes_leads_alike_in_its_domain() -> None:
    caught = [Delivered(address(each), (ALICE, BOB), by_catch_all=True) for each in ("a@x.example", "b@x.example")]
    other = Delivered(address("b@y.example"), (ALICE, BOB), by_catch_all=True)
    assert leads(*caught, other) == ["a@x.example", "a@x.example", "b@y.example"]
