"""Attack 117: addresses that DNS names and mail is never sent to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.relay.routes.special_addresses import NamedByDns, NamedByOperator, is_special

_SPECIAL = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.0.1
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1
198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
::ffff:8.8.8.8 64:ff9b::127.0.0.1 64:ff9b::a00:1 64:ff9b::169.254.169.254 64:ff9b:1::1 64:ff9b:1::8.8.8.8 100::1
2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:db8::1 2001:db8:ffff::1 2002:7f00:1::1
2002:a00:1:: 2002:c0a8:101::1 2002:a9fe:a9fe::1 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1
fe80::1 fe80::5efe:127.0.0.1 fec0::1 ff02::1 ffff::1
"""
SPECIAL = _SPECIAL.split()

_ORDINARY = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255
172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 193.0.0.1 198.17.255.255 198.20.0.0 223.255.255.255
2600::1 2a00:1450:4001::1b 2001:4860:4860::8888 2001:200::1 64:ff9b::8.8.8.8 2002:808:808::1 3ffe::1
"""
ORDINARY = _ORDINARY.split()

v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
addresses = v4 | st.integers(0, 2**128 - 1).map(IPv6Address)


@pytest.mark.parametrize("text", SPECIAL)
def test_no_special_address_is_sent_to_but_where_it_is_allowed(text: str) -> None:
    address = ip_address(text)
    assert is_special(address)
    assert not NamedByDns().admits(address)
    assert NamedByDns((ip_network(text),)).admits(address)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_ones_are_unless_they_are_ours(text: str) -> None:
    address = ip_address(text)
    assert not is_special(address)
    assert NamedByDns().admits(address)
    ours = NamedByDns(own=[address])
    assert (ours.admits(address), ours.is_own(address)) == (False, True)
    allowed = NamedByDns((ip_network(text),), own=[address])
    assert (allowed.admits(address), allowed.is_own(address)) == (True, False)


@given(addresses)
def test_nothing_is_ordinary_that_is_not_globally_reachable(address: IPv4Address | IPv6Address) -> None:
    """The standard library knows IANA's lists too; ours are larger where nobody has a mail host."""
    if not is_special(address):
        assert not (
            address.is_private
            or address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or (address.is_reserved and address not in ip_network("64:ff9b::/96"))
        )


@given(v4, st.integers(0, 2**80 - 1))
def test_an_address_within_another_is_judged_itself(address: IPv4Address, rest: int) -> None:
    embedding = [IPv6Address(0x64FF9B << 96 | int(address)), IPv6Address(0x2002 << 112 | int(address) << 80 | rest)]
    assert [is_special(outer) for outer in embedding] == [is_special(address)] * 2
    assert is_special(IPv6Address(0xFFFF << 32 | int(address)))


@pytest.mark.parametrize("text", ["64:ff9b::102:304", "2002:102:304::1", "1.2.3.4"])
def test_what_stands_for_our_own_address_leads_here(text: str) -> None:
    address = ip_address(text)
    rules = NamedByDns(own=[ip_address("1.2.3.4")])
    assert (rules.admits(address), rules.is_own(address)) == (False, True)
    rules = NamedByDns((ip_network(text),), own=[ip_address("1.2.3.4")])
    assert (rules.admits(address), rules.is_own(address)) == (True, False)
    others = NamedByDns(own=[ip_address("1.2.3.5")])
    assert (others.admits(address), others.is_own(address)) == (True, False)


@pytest.mark.parametrize(
    ("text", "admitted"),
    [("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("0.0.0.0", False), ("::", False), ("224.0.0.1", False)],
)
def test_a_configured_host_may_be_anywhere_that_is_a_place(text: str, admitted: bool) -> None:
    rules = NamedByOperator()
    assert (rules.admits(ip_address(text)), rules.is_own(ip_address(text))) == (admitted, False)
