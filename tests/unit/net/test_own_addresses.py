"""The machine's addresses, from the kernel's tables."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from twisted.internet.task import Clock

from mailbox_d.net.own_addresses import READ_AGAIN, OwnAddresses, own_addresses
from tests.unit.relay.at_once import at_once, done

TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
"""
SIX = "20010db8000000000000000000000002 02 40 00 80     eth0\n"


def test_addresses_of_both_families_are_found(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(TRIE)
    (tmp_path / "if_inet6").write_text(SIX)
    assert own_addresses(tmp_path) == {ip_address("192.0.2.2"), ip_address("2001:db8::2")}


def test_a_kernel_that_tells_nothing_is_no_fault(tmp_path: Path) -> None:
    assert own_addresses(tmp_path) == frozenset()


def test_this_machine_has_the_loopback_address() -> None:
    assert ip_address("127.0.0.1") in own_addresses()


def test_an_address_that_comes_later_is_known_when_they_are_read_again(tmp_path: Path) -> None:
    """A daemon may well be started before its network is."""
    clock, late = Clock(), ip_address("192.0.2.2")
    own = OwnAddresses(at_once, clock.seconds, lambda: own_addresses(tmp_path))
    (tmp_path / "fib_trie").write_text(TRIE)
    clock.advance(READ_AGAIN - 1)
    done(own.renew())
    assert late not in own
    clock.advance(1)
    assert late not in own  # nothing is read where nobody may wait
    done(own.renew())
    assert late in own
    (tmp_path / "fib_trie").unlink()
    clock.advance(READ_AGAIN)
    done(own.renew())
    assert late not in own
