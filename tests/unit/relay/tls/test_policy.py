"""Which rule decides how a connection must be, what is then done with servers of every kind, and what is remembered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mailbox_d.queue.message import Envelope, Parcel, Queued, Source
from mailbox_d.relay.dispatch.outcomes import Tried
from mailbox_d.relay.ports import Host, PeerFailure, Route, Security, TlsDemand, TlsState
from mailbox_d.relay.tls.handshakes import OutgoingTls
from mailbox_d.relay.tls.mta_sts import Mode, Policy
from mailbox_d.relay.tls.mta_sts_cache import FoundPolicy
from mailbox_d.relay.tls.policy import TlsPolicies, TlsRules
from mailbox_d.relay.tls.remembered import RememberedTls
from mailbox_d.relay.tls.results import Reporter, TlsResults
from mailbox_d.store.files import FileSystem
from mailbox_d.wire.dns.records import TLSA
from tests.integration.authority import Authority, Pair, self_signed
from tests.unit.relay.at_once import at_once, done
from tests.unit.relay.handshakes import shake_hands

NAME, DOMAIN = "mx.example.org", "example.org"
PLAIN, ENCRYPTED, AUTHENTICATED = Security
ROOT = Authority()
RIGHT, WRONG_NAME, EXPIRED, UNKNOWN = ROOT.issue(NAME), ROOT.issue("a.test"), ROOT.expired(NAME), self_signed(NAME)
RECORD = TLSA(*UNKNOWN.tlsa(3, 1, 1))
UNUSABLE = TLSA(1, 1, 1, bytes(32))

HOST = Host(NAME, 25, ())
SIGNED = replace(HOST, tlsa=(RECORD,), secure=True)
ROUTE = Route("key", DOMAIN, (HOST,))
RELAY = Route("relay", DOMAIN, (HOST,), is_relay=True, tls="verified")

ENFORCED = FoundPolicy(Policy(Mode.ENFORCE, 1000, (NAME,)))
ELSEWHERE = FoundPolicy(Policy(Mode.ENFORCE, 1000, ("other.example.org", "*.example.net")))
TESTED = FoundPolicy(Policy(Mode.TESTING, 1000, (NAME,)))
TESTED_ELSEWHERE = FoundPolicy(Policy(Mode.TESTING, 1000, ("other.example.org",)))
ENDED = FoundPolicy(Policy(Mode.NONE, 1000))
NOT_FOUND = FoundPolicy(None, "status 500", "sts-policy-fetch-error")


def parcel(*, require_tls: bool = False) -> Parcel:
    envelope = Envelope(None, (), require_tls=require_tls)
    return Parcel(Queued("1", envelope, Source.USER, 0.0, 100), ())


class Published:
    """What MTA-STS says, of every domain."""

    def __init__(self) -> None:
        self.found = FoundPolicy()

    async def of(self, domain: str) -> FoundPolicy:
        return self.found


class Place:
    def __init__(self, folder: Path) -> None:
        self.now = 1_000_000.0
        shared: dict[str, Any] = {"run": at_once, "clock": lambda: self.now}
        self.published: Any = Published()
        self.remembered = RememberedTls(FileSystem(), os.fsencode(folder / "levels"), most=100, **shared)
        self.results = TlsResults(FileSystem(), os.fsencode(folder / "tlsrpt"), octets=1 << 20, **shared)
        self.policies = TlsPolicies(TlsRules(self.published, self.remembered, self.results))
        self.tls = OutgoingTls(ROOT.write(folder))

    def demand(self, host: Host = HOST, route: Route = ROUTE, *, require_tls: bool = False, **more: Any) -> TlsDemand:
        return done(self.policies.demand(route, host, parcel(require_tls=require_tls), **more))  # type: ignore[no-any-return]

    def refusal(self, host: Host = HOST, **more: Any) -> PeerFailure:
        with pytest.raises(PeerFailure) as caught:
            self.demand(host, **more)
        return caught.value

    def seen(self, state: TlsState, host: Host = HOST, route: Route = ROUTE) -> None:
        self.policies.note(route, host, Tried(host.name, "192.0.2.1", state), state.failure)

    def report(self) -> dict[str, Any]:
        found = done(self.results.report(date(1970, 1, 12), DOMAIN, Reporter("Us", "tls@example.net")))
        return found or {"policies": []}

    def policy_told(self, kind: str) -> Any:
        return next(one for one in self.report()["policies"] if one["policy"]["policy-type"] == kind)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_any_rule_tls_is_used_if_it_is_offered(place: Place) -> None:
    for found in (FoundPolicy(), ENDED, NOT_FOUND):
        place.published.found = found
        assert place.demand() == TlsDemand(PLAIN, (NAME,), policy="opportunistic")


def test_rules_that_are_off_say_nothing(place: Place) -> None:
    place.policies = TlsPolicies(TlsRules(dane=False))
    assert place.demand(SIGNED) == TlsDemand(PLAIN, (NAME,), policy="opportunistic")
    place.seen(TlsState(AUTHENTICATED))


@pytest.mark.parametrize(("tls", "least"), [("verified", AUTHENTICATED), ("encrypted", ENCRYPTED), ("optional", PLAIN)])
def test_a_configured_relay_is_as_the_operator_says(place: Place, tls: str, least: Security) -> None:
    """Whatever the recipient's domain says, which is not who is connected to."""
    place.published.found = ELSEWHERE
    place.remembered.note(DOMAIN, AUTHENTICATED)
    for tls_optional in (False, True):
        demand = place.demand(SIGNED, replace(RELAY, tls=tls), tls_optional=tls_optional)
        assert demand == TlsDemand(least, (NAME,), policy="configured")
    place.seen(TlsState(AUTHENTICATED), route=replace(RELAY, domain="other.example"))
    assert place.remembered.level("other.example") is PLAIN


