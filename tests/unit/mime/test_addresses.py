"""Address lists, read strictly."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.errors import AddressError
from mailbox_d.mime.addresses import MAX_ADDRESSES, parse_mailbox_list


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("alice@example.org", ["alice@example.org"]),
        (" Alice Smith <alice@example.org>", ["alice@example.org"]),
        ('"Smith, Alice" <alice@example.org>', ["alice@example.org"]),
        ("=?utf-8?q?=C3=89lise?= <elise@example.org>", ["elise@example.org"]),
        ("Élise <elise@example.org>", ["elise@example.org"]),
        ("alice@example.org, bob@example.net", ["alice@example.org", "bob@example.net"]),
        ("alice@example.org (Alice (the first))", ["alice@example.org"]),
        ("(a\\)b) alice @ example.org", ["alice@example.org"]),
        ("Friends: alice@example.org, Bob <bob@example.net>;", ["alice@example.org", "bob@example.net"]),
        ("undisclosed-recipients:;", []),
        ('"a b"@example.org', ['"a b"@example.org']),
        ("alice@[192.0.2.1]", ["alice@[192.0.2.1]"]),
        ("", []),
        (",,alice@example.org,", ["alice@example.org"]),
    ],
)
def test_address_lists(text: str, addresses: list[str]) -> None:
    assert [str(address) for address in parse_mailbox_list(text)] == addresses


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.org)bob@evil.example",
        "alice@example.org bob@evil.example",
        "<alice@example.org> bob@evil.example",
        "bob@evil.example <alice@example.org>",
        "alice@example.org>",
        "<alice@example.org",
        "<<alice@example.org>>",
        '"alice@example.org',
        "(alice@example.org",
        "alice",
        "alice@",
        "<>",
        "Alice <alice@example.org> <bob@example.net>",
        "alice@example.org\x00",
        "Alice bob@example.org",
        "<alice bob@example.org>",
        "alice (and) bob@example.org",
        "alice@example. org",
        "alice@example.org\udcf6",
    ],
)
def test_attack_103_what_could_be_read_as_another_address_is_none(text: str) -> None:
    with pytest.raises(AddressError):
        parse_mailbox_list(text)


def test_nested_comments_do_not_recurse() -> None:
    assert parse_mailbox_list("(" * 5000 + ")" * 5000 + "alice@example.org")


def test_too_many_addresses_are_refused() -> None:
    with pytest.raises(AddressError):
        parse_mailbox_list("a@example.org," * (MAX_ADDRESSES + 1))


@given(st.text(alphabet='ab@<>()",;: .\\[]é\t', max_size=60))
def test_any_text_is_a_list_or_an_address_error(text: str) -> None:
    with suppress(AddressError):
        parse_mailbox_list(text)
