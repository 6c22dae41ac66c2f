"""What a domain needs of DNS."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from mailbox_d.config.endpoints import parse_endpoint
from mailbox_d.config.model import Listeners
from mailbox_d.config.outgoing import Queue, Relay, Route
from mailbox_d.policy.domain_records import (
    DomainSite,
    Need,
    PublicKey,
    Purpose,
    mta_sts_policy,
    offered_services,
    senders_beside_us,
    wanted_records,
)
from mailbox_d.policy.zone_file import txt_strings

SITE = DomainSite("example.org", "mail.example.org", {"imaps": 993, "submissions": 465, "submission": 1587})


def values(site: DomainSite, purpose: Purpose) -> dict[str, str]:
    return {record.name: record.value for record in wanted_records(site) if record.purpose is purpose}


def test_every_purpose_has_a_record_and_every_record_a_reason() -> None:
    records = wanted_records(SITE)
    assert {record.purpose for record in records} == set(Purpose)
    assert all(record.why for record in records)


def test_services_that_are_not_offered_are_told_to_be_absent() -> None:
    assert values(SITE, Purpose.SERVICE) == {
        "_imaps._tcp.example.org": "0 1 993 mail.example.org.",
        "_imap._tcp.example.org": "0 0 0 .",
        "_pop3s._tcp.example.org": "0 0 0 .",
        "_pop3._tcp.example.org": "0 0 0 .",
        "_submissions._tcp.example.org": "0 1 465 mail.example.org.",
        "_submission._tcp.example.org": "10 1 1587 mail.example.org.",
    }


def test_addresses_that_are_known_are_records_and_others_are_left_open() -> None:
    assert values(SITE, Purpose.HOST) == {"mail.example.org": ""}
    site = DomainSite(
        "example.org", "mail.example.org", {}, addresses=(ip_address("192.0.2.25"), ip_address("2001:db8::25"))
    )
    assert [record.kind for record in wanted_records(site) if record.purpose is Purpose.HOST] == ["A", "AAAA"]
    names = values(site, Purpose.REVERSE)
    assert names == {
        "25.2.0.192.in-addr.arpa": "mail.example.org.",
        ip_address("2001:db8::25").reverse_pointer: "mail.example.org.",
    }


@pytest.mark.parametrize("label", ["mta-sts", "autoconfig"])
def test_the_servers_own_name_is_no_other_name_of_it(label: str) -> None:
    site = DomainSite("example.org", f"{label}.example.org", {}, addresses=(ip_address("192.0.2.25"),))
    records = wanted_records(site)
    assert [record.kind for record in records if record.name == site.hostname] == ["A"]
    assert sum(record.kind == "CNAME" for record in records) == 1


def test_a_key_that_is_not_in_use_is_only_advised() -> None:
    keys = (
        PublicKey("a._domainkey.example.org", "v=DKIM1; p=A", True),
        PublicKey("b._domainkey.example.org", "v=DKIM1; p=B", False),
    )
    site = DomainSite("example.org", "mail.example.org", {}, keys)
    needs = {record.name[0]: record.need for record in wanted_records(site) if record.purpose is Purpose.DKIM}
    assert needs == {"a": Need.NEEDED, "b": Need.ADVISED}


@pytest.mark.parametrize(
    ("imaps", "port"),
    [
        (["tcp:993"], 993),
        (["tcp:1993"], 1993),
        (["tcp:2993:interface=127.0.0.1"], None),
        ([r"tcp:2993:interface=\:\:1", "tcp:993"], 993),
        (["systemd:domain=INET6:name=imaps"], 993),
        (["systemd:domain=UNIX:name=imaps", "unix:imaps.sock"], None),
        ([], None),
    ],
)
def test_what_mail_programs_elsewhere_can_reach_is_offered(imaps: list[str], port: int | None) -> None:
    endpoints = tuple(parse_endpoint(text, Path("/")) for text in imaps)
    listeners = Listeners.model_construct(imaps=endpoints, smtp=endpoints)
    assert offered_services(listeners).get("imaps") == port
    assert "smtp" not in offered_services(listeners)


def test_the_policy_has_crlf_line_ends_and_names_the_server() -> None:
    """RFC 8461 section 3.2."""
    text = mta_sts_policy("mail.example.org")
    assert text.split("\r\n") == ["version: STSv1", "mode: testing", "mx: mail.example.org", "max_age: 604800", ""]


@pytest.mark.parametrize("length", [0, 1, 255, 256, 510, 600])
def test_long_texts_are_split_and_lose_nothing(length: int) -> None:
    parts = txt_strings("x" * length).split(" ")
    assert "".join(part.strip('"') for part in parts) == "x" * length
    assert max(len(part) - 2 for part in parts) <= 255


def test_quotes_in_a_text_are_escaped() -> None:
    assert txt_strings('a"b\\c') == '"a\\"b\\\\c"'


def test_providers_that_send_our_mail_stand_in_spf_once() -> None:
    gmail, other = Relay(preset="gmail"), Relay(host="relay.example.com")
    queue = Queue(
        relay=gmail, routes=(Route(relay=gmail), Route(relay=other), Route(relay=Relay(preset="yandex")), Route())
    )
    assert senders_beside_us(queue) == ("include:_spf.google.com", "include:_spf.yandex.net")
    assert senders_beside_us(Queue()) == ()
    site = DomainSite("example.org", "mail.example.org", {}, senders=senders_beside_us(queue))
    text = "v=spf1 mx include:_spf.google.com include:_spf.yandex.net ~all"
    assert values(site, Purpose.SPF) == {"example.org": text}
