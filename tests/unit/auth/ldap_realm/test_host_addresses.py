"""Hosts' addresses: nobody waits longer than they have time, and one thread asks for each host."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence

import pytest

from mailbox_d.auth.ldap_realm.connection import LdapConnection, ServerFault, Way
from mailbox_d.auth.ldap_realm.host_addresses import HostAddresses, SocketAddress, look_up

HERE: Sequence[SocketAddress] = [(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", 389))]
SHORT, LONG = 0.05, 60.0


class Resolver:
    """Answers when it is let; `asked` has what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.go = threading.Event()
        self.fault: Exception | None = None

    def __call__(self, host: str, port: int) -> Sequence[SocketAddress]:
        self.asked.append((host, port))
        assert self.go.wait(LONG)
        if self.fault is not None:
            raise self.fault
        return HERE


def test_an_answer() -> None:
    resolver = Resolver()
    resolver.go.set()
    addresses = HostAddresses(resolver)
    assert addresses.of("ldap.example.net", 389, LONG) == HERE
    assert addresses.of("ldap.example.net", 389, LONG) == HERE
    assert len(resolver.asked) == 2  # an address may change


def test_who_has_no_time_left_does_not_wait_and_one_thread_asks() -> None:
    resolver = Resolver()
    addresses = HostAddresses(resolver)
    for _ in range(20):
        with pytest.raises(TimeoutError, match=r"ldap\.example\.net"):
            addresses.of("ldap.example.net", 389, SHORT / 10)
    assert resolver.asked == [("ldap.example.net", 389)]
    resolver.go.set()
    assert addresses.of("ldap.example.net", 389, LONG) == HERE


def test_a_name_that_does_not_exist() -> None:
    resolver = Resolver()
    resolver.fault = socket.gaierror(socket.EAI_NONAME, "unknown")
    resolver.go.set()
    addresses = HostAddresses(resolver)
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            addresses.of("ldap.example.net", 389, LONG)


def test_a_connection_waits_for_it_within_its_time() -> None:
    resolver = Resolver()
    way = Way("ldap://ldap.example.net", None, SHORT, addresses=HostAddresses(resolver))
    began = time.monotonic()
    with pytest.raises(ServerFault, match="no address"):
        LdapConnection(way)
    assert time.monotonic() - began < LONG
    resolver.go.set()


def test_the_system_s_resolver() -> None:
    assert (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ("127.0.0.1", 389)) in look_up("127.0.0.1", 389)


def test_at_the_end_nobody_waits() -> None:
    resolver = Resolver()
    addresses = HostAddresses(resolver)
    told: list[str] = []

    def ask() -> None:
        try:
            addresses.of("ldap.example.net", 389, LONG)
        except OSError as error:
            told.append(str(error))

    waiting = threading.Thread(target=ask)
    waiting.start()
    while not resolver.asked:
        waiting.join(SHORT)
    addresses.end()
    waiting.join(LONG)
    with pytest.raises(OSError, match="stopped"):
        addresses.of("ldap.example.net", 389, LONG)
    resolver.go.set()
    assert told == ["the daemon is being stopped"]
    assert len(resolver.asked) == 1
