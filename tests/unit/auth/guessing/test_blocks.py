"""The networks that an address counts for."""

from __future__ import annotations

import pytest

from mailbox_d.auth.guessing.blocks import Blocks, blocks_of


@pytest.mark.parametrize(
    ("host", "narrow", "wide"),
    [
        ("192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
    ],
)
def test_an_address_counts_for_two_networks(host: str, narrow: str, wide: str) -> None:
    assert blocks_of(host) == Blocks(narrow, wide)


@pytest.mark.parametrize("host", ["local", "", "192.0.2.1/32", "mail.example.org"])
def test_what_is_no_address_is_of_no_network(host: str) -> None:
    assert blocks_of(host) is None