def test_dane_comes_before_all_that_the_domain_says(place: Place) -> None:
    place.published.found = ENFORCED
    place.remembered.note(DOMAIN, AUTHENTICATED)
    assert place.demand(SIGNED) == TlsDemand(AUTHENTICATED, (NAME, DOMAIN), (RECORD,), "dane")


def test_a_server_that_is_called_otherwise_too_is_asked_by_the_name_that_has_records(place: Place) -> None:
    """And shows a certificate for that name, for the recipients' domain or for the name that the domain gave."""
    host = replace(SIGNED, tlsa_name="other.example.net")
    assert place.demand(host).names == ("other.example.net", DOMAIN, NAME)


def test_records_that_are_not_signed_are_not_believed(place: Place) -> None:
    assert place.demand(replace(SIGNED, secure=False)).policy == "opportunistic"


@pytest.mark.parametrize("found", [FoundPolicy(), TESTED])
def test_records_that_nobody_can_go_by_demand_encryption(place: Place, found: FoundPolicy) -> None:
    place.published.found = found
    host = replace(SIGNED, tlsa=(UNUSABLE,))
    assert place.demand(host) == TlsDemand(ENCRYPTED, (NAME,), policy="dane")
    place.remembered.note(DOMAIN, AUTHENTICATED)
    assert place.demand(host) == TlsDemand(AUTHENTICATED, (NAME,), policy="seen before")


def test_of_records_the_usable_ones_decide(place: Place) -> None:
    assert place.demand(replace(SIGNED, tlsa=(UNUSABLE, RECORD))).tlsa == (RECORD,)


def test_mta_sts_that_is_enforced(place: Place) -> None:
    place.published.found = ENFORCED
    assert place.demand() == TlsDemand(AUTHENTICATED, (NAME,), policy="mta-sts")
    assert place.demand(replace(SIGNED, tlsa=(UNUSABLE,))).policy == "mta-sts"


@pytest.mark.parametrize("host", [HOST, SIGNED])
def test_attack_48_a_server_that_the_policy_does_not_name_is_not_tried(place: Place, host: Host) -> None:
    place.published.found = ELSEWHERE
    refusal = place.refusal(host)
    assert (refusal.status, refusal.temporary, refusal.stage) == ("4.7.5", True, "tls")
    assert refusal.failure == "validation-failure"


def test_mta_sts_that_is_tested_demands_nothing(place: Place) -> None:
    for found in (TESTED, TESTED_ELSEWHERE):
        place.published.found = found
        assert place.demand() == TlsDemand(PLAIN, (NAME,), policy="mta-sts testing")


