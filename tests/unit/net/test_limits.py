"""Limits on connections and sessions."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from mailbox_d.net.limits import ConnectionLimits, GrowingDelay, UserSessions, address_block, host_of


def test_connections_are_limited_by_address_and_given_back() -> None:
    limits = ConnectionLimits(total=10, per_address=2)
    assert limits.admit("192.0.2.1")
    assert limits.admit("192.0.2.1")
    assert not limits.admit("192.0.2.1")
    assert limits.admit("192.0.2.2")
    limits.release("192.0.2.1")
    assert limits.admit("192.0.2.1")


def test_connections_are_limited_in_all() -> None:
    limits = ConnectionLimits(total=2, per_address=2)
    assert limits.admit("192.0.2.1") and limits.admit("192.0.2.2")
    assert not limits.admit("192.0.2.3")
    limits.release("192.0.2.1")
    assert limits.admit("192.0.2.3")


def test_zero_is_no_limit() -> None:
    limits = ConnectionLimits(total=0, per_address=0)
    assert all(limits.admit("192.0.2.1") for _ in range(100))


def test_an_ipv6_site_counts_as_one() -> None:
    limits = ConnectionLimits(total=10, per_address=1)
    assert limits.admit("2001:db8::1")
    assert not limits.admit("2001:db8::2")
    assert limits.admit("2001:db8:0:1::1")


@pytest.mark.parametrize("host", ["127.0.0.2", "::ffff:127.0.0.2", "local"])
def test_exempt_addresses_have_no_limit_of_their_own(host: str) -> None:
    limits = ConnectionLimits(total=5, per_address=1, exempt=[ip_network("127.0.0.2/32")])
    assert [limits.admit(host) for _ in range(6)] == [True] * 5 + [False]


def test_an_ipv4_peer_of_an_ipv6_socket_is_one_of_ipv4() -> None:
    assert address_block("::ffff:192.0.2.1") == address_block("192.0.2.1") == "192.0.2.1/32"


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (IPv4Address("TCP", "192.0.2.1", 25), "192.0.2.1"),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 25), "192.0.2.1"),
        (IPv6Address("TCP", "2001:db8::1", 25), "2001:db8::1"),
        (UNIXAddress(b"x"), "local"),
    ],
)
def test_what_a_peer_is_called(address: object, host: str) -> None:
    assert host_of(address) == host


def test_nothing_is_remembered_of_who_left() -> None:
    limits = ConnectionLimits(total=10, per_address=2)
    for number in range(1000):
        host = f"10.0.{number // 250}.{number % 250}"
        limits.admit(host)
        limits.release(host)
    assert not limits._open


def test_attack_72_sessions_are_limited_by_user() -> None:
    sessions = UserSessions(1)
    assert sessions.admit("alice")
    assert not sessions.admit("alice")
    assert sessions.admit("bob")
    sessions.release("alice")
    assert sessions.admit("alice")
    assert all(UserSessions(0).admit("alice") for _ in range(10))


def test_a_growing_delay_doubles_and_has_an_end() -> None:
    delay = GrowingDelay(2.0, 15.0)
    assert [delay.at(offence) for offence in (1, 2, 3, 4, 1000)] == [2.0, 4.0, 8.0, 15.0, 15.0]
