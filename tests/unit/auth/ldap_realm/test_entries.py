"""Entries as users: what is right is taken, what cannot be is a fault of the entry."""

from __future__ import annotations

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from mailbox_d.auth.ldap_realm.entries import Entry, EntryFault, attribute_names, user_of
from mailbox_d.auth.realm import SenderGrant, User
from mailbox_d.config.ldap import LdapAttributes

MANY = [f"a{number}@example.org" for number in range(DEFAULT_BOUNDS.members + 1)]
ALICE = EmailAddress.parse("alice@example.org")
NAMES = LdapAttributes(aliases="proxyAddresses", quota="mailQuota", quota_messages="mailCount", senders="mailSender")


def entry(**attributes: str | bytes | list[str]) -> Entry:
    lists = {name.lower(): value if isinstance(value, list) else [value] for name, value in attributes.items()}
    return Entry(
        "uid=alice",
        {name: tuple(v if isinstance(v, bytes) else v.encode() for v in values) for name, values in lists.items()},
    )


def test_all_that_a_user_has() -> None:
    found = entry(
        mail="Alice@Example.org",
        proxyAddresses=[
            "SMTP:alice@example.org",
            "smtp:a.smith@example.org",
            "plain@example.org",
            "X500:/o=x/cn=alice",
        ],
        mailQuota="1 GiB",
        mailCount="500",
        mailSender=["@example.com", "sales@example.org", "nonsense"],
    )
    assert user_of(found, NAMES) == User(
        ALICE,
        quota=1 << 30,
        aliases=tuple(map(EmailAddress.parse, ("alice@example.org", "a.smith@example.org", "plain@example.org"))),
        quota_messages=500,
        senders=(SenderGrant.parse("@example.com"), SenderGrant.parse("sales@example.org")),
    )


def test_an_address_is_enough() -> None:
    assert user_of(entry(mail="alice@example.org"), NAMES) == User(ALICE)
    assert user_of(entry(mail="alice@example.org", mailQuota="5000"), NAMES).quota == 5000
    assert user_of(entry(mail="alice@example.org", mailQuota="5000"), LdapAttributes()).quota is None


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"mail": ["alice@example.org", "alice@example.net"]},
        {"mail": "../../root@example.org"},
        {"mail": "alice"},
        {"mail": "alice@[127.0.0.1]"},
        {"mail": ".hidden"},
        {"mail": '".hidden"@example.org'},
        {"mail": b"\xff@example.org"},
        {"mail": "a\uff0fb@example.org"},
        {"mail": "\u2024hidden@example.org"},
        {"mail": "alice@example.org", "mailQuota": "much"},
        {"mail": "alice@example.org", "mailQuota": "0"},
        {"mail": "alice@example.org", "mailQuota": "9" * 5000},
        {"mail": "alice@example.org", "mailCount": "-1"},
        {"mail": "alice@example.org", "mailCount": ["1", "2"]},
        {"mail": "alice@example.org", "proxyAddresses": MANY},
        {"mail": "alice@example.org", "mailSender": MANY},
    ],
)
def test_what_cannot_be(attributes: dict[str, str | bytes | list[str]]) -> None:
    with pytest.raises(EntryFault):
        user_of(entry(**attributes), NAMES)


def test_only_what_is_used_is_asked_for() -> None:
    assert attribute_names(LdapAttributes()) == ("mail",)
    assert attribute_names(NAMES) == ("mail", "proxyAddresses", "mailQuota", "mailCount", "mailSender")


def test_a_maildir_s_place() -> None:
    names = LdapAttributes(maildir="mailMessageStore")
    said = user_of(entry(mail="alice@example.org", mailMessageStore="/srv/mail/staff/alice/"), names)
    assert said == User(ALICE, maildir="/srv/mail/staff/alice/")
    assert attribute_names(names) == ("mail", "mailMessageStore")


@pytest.mark.parametrize("value", [[], ["a", "b"], "", "/", "..", "../../root", "a//b", ".a", "a\0b", " ", b"\xff"])
def test_a_maildir_that_no_user_can_have(value: str | bytes | list[str]) -> None:
    with pytest.raises(EntryFault):
        user_of(entry(mail="alice@example.org", home=value), LdapAttributes(maildir="home"))
