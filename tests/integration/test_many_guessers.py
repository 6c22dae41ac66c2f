"""Attack 36 at a real daemon by clients of many addresses: all of 127.0.0.0/8 is this machine's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from tests.integration.daemon import running
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site, make_site

LIMITS = {
    "login_failure_delay": "10 ms",
    "login_wait": "10 min",
    "login_wait_most": "10 min",
    "login_failures_per_address": 5,
    "login_failures_per_network": 20,
    "login_failures_per_user": 10,
}
AT_ONCE = 8


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests: their clients are of different networks."""
    site = make_site(tmp_path_factory.mktemp("guessed") / "site")
    configuration = yaml.safe_load(site.configuration.read_text())
    configuration["limits"] |= LIMITS
    site.configuration.write_text(yaml.safe_dump(configuration))
    with running(site):
        yield site


def may_log_in(site: Site, source: str, user: str, password: str = PASSWORD) -> bool:
    """Whether a client at that address is let in over IMAP; who is not is told nothing but that."""
    with (
        socket.create_connection((HOST, site.ports["imap"]), 60, (source, 0)) as connection,
        connection.makefile("rb") as lines,
    ):
        lines.readline()
        connection.sendall(f"a LOGIN {user} {password}\r\n".encode())
        answer = lines.readline()
        while answer.startswith(b"*"):
            answer = lines.readline()
        assert answer.startswith((b"a OK", b"a NO [AUTHENTICATIONFAILED] Wrong user or password")), answer
        return answer.startswith(b"a OK")


def let_in(site: Site, tries: list[tuple[str, str, str]]) -> int:
    """How many of these, some at a time, are let in: each an address, a user and a password."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda one: may_log_in(site, *one), tries))


def test_attack_36_a_thousand_networks_guess_at_one_user(site: Site) -> None:
    assert may_log_in(site, HOST, BOB)
    networks = [f"127.{number // 200 + 1}.{number % 200}.7" for number in range(1000)]
    assert let_in(site, [(address, BOB, f"guess{address}") for address in networks]) == 0
    assert let_in(site, [(f"127.99.{number}.7", BOB, PASSWORD) for number in range(20)]) == 0
    assert may_log_in(site, HOST, BOB)  # they have been there before
    assert may_log_in(site, "127.99.0.7", ALICE)


def test_attack_36_all_addresses_of_a_network_guess_at_many_users(site: Site) -> None:
    assert may_log_in(site, "127.9.9.250", ALICE)
    guesses = [(f"127.9.9.{number + 1}", f"user{number}@example.org", "guess") for number in range(200)]
    assert let_in(site, guesses) == 0
    assert not may_log_in(site, "127.9.9.251", ALICE)
    assert may_log_in(site, "127.9.9.250", ALICE)
    assert may_log_in(site, "127.9.10.1", ALICE)


def test_attack_36_one_address_tries_many_users(site: Site) -> None:
    assert let_in(site, [("127.8.8.1", f"user{number}@example.org", "guess") for number in range(50)]) == 0
    assert not may_log_in(site, "127.8.8.1", ALICE)
    assert may_log_in(site, "127.8.8.2", ALICE)