@pytest.mark.parametrize("level", [ENCRYPTED, AUTHENTICATED])
def test_what_was_seen_before_is_demanded(place: Place, level: Security) -> None:
    place.seen(TlsState(level))
    place.seen(TlsState(PLAIN, failure="starttls-not-supported"))
    for found in (FoundPolicy(), TESTED, ENDED, NOT_FOUND):
        place.published.found = found
        assert place.demand() == TlsDemand(level, (NAME,), policy="seen before")
    place.now += 30 * 86400
    assert place.demand().least is PLAIN


def test_a_certificate_that_dane_alone_vouches_for_is_not_demanded_without_dane(place: Place) -> None:
    """A domain may take its records back and go on with a certificate of no authority."""
    place.seen(TlsState(AUTHENTICATED), SIGNED)
    assert place.demand() == TlsDemand(ENCRYPTED, (NAME,), policy="seen before")


def test_mail_that_is_to_arrive_rather_than_be_secured(place: Place) -> None:
    place.remembered.note(DOMAIN, AUTHENTICATED)
    for found in (ENFORCED, ELSEWHERE):
        place.published.found = found
        demand = place.demand(SIGNED, tls_optional=True)
        assert demand == TlsDemand(PLAIN, (NAME,), policy="TLS-Required: No")
    assert place.refusal(require_tls=True, tls_optional=True).temporary


@pytest.mark.parametrize(
    ("host", "route", "found", "expected"),
    [
        (SIGNED, ROUTE, FoundPolicy(), TlsDemand(AUTHENTICATED, (NAME, DOMAIN), (RECORD,))),
        (replace(HOST, secure=True), ROUTE, FoundPolicy(), TlsDemand(AUTHENTICATED, (NAME,))),
        (HOST, replace(ROUTE, secure=True), FoundPolicy(), TlsDemand(AUTHENTICATED, (NAME,))),
        (HOST, ROUTE, ENFORCED, TlsDemand(AUTHENTICATED, (NAME,))),
        (HOST, ROUTE, TESTED, TlsDemand(AUTHENTICATED, (NAME,))),
        (HOST, RELAY, FoundPolicy(), TlsDemand(AUTHENTICATED, (NAME,))),
        (HOST, replace(RELAY, tls="optional"), FoundPolicy(), TlsDemand(AUTHENTICATED, (NAME,))),
    ],
)
def test_requiretls(place: Place, host: Host, route: Route, found: FoundPolicy, expected: TlsDemand) -> None:
    place.published.found = found
    demand = place.demand(host, route, require_tls=True)
    assert demand == replace(expected, policy="requiretls", needs_requiretls=True)


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (FoundPolicy(), "5.7.30"),
        (ENDED, "5.7.30"),
        (TESTED_ELSEWHERE, "5.7.30"),
        (NOT_FOUND, "4.7.30"),
        (ELSEWHERE, "4.7.5"),
    ],
)
def test_requiretls_and_a_server_whose_name_anybody_may_have_made_up(
    place: Place, found: FoundPolicy, status: str
) -> None:
    place.published.found = found
    refusal = place.refusal(require_tls=True)
    assert (refusal.status, refusal.temporary) == (status, status.startswith("4"))


SERVERS = {"right": RIGHT, "wrong name": WRONG_NAME, "expired": EXPIRED, "unknown": UNKNOWN, "no TLS": None}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("rule", "host", "good"),
    [
        ("nothing", HOST, set(SERVERS)),
        ("tested", HOST, set(SERVERS)),
        ("encrypted before", HOST, set(SERVERS) - {"no TLS"}),
        ("unusable records", replace(SIGNED, tlsa=(UNUSABLE,)), set(SERVERS) - {"no TLS"}),
        ("authenticated before", HOST, {"right"}),
        ("enforced", HOST, {"right"}),
        ("enforced and encrypted before", HOST, {"right"}),
        ("dane", SIGNED, {"unknown"}),
        ("dane and enforced", SIGNED, {"unknown"}),
        ("requiretls", replace(HOST, secure=True), {"right"}),
        ("requiretls", SIGNED, {"unknown"}),
    ],
)
def test_attack_48_no_server_gets_mail_over_less_than_is_demanded(
    place: Place, rule: str, host: Host, good: set[str], server: str
) -> None:
    """Each server by a real handshake, or as it hides STARTTLS."""
    place.published.found = ENFORCED if "enforced" in rule else TESTED if rule == "tested" else FoundPolicy()
    if "before" in rule:
        place.remembered.note(DOMAIN, AUTHENTICATED if "authenticated" in rule else ENCRYPTED)
    demand = place.demand(host, require_tls=rule == "requiretls")
    pair: Pair | None = SERVERS[server]
    state = TlsState() if pair is None else shake_hands(place.tls.handshake(host, demand), pair.context())[0]
    assert (state.security >= demand.least) == (server in good)


