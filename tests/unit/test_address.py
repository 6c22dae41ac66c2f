"""Addresses: one form each, used for comparison, delivery and log alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress, canonical_domain
from mailbox_d.errors import AddressError


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("alice@example.org", "alice@example.org"),
        ("Alice@Example.ORG", "Alice@example.org"),
        ('"alice"@example.org', "alice@example.org"),
        ('"a b"@example.org', '"a b"@example.org'),
        ('"a\\"b"@example.org', '"a\\"b"@example.org'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("élise@exämple.org", "élise@xn--exmple-cua.org"),
        ("a_b@my_host.example", "a_b@my_host.example"),
    ],
)
def test_reading_and_writing(text: str, written: str) -> None:
    assert str(EmailAddress.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "a@", "@a", "a", "a@b@c", "a@b.", "a@.b", "a@b..c", ".a@b", "a.@b", "a@-b", "a@b-", 'a"b@c', '"@b'),
        *('""@b', "a b@c", "a@b c", "a\n@b", "a@b\n", '"a\n"@b', "a@[", "a@[]", "a@b/c", "a@\u2024"),
        *("a\udcf6@b", "a@\udcf6", '"a\udcf6"@b'),
        *("\u200balice@b", "a\u00adb@b", "a\u00a0b@b", '"a\u2028b"@b', "a\u202eb@b", "\ufeffa@b"),
        *("x" * 65 + "@b", "a@" + "b" * 64),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError):
        EmailAddress.parse(text)


@pytest.mark.parametrize(
    "text", ["ALICE@example.org", "alice@EXAMPLE.org", "\uff41lice@example.org", '"alice"@example.org']
)
def test_attack_96_forms_of_one_address_are_equal(text: str) -> None:
    alice = EmailAddress.parse("alice@example.org")
    assert EmailAddress.parse(text) == alice
    assert hash(EmailAddress.parse(text)) == hash(alice)


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.org",
        "Alice@Example.ORG",
        '"a b"@example.org',
        '"a@b"@example.org',
        "a@[IPv6:2001:db8::1]",
        "élise@exämple.org",
        "ÉLISE@EXÄMPLE.org",
        "γιώργος@example.org",
        "alice@xn--exmple-cua.org",
        "alice@faß.example",
    ],
)
def test_an_address_as_it_is_spelt(text: str) -> None:
    assert EmailAddress.parse_as_spelt(text) == EmailAddress.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "\uff41lice@example.org",  # full width
        "alice@\uff45xample.org",
        "alice@example\u3002org",
        "alice@ex\u00adample.org",
        "e\u0301lise@example.org",  # in two characters
        "alice@exa\u0308mple.org",
        "\ufb01sh@example.org",  # a ligature
        "stra\u00dfe@example.org",  # which is strasse's, too
        '"alice"@example.org',
        '"al\\ice"@example.org',
    ],
)
def test_what_stands_for_an_address_and_is_spelt_otherwise(text: str) -> None:
    EmailAddress.parse(text)
    with pytest.raises(AddressError):
        EmailAddress.parse_as_spelt(text)


@pytest.mark.parametrize("text", ["\udcff.example", "\ud800", "[\udcff]", "a.\udcff"])
def test_a_domain_that_is_not_utf_8(text: str) -> None:
    with pytest.raises(AddressError):
        canonical_domain(text)


@given(st.text(alphabet='aAßé\u017f\ufb01\u0301".@\u3002ä\udcff-', max_size=12))
def test_any_text_is_spelt_or_is_an_error(text: str) -> None:
    try:
        address = EmailAddress.parse_as_spelt(text)
    except AddressError:
        return
    assert address.key.isascii() == address.local_part.isascii()


def test_the_suffix_behind_a_plus() -> None:
    assert str(EmailAddress.parse("a+b+c@example.org").without_suffix()) == "a@example.org"
    plain = EmailAddress.parse("a@example.org")
    assert plain.without_suffix() is plain
    only = EmailAddress.parse("+b@example.org")
    assert only.without_suffix() is only


@given(st.text(max_size=40))
def test_any_text_is_an_address_with_one_form_or_an_error(text: str) -> None:
    try:
        address = EmailAddress.parse(text)
    except AddressError:
        return
    assert EmailAddress.parse(str(address)) == address
    assert str(EmailAddress.parse(str(address))) == str(address)


@pytest.mark.parametrize("text", ["Ann@example.org", "\uff41NN@EXAMPLE.org", '"ann"@example.org'])
def test_all_ways_to_write_an_address_are_one_text(text: str) -> None:
    assert EmailAddress.parse(text).folded == "ann@example.org"


@given(st.text(alphabet='a"\\. @+é', min_size=1, max_size=12).map(lambda local: f'"{local}"@example.org'))
def test_quoted_local_parts_survive_a_round_trip(text: str) -> None:
    test_any_text_is_an_address_with_one_form_or_an_error.hypothesis.inner_test(text)  # type: ignore[attr-defined]
