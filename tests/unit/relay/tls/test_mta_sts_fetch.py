"""Which addresses a policy is fetched from, and for how long each is waited for; see also the tests over loopback."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import TimeoutError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from mailbox_d.relay.tls.mta_sts_fetch import ADDRESSES_MAX, FetchFailed, FetchSettings, PolicyFetcher
from tests.unit.relay.zone import Zone

NAME = "mta-sts.example.org"
BOTH = f"{NAME} A 1.1.1.1\n{NAME} A 1.1.1.2\n{NAME} AAAA 2600::1\n{NAME} AAAA 2600::2"
FOUR, SIX = {"1.1.1.1", "1.1.1.2"}, {"2600::1", "2600::2"}


class Fetching:
    """A fetch whose connections are made when the test says so."""

    def __init__(self, zone: Zone, timeout: float = 12.0) -> None:
        self.reactor: Any = MemoryReactorClock()
        settings = FetchSettings(443, 65536, timeout, lambda _: True)
        fetcher = PolicyFetcher(self.reactor, zone, SSL.Context(SSL.TLS_METHOD), settings)
        self.outcome: list[Any] = []
        Deferred.fromCoroutine(fetcher.fetch("example.org")).addBoth(self.outcome.append)

    @property
    def tried(self) -> list[tuple[str, float]]:
        """Addresses in the order of trying, with the seconds that each may take."""
        return [(host, timeout) for host, _port, _factory, timeout, _bind in self.reactor.tcpClients]

    def nobody_answers(self) -> None:
        """The connection that is being made is given up."""
        *_, (_host, _port, factory, _timeout, _bind) = self.reactor.tcpClients
        factory.clientConnectionFailed(self.reactor.connectors[-1], Failure(TimeoutError()))


def test_each_address_has_its_share_of_the_time() -> None:
    """The first one may well be dead: one of each family in turn."""
    fetching = Fetching(Zone(BOTH))
    for _ in range(ADDRESSES_MAX):
        assert not fetching.outcome
        fetching.nobody_answers()
    assert [seconds for _, seconds in fetching.tried] == [3.0] * ADDRESSES_MAX
    tried = [address for address, _ in fetching.tried]
    assert (set(tried[0::2]), set(tried[1::2])) == (FOUR, SIX)
    assert fetching.outcome[0].check(FetchFailed)


def test_a_single_address_has_all_of_it() -> None:
    assert Fetching(Zone(f"{NAME} AAAA 2600::1")).tried == [("2600::1", 12.0)]


@pytest.mark.parametrize(("failing", "left"), [("A", SIX), ("AAAA", FOUR)])
def test_a_family_that_cannot_be_looked_up_is_passed_over(failing: str, left: set[str]) -> None:
    fetching = Fetching(Zone(BOTH, failing=[f"{NAME} {failing}"]))
    fetching.nobody_answers()
    assert {address for address, _ in fetching.tried} == left


@pytest.mark.parametrize("failing", [NAME, f"{NAME} A", f"{NAME} AAAA"])
def test_where_none_is_known_the_failure_is_told(failing: str) -> None:
    (outcome,) = Fetching(Zone("", failing=[failing])).outcome
    assert outcome.check(FetchFailed)
    assert "cannot be looked up" in outcome.getErrorMessage()
