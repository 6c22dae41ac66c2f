"""Which servers a message goes to."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from mailbox_d.address import EmailAddress
from mailbox_d.config.outgoing import Queue
from mailbox_d.net.own_addresses import READ_AGAIN, OwnAddresses
from mailbox_d.relay.ports import Host, Login, Route, Undeliverable
from mailbox_d.relay.routes.presets import PRESETS
from mailbox_d.relay.routes.routing import Routing, literal_address
from mailbox_d.relay.routes.smarthost import read_password
from mailbox_d.relay.routes.special_addresses import is_special
from mailbox_d.wire.dns.records import MX, TLSA, Answer
from tests.unit.relay.at_once import at_once, done
from tests.unit.relay.routes.test_special_addresses import SPECIAL
from tests.unit.relay.zone import Zone

OURSELVES = "mail.example.org"
ALICE = EmailAddress.parse("alice@example.org")
DIGEST = "ab" * 32
USUAL = f"""
example.com MX 10 mx1.example.com
example.com MX 20 mx2.example.com
mx1.example.com A 1.1.1.1
mx1.example.com AAAA 2600::1
mx2.example.com A 1.1.1.2
_25._tcp.mx1.example.com TLSA 3 1 1 {DIGEST}
relay.example.net A 10.0.0.25
"""


def routing(
    zone: Zone, *, own: Collection[str] | OwnAddresses = (), most_hosts: int = 5, seed: int = 0, **queue: Any
) -> Routing:
    async def password_of(path: Path) -> str:
        return read_password(path)

    return Routing(
        Queue.model_validate(queue),
        zone,
        hostname=OURSELVES,
        most_hosts=most_hosts,
        read_password=password_of,
        own=own if isinstance(own, OwnAddresses) else these_are_ours(own),
        chance=random.Random(seed),
    )


def these_are_ours(addresses: Collection[str]) -> OwnAddresses:
    return OwnAddresses(at_once, Clock().seconds, lambda: frozenset(map(ip_address, addresses)))


def found(zone: Zone | str, domain: str = "example.com", sender: EmailAddress | None = ALICE, **settings: Any) -> Route:
    zone = Zone(zone) if isinstance(zone, str) else zone
    route: Route = done(routing(zone, **settings).route(domain, sender))
    return route


def status(zone: Zone | str, domain: str = "example.com", **settings: Any) -> str:
    """The status of what cannot be sent."""
    with pytest.raises(Undeliverable) as refused:
        found(zone, domain, **settings)
    assert refused.value.status.startswith("4" if refused.value.temporary else "5")
    assert refused.value.public.isascii() and refused.value.public.isprintable()
    return refused.value.status


def names(route: Route) -> list[str]:
    return [host.name for host in route.hosts]


def addresses(route: Route) -> list[str]:
    return [str(address) for host in route.hosts for address in host.addresses]


def hosts_of(*lines: str) -> str:
    """MX records of example.com such as `10 a`, each host of which has an address."""
    hosts = sorted({line.split()[1] for line in lines})
    return "\n".join(
        [f"example.com MX {line}" for line in lines] + [f"{host} A 1.1.1.{n}" for n, host in enumerate(hosts)]
    )


# -- by MX ------------------------------------------------------------------------------------------------------


def test_the_most_preferred_host_is_tried_first_and_families_in_turn() -> None:
    route = found(USUAL)
    assert names(route) == ["mx1.example.com", "mx2.example.com"]
    assert addresses(route) == ["2600::1", "1.1.1.1", "1.1.1.2"]
    assert (route.domain, route.is_relay, route.login, route.tls, route.secure) == (
        "example.com",
        False,
        None,
        "optional",
        False,
    )
    assert {host.port for host in route.hosts} == {25}


def test_families_alternate_up_to_the_limit() -> None:
    many = "".join(f"example.com A 1.1.1.{n}\nexample.com AAAA 2600::{n}\n" for n in range(1, 10))
    assert [ip_address(text).version for text in addresses(found(many))] == [6, 4, 6, 4, 6]
    assert {ip_address(text).version for text in addresses(found(many, ipv6=False))} == {4}


def test_without_ipv6_nobody_asks_for_it() -> None:
    zone = Zone(USUAL)
    found(zone, ipv6=False)
    assert not [asked for asked in zone.asked if asked.endswith("AAAA")]


class InOrder(Zone):
    """Names exchangers always in the same order."""

    async def mx(self, name: str) -> Answer[MX]:
        answer = await super().mx(name)
        return replace(answer, records=tuple(sorted(answer.records, key=str)))


def test_hosts_of_equal_preference_are_tried_in_any_order() -> None:
    zone = InOrder(hosts_of("20 z", *(f"10 {host}" for host in "abcd")))
    orders = {tuple(names(found(zone, seed=seed))) for seed in range(200)}
    assert len(orders) == 24
    assert {order[-1] for order in orders} == {"z"}


def test_a_host_that_is_named_twice_is_tried_once() -> None:
    assert names(found(hosts_of("30 a", "20 b", "10 a"))) == ["a", "b"]


def test_a_domain_without_mx_is_its_own_host() -> None:
    assert names(found("example.com A 1.1.1.1")) == ["example.com"]
    assert addresses(found("example.com AAAA 2600::1")) == ["2600::1"]


def test_nothing_but_mx_counts_where_there_is_one() -> None:
    assert status("example.com MX 10 mx.example.com\nexample.com A 1.1.1.1") == "5.4.4"


def test_an_alias_is_its_domain() -> None:
    assert names(found(USUAL + "www.example.com CNAME example.com", "www.example.com")) == names(found(USUAL))


def test_no_such_domain_is_for_good_and_no_answer_for_now() -> None:
    assert status("", "nobody.example") == "5.1.2"
    assert status("example.com TXT x") == "5.1.2"
    for failing in (["example.com"], ["example.com MX"], ["mx1.example.com", "mx2.example.com"]):
        assert status(Zone(USUAL, failing=failing)) == "4.4.3"
    for failing in (["example.com A"], ["example.com AAAA"]):
        assert status(Zone("example.com TXT x", failing=failing)) == "4.4.3"


def test_rfc_7505_a_null_mx_takes_no_mail() -> None:
    zone = Zone("example.com MX 0 .\nexample.com A 1.1.1.1")
    assert status(zone) == "5.1.10"
    assert zone.asked == ["example.com MX"]
    assert names(found(hosts_of("10 a") + "\nexample.com MX 0 .")) == ["a"]


def test_a_host_that_cannot_be_looked_up_does_not_stop_the_others() -> None:
    assert names(found(Zone(USUAL, failing=["mx1.example.com"]))) == ["mx2.example.com"]
    assert addresses(found(Zone(USUAL, failing=["mx1.example.com AAAA"]))) == ["1.1.1.1", "1.1.1.2"]
    assert addresses(found(Zone(USUAL, failing=["mx1.example.com A"]))) == ["2600::1", "1.1.1.2"]


def test_so_many_hosts_and_addresses_are_tried_and_no_more() -> None:
    zone = Zone(hosts_of(*(f"{n} h{n}" for n in range(50))))
    assert names(found(zone, most_hosts=3)) == ["h0", "h1", "h2"]
    assert len(zone.asked) == 1 + 2 * 3
    many = "".join(f"example.com A 1.1.1.{n}\n" for n in range(50))
    assert len(addresses(found(many, most_hosts=3))) == 3


def test_hosts_that_are_not_there_are_passed_over_to_a_bound() -> None:
    there = "h11 A 1.1.1.1\nh31 A 1.1.1.1\n"
    some, many = ("".join(f"example.com MX {n} h{n}\n" for n in range(count)) for count in (12, 40))
    assert names(found(some + there)) == ["h11"]
    assert status(some) == "5.4.4"
    zone = Zone(many)
    assert status(zone) == "4.4.3"
    assert len(zone.asked) == 1 + 2 * 20


def test_configured_ports_are_used_for_tests() -> None:
    assert {host.port for host in found(USUAL, port=2525).hosts} == {2525}


def test_routes_share_connections_by_domain() -> None:
    same = "example.net MX 10 mx1.example.com\n"
    keys = [found(USUAL + same, domain).key for domain in ("example.com", "example.com", "example.net")]
    assert keys[0] == keys[1] != keys[2]


# -- loops ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (("10 a", "20 mail.example.org", "20 b", "30 c"), ["a"]),
        (("10 a", "15 b", "20 MAIL.example.org"), ["a", "b"]),
    ],
)
def test_who_is_not_preferred_to_us_would_send_it_back(lines: tuple[str, ...], left: list[str]) -> None:
    assert names(found(hosts_of(*lines))) == left


def test_mail_for_ourselves_alone_is_a_loop() -> None:
    assert status(hosts_of("10 mail.example.org", "20 a")) == "5.4.6"
    assert status("mail.example.org A 1.1.1.1", OURSELVES) == "5.4.6"


def test_an_address_of_ours_is_ourselves_whatever_its_name() -> None:
    zone = "example.com MX 10 a\nexample.com MX 20 b\nexample.com MX 30 c\na A 1.1.1.1\nb A 1.1.1.2\nc A 1.1.1.3"
    assert names(found(zone, own=["1.1.1.2"])) == ["a"]
    assert names(found(zone + "\nb AAAA 2600::1", own=["2600::1"])) == ["a"]
    assert status(zone, own=["1.1.1.1"]) == "5.4.6"
    assert status(Zone(zone, failing=["a"]), own=["1.1.1.2"]) == "4.4.3"
    assert status(Zone(zone, failing=["c"]), own=["1.1.1.1"]) == "5.4.6"
    assert names(found(zone, own=["1.1.1.1"], allowed_addresses=["1.1.1.1"])) == ["a", "b", "c"]


def test_an_address_that_became_ours_since_the_start_is_ours() -> None:
    """Nothing goes round in circles because the network came after the daemon."""
    clock, ours = Clock(), ["127.0.0.1"]
    own = OwnAddresses(at_once, clock.seconds, lambda: frozenset(map(ip_address, ours)))
    asked = routing(Zone("example.com A 1.1.1.1"), own=own)
    assert done(asked.route("example.com", ALICE)).hosts
    ours.append("1.1.1.1")
    clock.advance(READ_AGAIN)
    with pytest.raises(Undeliverable) as refusal:
        done(asked.route("example.com", ALICE))
    assert refusal.value.status == "5.4.6"
    assert not asked.is_allowed(ip_address("1.1.1.1"))


# -- attack 117 -------------------------------------------------------------------------------------------------


def record_of(name: str, address: str) -> str:
    return f"{name} {'A' if ip_address(address).version == 4 else 'AAAA'} {address}\n"


@pytest.mark.parametrize("address", SPECIAL)
def test_attack_117_a_special_address_is_not_sent_to(address: str) -> None:
    for zone in (record_of("example.com", address), "example.com MX 10 mx\n" + record_of("mx", address)):
        assert status(zone) == "5.4.4"
        assert addresses(found(zone, allowed_addresses=[address])) == [str(ip_address(address))]
    beside = "example.com MX 10 mx\nmx A 1.1.1.1\nmx AAAA 2600::1\n" + record_of("mx", address)
    assert set(addresses(found(beside))) == {"1.1.1.1", "2600::1"}
    assert not routing(Zone()).is_allowed(ip_address(address))


def test_attack_117_what_is_half_known_is_not_refused_for_good() -> None:
    assert status(Zone("example.com A 127.0.0.1", failing=["example.com AAAA"])) == "4.4.3"


def test_attack_117_an_address_is_judged_again_when_it_is_connected_to() -> None:
    asked = routing(Zone(), own=["1.1.1.1"], allowed_addresses=["10.0.0.0/8"])
    judged = {text: asked.is_allowed(ip_address(text)) for text in ("1.1.1.1", "8.8.8.8", "10.1.1.1", "127.0.0.1")}
    assert judged == {"1.1.1.1": False, "8.8.8.8": True, "10.1.1.1": True, "127.0.0.1": False}
    assert asked.is_allowed(ip_address("127.0.0.1"), is_relay=True)
    assert not asked.is_allowed(ip_address("0.0.0.0"), is_relay=True)


anywhere = st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address)
special = st.sampled_from(SPECIAL).map(ip_address)
ALLOWED = [ip_network("10.0.0.0/9"), ip_network("fd00::/16")]


@given(st.lists(st.lists(anywhere | special, max_size=4), min_size=1, max_size=4), st.booleans())
def test_no_special_address_ever_comes_out_unless_it_is_allowed(
    hosts: list[list[IPv4Address | IPv6Address]], allowing: bool
) -> None:
    zone = "".join(f"example.com MX {n} h{n}\n" for n in range(len(hosts)))
    zone += "".join(record_of(f"h{n}", str(address)) for n, told in enumerate(hosts) for address in told)
    allowed = [str(network) for network in ALLOWED] if allowing else []
    try:
        route = found(zone, allowed_addresses=allowed)
    except Undeliverable:
        return
    for host in route.hosts:
        for address in host.addresses:
            assert address in hosts[int(host.name[1:])]
            assert not is_special(address) or (allowing and any(address in network for network in ALLOWED))


# -- address literals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("domain", "address"), [("[8.8.8.8]", "8.8.8.8"), ("[ipv6:2600::1]", "2600::1")])
def test_an_address_literal_is_its_own_host(domain: str, address: str) -> None:
    zone = Zone()
    assert found(zone, domain).hosts == (Host(address, 25, (ip_address(address),)),)
    assert status(zone, domain, own=[address]) == "5.4.4"
    assert zone.asked == []


@pytest.mark.parametrize("domain", ["[127.0.0.1]", "[ipv6:::1]", "[ipv6:::ffff:127.0.0.1]", "[169.254.169.254]"])
def test_no_literal_leads_to_a_special_address(domain: str) -> None:
    assert status(Zone(), domain) == "5.4.4"
    assert (
        len(
            addresses(
                found(Zone(), domain, allowed_addresses=["127.0.0.0/8", "::/96", "169.254.169.254", "::ffff:0:0/96"])
            )
        )
        == 1
    )


@pytest.mark.parametrize(
    "domain", ["[x]", "[1.2.3]", "[2600::1]", "[ipv6:1.2.3.4]", "[0x7f000001]", "[127.1]", "[017700000001]"]
)
def test_what_is_no_address_is_no_literal(domain: str) -> None:
    assert literal_address(domain) is None
    assert status(Zone(), domain) == "5.1.2"


@pytest.mark.parametrize("domain", ["127.0.0.1", "0x7f000001", "localhost"])
def test_a_name_that_looks_like_an_address_is_a_name(domain: str) -> None:
    assert status(Zone(), domain) == "5.1.2"
    assert status("example.com MX 10 127.0.0.1") == "5.4.4"


# -- DANE -------------------------------------------------------------------------------------------------------


def test_certificates_are_asked_for_where_all_that_leads_there_is_signed() -> None:
    first, second = found(Zone(USUAL, secure=True)).hosts
    assert (first.secure, first.tlsa) == (True, (TLSA(3, 1, 1, bytes.fromhex(DIGEST)),))
    assert (second.secure, second.tlsa) == (True, ())
    assert found(Zone(USUAL, secure=True)).secure


@pytest.mark.parametrize(
    ("insecure", "route_secure"),
    [
        ("example.com", False),
        ("mx1.example.com", True),
        ("mx1.example.com A", True),
        ("mx1.example.com AAAA", True),
    ],
)
def test_nobody_asks_for_the_certificate_of_a_host_that_is_not_signed(insecure: str, route_secure: bool) -> None:
    zone = Zone(USUAL, secure=True, insecure=[insecure])
    route = found(zone)
    assert (route.hosts[0].secure, route.hosts[0].tlsa, route.secure) == (False, (), route_secure)
    assert "_25._tcp.mx1.example.com TLSA" not in zone.asked


def test_certificates_that_are_not_signed_are_none() -> None:
    first = found(Zone(USUAL, secure=True, insecure=["_25._tcp.mx1.example.com"])).hosts[0]
    assert (first.secure, first.tlsa) == (True, ())


def test_without_dane_nobody_asks() -> None:
    zone = Zone(USUAL, secure=True)
    assert found(zone, dane=False).hosts[0].tlsa == ()
    assert not [asked for asked in zone.asked if asked.endswith("TLSA")]


def test_a_host_whose_certificate_cannot_be_looked_up_is_not_tried_now() -> None:
    failing = ["_25._tcp.mx1.example.com", "_25._tcp.mx2.example.com"]
    assert names(found(Zone(USUAL, secure=True, failing=failing[:1]))) == ["mx2.example.com"]
    assert status(Zone(USUAL, secure=True, failing=failing)) == "4.4.3"


def test_who_stops_one_question_does_not_make_a_host_unsigned() -> None:
    for kind in ("A", "AAAA"):
        first = found(Zone(USUAL, secure=True, failing=[f"mx1.example.com {kind}"])).hosts[0]
        assert (first.secure, len(first.tlsa)) == (True, 1)


def test_a_domain_without_mx_may_have_certificates_too() -> None:
    zone = Zone(f"example.com A 1.1.1.1\n_25._tcp.example.com TLSA 3 1 1 {DIGEST}", secure=True)
    assert len(found(zone).hosts[0].tlsa) == 1


def test_certificates_are_at_the_port_and_at_what_the_host_s_name_stands_for() -> None:
    zone = f"example.com MX 10 mx\nmx CNAME other\nother A 1.1.1.1\n_2525._tcp.other TLSA 3 1 1 {DIGEST}"
    own = f"example.com MX 10 mx\nmx CNAME other\nother A 1.1.1.1\n_2525._tcp.mx TLSA 3 1 1 {DIGEST}"
    for text, name in ((zone, "other"), (own, "mx")):
        (host,) = found(Zone(text, secure=True), port=2525).hosts
        assert (host.name, len(host.tlsa), host.tlsa_name) == ("mx", 1, name)


ALIAS = f"""
example.com MX 10 mx.example.com
mx.example.com CNAME mx.example.net
mx.example.net A 1.1.1.1
_25._tcp.mx.example.com TLSA 3 1 1 {DIGEST}
_25._tcp.mx.example.net TLSA 3 1 1 {"cd" * 32}
"""
UNSIGNED = ["mx.example.com A", "mx.example.com AAAA", "mx.example.net", "_25._tcp.mx.example.net"]


def test_a_name_that_is_signed_and_stands_for_one_that_is_not_has_certificates_of_its_own() -> None:
    """RFC 7672 section 2.2.2: they are at the first name, and nowhere else."""
    zone = Zone(ALIAS, secure=True, insecure=UNSIGNED)
    (host,) = found(zone).hosts
    assert (host.secure, host.tlsa_name) == (True, "mx.example.com")
    assert host.tlsa == (TLSA(3, 1, 1, bytes.fromhex(DIGEST)),)
    assert "_25._tcp.mx.example.net TLSA" not in zone.asked
    zone.forget("_25._tcp.mx.example.com")
    (host,) = found(zone).hosts
    assert (host.secure, host.tlsa) == (True, ())


@pytest.mark.parametrize("insecure", ["mx.example.com", "mx.example.com CNAME", "example.com MX"])
def test_what_it_stands_for_is_signed_too_for_that(insecure: str) -> None:
    zone = Zone(ALIAS, secure=True, insecure=[*UNSIGNED, insecure])
    (host,) = found(zone).hosts
    assert (host.secure, host.tlsa) == (False, ())
    assert not [asked for asked in zone.asked if asked.endswith("TLSA")]


def test_who_stops_the_question_what_it_stands_for_stops_mail() -> None:
    """For nobody knows how it must be secured."""
    failing = ["mx.example.com CNAME"]
    assert status(Zone(ALIAS, secure=True, insecure=UNSIGNED, failing=failing)) == "4.4.3"
    assert found(Zone(ALIAS, secure=True, insecure=UNSIGNED, failing=failing), dane=False).hosts


def test_nobody_asks_what_a_name_stands_for_that_stands_for_none() -> None:
    for zone in (Zone(USUAL, secure=True, insecure=["mx1.example.com"]), Zone(ALIAS, secure=True), Zone(ALIAS)):
        found(zone)
        assert not [asked for asked in zone.asked if asked.endswith("CNAME")]


# -- what is configured -----------------------------------------------------------------------------------------

RELAY = {"host": "relay.example.net", "tls": "encrypted"}


def test_a_relay_takes_all_mail_and_may_be_on_a_private_network() -> None:
    zone = Zone(USUAL, secure=True)
    route = found(zone, relay=RELAY)
    assert route.hosts == (Host("relay.example.net", 587, (ip_address("10.0.0.25"),)),)
    assert (route.is_relay, route.tls, route.implicit_tls, route.login) == (True, "encrypted", False, None)
    assert route.key == found(zone, "other.example", relay=RELAY).key != found(zone).key
    assert not [asked for asked in zone.asked[:2] if asked.endswith(("MX", "TLSA"))]
    assert found(zone, "[127.0.0.1]", relay=RELAY).is_relay


def test_a_relay_on_this_machine_needs_no_dns() -> None:
    zone = Zone()
    assert addresses(found(zone, relay={"host": "localhost", "port": 10025})) == ["127.0.0.1", "::1"]
    assert addresses(found(zone, relay={"host": "localhost"}, ipv6=False)) == ["127.0.0.1"]
    assert zone.asked == []


def test_port_465_begins_with_tls() -> None:
    assert found(USUAL, relay={**RELAY, "port": 465}).implicit_tls


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_host_and_port(preset: str) -> None:
    host, port = PRESETS[preset]  # type: ignore[index]
    route = found(f"{host} A 1.1.1.1", relay={"preset": preset})
    assert [(each.name, each.port) for each in route.hosts] == [(host, port)]
    assert (route.is_relay, route.tls, route.implicit_tls) == (True, "verified", port == 465)


@pytest.mark.parametrize(
    "zone", [Zone(), Zone(USUAL, failing=["relay.example.net"]), Zone("relay.example.net A 0.0.0.0")]
)
def test_a_relay_that_is_not_found_ends_no_mail(zone: Zone) -> None:
    assert status(zone, relay=RELAY) == "4.4.4"


def test_a_relay_is_logged_in_to(tmp_path: Path) -> None:
    path = tmp_path / "password"
    relay = {**RELAY, "username": "alice", "password_file": str(path)}
    assert status(USUAL, relay=relay) == "4.3.5"
    path.write_text("\n")
    assert status(USUAL, relay=relay) == "4.3.5"
    path.write_bytes(b"\xff\n")
    assert status(USUAL, relay=relay) == "4.3.5"
    path.write_text("pass word \nmore\n")
    route = found(USUAL, relay=relay)
    assert route.login == Login("alice", "pass word ")
    assert "pass" not in repr(route)
    assert route.key != found(USUAL, relay=RELAY).key


@pytest.mark.parametrize(
    ("route", "domain", "sender", "fits"),
    [
        ({"domains": ["example.com"]}, "example.com", ALICE, True),
        ({"domains": ["example.com"]}, "sub.example.com", ALICE, False),
        ({"domains": [".example.com"]}, "sub.example.com", ALICE, True),
        ({"domains": [".example.com"]}, "example.com", ALICE, False),
        ({"domains": [".example.com", "example.com"]}, "example.com", None, True),
        ({"domains": [".example.com"]}, "badexample.com", ALICE, False),
        ({"senders": ["alice@example.org"]}, "example.com", ALICE, True),
        ({"senders": ["ALICE@example.org"]}, "example.com", ALICE, True),
        ({"senders": ["bob@example.org"]}, "example.com", ALICE, False),
        ({"senders": ["@example.org"]}, "example.com", ALICE, True),
        ({"senders": ["@example.net"]}, "example.com", ALICE, False),
        ({"senders": ["@example.org"]}, "example.com", None, False),
        ({"senders": ["@example.org"], "domains": ["other.example"]}, "example.com", ALICE, False),
        ({}, "example.com", None, True),
    ],
)
def test_a_route_is_for_some_domains_and_senders(
    route: dict[str, Any], domain: str, sender: EmailAddress | None, fits: bool
) -> None:
    zone = Zone(USUAL + "sub.example.com A 1.1.1.1\nbadexample.com A 1.1.1.1")
    assert found(zone, domain, sender, routes=[{**route, "relay": RELAY}]).is_relay == fits
    other = {"host": "localhost"}
    taken = found(zone, domain, sender, relay=other, routes=[{**route, "relay": RELAY}])
    assert names(taken) == ["relay.example.net" if fits else "localhost"]


def test_the_first_route_that_fits_is_taken_also_away_from_the_relay() -> None:
    routes = [{"domains": ["example.com"]}, {"relay": {"host": "localhost"}}]
    assert not found(USUAL, relay=RELAY, routes=routes).is_relay
    assert names(found(USUAL, "other.example", relay=RELAY, routes=routes)) == ["localhost"]
