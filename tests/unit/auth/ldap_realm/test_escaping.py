"""What a peer says is a value in a filter or a DN, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.escaping import dn_value, fill_dn, fill_filter, filter_value, parent
from mailbox_d.auth.ldap_realm.library import ldap3

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FILTER = "(&(objectClass=inetOrgPerson)(mail={address}))"
NASTY = (
    "*",
    "*)(uid=*))(|(uid=*",
    "\\",
    ")",
    "(",
    "a\0b",
    "x,ou=admin",
    "#1234",
    " a",
    "a ",
    "a+b",
    '"',
    "ü",
    "{domain}",
)


def unescaped(text: str) -> str:
    """A value as a directory reads it (RFC 4515 section 3, RFC 4514 section 3)."""
    octets, rest = bytearray(), text
    while rest:
        if rest[0] == "\\":
            octets.append(int(rest[1:3], 16))
            rest = rest[3:]
        else:
            octets += rest[0].encode()
            rest = rest[1:]
    return octets.decode()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("alice@example.org", "alice@example.org"),
        ("*", r"\2a"),
        ("a)(b", r"a\29\28b"),
        ("\\", r"\5c"),
        ("\0", r"\00"),
        (" #", r"\20\23"),
        ("ü", r"\c3\bc"),
    ],
)
def test_values(text: str, escaped: str) -> None:
    assert filter_value(text) == dn_value(text) == escaped


@given(ANY_TEXT)
def test_a_value_means_itself_and_has_no_sign_of_its_own(text: str) -> None:
    for escape in (filter_value, dn_value):
        assert unescaped(escape(text)) == text
        assert not set(escape(text)) & set('*()\0,+"<>;=# \n')


@given(ANY_TEXT)
def test_a_template_keeps_its_shape(text: str) -> None:
    address = EmailAddress(text, "example.org")
    filled = fill_filter(FILTER, address)
    assert filled == f"(&(objectClass=inetOrgPerson)(mail={filter_value(str(address))}))"
    assert filled.count("(") == FILTER.count("(")


@given(st.one_of(st.sampled_from(NASTY), ANY_TEXT.filter(bool)))
def test_a_dn_has_the_parts_of_its_template(text: str) -> None:
    filled = fill_dn("uid={local_part},ou=people,dc=example", EmailAddress(text, "example.org"))
    assert [(name, value) for name, value, _ in ldap3.utils.dn.parse_dn(filled)] == [
        ("uid", dn_value(text)),
        ("ou", "people"),
        ("dc", "example"),
    ]


def test_what_is_filled_in_is_no_template() -> None:
    assert fill_filter("(a={local_part}{domain})", EmailAddress("{domain}", "x.org")) == r"(a=\7bdomain\7dx.org)"


@pytest.mark.parametrize(
    ("dn", "above"),
    [
        ("uid=alice,ou=people,dc=example", "ou=people,dc=example"),
        (r"uid=a\2cb,ou=people", "ou=people"),
        (r"uid=a\,b\\,ou=people", "ou=people"),
        ('uid="a,b",ou=people', "ou=people"),
        ("uid=a+cn=b;ou=people", "ou=people"),
        ("dc=example", ""),
        ("", ""),
    ],
)
def test_the_entry_above(dn: str, above: str) -> None:
    assert parent(dn) == above
