"""Single values: names, addresses, networks, servers, paths."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.config.faults import Refusal, WrongKind
from mailbox_d.config.scalars import (
    DomainName,
    FilePath,
    Hostname,
    LdapUri,
    MailAddress,
    Network,
    Port,
    RealmName,
    Scalar,
    Server,
    Text,
)

FOLDER = Path("/srv/site")
SCALARS = (DomainName(), FilePath(), Hostname(), LdapUri(), MailAddress(), Network(), RealmName(), Server(53), Text())


@pytest.mark.parametrize(
    ("scalar", "text", "value"),
    [
        (Hostname(), "Mail.Example.ORG", "mail.example.org"),
        (Hostname(), "bücher.example", "xn--bcher-kva.example"),
        (Hostname(), "localhost", "localhost"),
        (DomainName(), "_x.example.org", "_x.example.org"),
        (FilePath(), "users.yaml", FOLDER / "users.yaml"),
        (FilePath(), "/etc/users.yaml", Path("/etc/users.yaml")),
        (FilePath(), "../users.yaml", FOLDER / "../users.yaml"),
        (MailAddress(), "Bob@Example.org", EmailAddress.parse("bob@example.org")),
        (Network(), "127.0.0.2", ip_network("127.0.0.2/32")),
        (Network(), "2001:db8::/32", ip_network("2001:db8::/32")),
        (RealmName(), "staff-2", "staff-2"),
        (LdapUri(), "ldaps://ldap.example.net:6360", "ldaps://ldap.example.net:6360"),
        (Text(), "cn=x", "cn=x"),
    ],
)
def test_what_is_taken(scalar: Scalar, text: str, value: object) -> None:
    assert scalar.read(text, FOLDER) == value


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        (Hostname(), "mail_1.example.org"),
        (Hostname(), "-mail.example.org"),
        (Hostname(), "[127.0.0.1]"),
        (Hostname(), "::1"),
        (Hostname(), "a" * 64 + ".org"),
        (Hostname(), "mail.example.org."),
        (DomainName(), "../../etc"),
        (DomainName(), ""),
        (DomainName(), "a\0b"),
        (DomainName(), "."),
        (DomainName(), "x" * 70_000),
        (FilePath(), ""),
        (FilePath(), " "),
        (FilePath(), "~root/users.yaml"),
        (FilePath(), "a\0b"),
        (MailAddress(), "bob"),
        (MailAddress(), "bob@"),
        (Network(), "10.0.0.1/8"),
        (Network(), "example.org"),
        (RealmName(), "../staff"),
        (RealmName(), ""),
        (LdapUri(), "http://ldap.example.net"),
        (LdapUri(), "ldap.example.net"),
        (LdapUri(), "ldap://u:p@ldap.example.net"),
        (LdapUri(), "ldaps://:p@ldap.example.net"),
        (LdapUri(), "ldaps://@ldap.example.net"),
        (LdapUri(), "ldap://ldap.example.net:99999"),
        (LdapUri(), "ldap://[::1"),
        (Server(53), "localhost"),
        (Server(53), "127.0.0.1:70000"),
        (Server(53), "127.0.0.1:"),
        (Server(53), "[127.0.0.1"),
        (Text(), "  "),
        (Text(), "a\nb"),
    ],
)
def test_what_is_refused(scalar: Scalar, text: str) -> None:
    with pytest.raises(Refusal) as caught:
        scalar.read(text, FOLDER)
    assert caught.value.problem
    assert caught.value.expected


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: type(scalar).__name__)
@pytest.mark.parametrize("value", [None, True, 3, 1.5, [], {}])
def test_other_kinds_of_values_are_named(scalar: Scalar, value: object) -> None:
    with pytest.raises(WrongKind, match="this is "):
        scalar.read(value, FOLDER)


@pytest.mark.parametrize("value", [0, 65_536, -1, True, "25", None])
def test_ports_that_are_none(value: object) -> None:
    with pytest.raises(Refusal):
        Port().read(value, FOLDER)


@given(st.sampled_from(SCALARS), st.text(max_size=40))
def test_any_text_is_taken_or_refused_in_our_words(scalar: Scalar, text: str) -> None:
    try:
        scalar.read(text, FOLDER)
    except Refusal as refusal:
        assert refusal.problem.isprintable()


@pytest.mark.parametrize(
    "text", ["ldap://u:secret@host", "ldaps://:secret@host", "ldap://u:secret@host:99999", "http://u:secret@host"]
)
def test_no_fault_of_an_ldap_uri_repeats_what_may_be_a_password(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        LdapUri().read(text, FOLDER)
    assert "secret" not in caught.value.problem