@pytest.mark.parametrize(
    ("host", "found", "state", "kind", "failure"),
    [
        (HOST, FoundPolicy(), TlsState(AUTHENTICATED), "no-policy-found", ""),
        (HOST, FoundPolicy(), TlsState(ENCRYPTED, failure="certificate-expired"), "no-policy-found", ""),
        (HOST, ENDED, TlsState(ENCRYPTED, failure="certificate-expired"), "no-policy-found", ""),
        (HOST, FoundPolicy(), TlsState(failure="starttls-not-supported"), "no-policy-found", "starttls-not-supported"),
        (HOST, ENFORCED, TlsState(AUTHENTICATED), "sts", ""),
        (HOST, ENFORCED, TlsState(ENCRYPTED, failure="certificate-expired"), "sts", "certificate-expired"),
        (HOST, TESTED, TlsState(ENCRYPTED, failure="certificate-expired"), "sts", "certificate-expired"),
        (HOST, TESTED, TlsState(failure="starttls-not-supported"), "sts", "starttls-not-supported"),
        (HOST, TESTED_ELSEWHERE, TlsState(AUTHENTICATED), "sts", "validation-failure"),
        (SIGNED, ENFORCED, TlsState(AUTHENTICATED), "tlsa", ""),
        (SIGNED, ENFORCED, TlsState(ENCRYPTED, failure="tlsa-invalid"), "tlsa", "tlsa-invalid"),
    ],
)
def test_what_is_told_of_a_session(
    place: Place, host: Host, found: FoundPolicy, state: TlsState, kind: str, failure: str
) -> None:
    place.published.found = found
    place.demand(host)
    place.seen(state, host)
    told = place.policy_told(kind)
    assert told["summary"] == {
        "total-successful-session-count": int(not failure),
        "total-failure-session-count": int(bool(failure)),
    }
    assert [one["result-type"] for one in told.get("failure-details", ())] == ([failure] if failure else [])
    assert len(place.report()["policies"]) == 1


def test_a_server_that_is_not_tried_is_told_too(place: Place) -> None:
    place.published.found = ELSEWHERE
    refusal = place.refusal()
    place.policies.note(ROUTE, HOST, Tried(NAME), refusal.failure)
    told = place.policy_told("sts")
    assert told["policy"]["mx-host"] == ["other.example.org", "*.example.net"]
    assert told["policy"]["policy-string"][0] == "version: STSv1"
    assert told["failure-details"][0]["receiving-mx-hostname"] == NAME


def test_a_policy_that_could_not_be_fetched_is_told_beside_the_session(place: Place) -> None:
    place.published.found = NOT_FOUND
    place.demand()
    place.seen(TlsState(AUTHENTICATED))
    assert place.policy_told("no-policy-found")["summary"]["total-successful-session-count"] == 1
    (detail,) = place.policy_told("sts")["failure-details"]
    assert detail == {
        "result-type": "sts-policy-fetch-error",
        "failed-session-count": 1,
        "failure-reason-code": "status 500",
    }


def test_where_there_was_no_connection_nothing_is_told(place: Place) -> None:
    place.seen(TlsState())
    assert place.report() == {"policies": []}
    assert place.remembered.all() == ()


def test_reports_are_json(place: Place) -> None:
    place.seen(TlsState(AUTHENTICATED))
    assert json.loads(json.dumps(place.report()))["contact-info"] == "tls@example.net"


@pytest.mark.parametrize("make", [lambda: ENFORCED, lambda: FoundPolicy()])
def test_a_thousand_domains_are_not_all_remembered(place: Place, make: Callable[[], FoundPolicy]) -> None:
    place.published.found = make()
    for number in range(1100):
        place.demand(route=replace(ROUTE, domain=f"d{number}.example"))
    assert len(place.policies._recent) == 1000
