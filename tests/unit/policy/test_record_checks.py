"""What DNS says, held against what a domain needs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mailbox_d.policy.domain_records import DomainSite, PublicKey, Purpose, wanted_records
from mailbox_d.policy.record_checks import Checked, State, check_records
from mailbox_d.policy.zone_file import zone_line
from mailbox_d.relay.tls.mta_sts import read_identifier
from mailbox_d.wire.dns.records import IPAddress
from tests.unit.relay.zone import Zone

KEY = PublicKey("s1._domainkey.example.org", "v=DKIM1; k=rsa; p=" + "A" * 400, True)
SITE = DomainSite(
    "example.org",
    "mail.example.org",
    {"imaps": 993, "submissions": 465},
    (KEY,),
    (ip_address("192.0.2.25"), ip_address("2001:db8::25")),
)
WANTED = wanted_records(SITE)
RIGHT = "\n".join(zone_line(record.name, record.kind, record.value) for record in WANTED) + "\n"


def check(zone: Zone, site: DomainSite = SITE) -> list[Checked]:
    async def collect() -> list[Checked]:
        return [checked async for checked in check_records(wanted_records(site), site.hostname, zone)]

    return asyncio.run(collect())


def changed(name: str, *records: str) -> Zone:
    """All as it should be, but what a name has."""
    zone = Zone(RIGHT)
    zone.forget(name)
    zone.add("".join(f"{record}\n" for record in records))
    return zone


def verdict(zone: Zone, purpose: Purpose, name: str = "") -> tuple[str, str]:
    """State and words of the first record for a purpose (with this name)."""
    found = next(c for c in check(zone) if c.record.purpose is purpose and name in ("", c.record.name))
    return found.verdict.state.value, found.verdict.text


def test_what_is_wanted_is_right() -> None:
    checked = check(Zone(RIGHT))
    assert [c.verdict.state for c in checked] == [State.RIGHT] * len(WANTED)
    assert not any(c.verdict.text or c.verdict.found or c.is_fault for c in checked)


def test_it_is_right_without_knowing_addresses() -> None:
    site = DomainSite("example.org", "mail.example.org", {"imaps": 993, "submissions": 465}, (KEY,))
    assert {c.verdict.state for c in check(Zone(RIGHT), site)} == {State.RIGHT}


def test_in_an_empty_dns_everything_is_missing_and_what_is_needed_is_a_fault() -> None:
    checked = check(Zone())
    assert {c.verdict.state for c in checked} == {State.MISSING}
    faults = {c.record.purpose for c in checked if c.is_fault}
    assert faults == {Purpose.HOST, Purpose.REVERSE, Purpose.MX, Purpose.SPF, Purpose.DKIM, Purpose.DMARC}


@pytest.mark.parametrize("addresses", [SITE.addresses, ()])
def test_a_server_that_gives_no_answer_is_not_called_a_fault(addresses: tuple[IPAddress, ...]) -> None:
    checked = check(Zone(RIGHT, failing={record.name for record in WANTED}), replace(SITE, addresses=addresses))
    assert {c.verdict.state for c in checked} == {State.UNKNOWN}
    assert not any(c.is_fault for c in checked)


@pytest.mark.parametrize("addresses", [SITE.addresses, ()])
def test_networks_of_a_server_whose_addresses_cannot_be_asked_for_are_not_called_wrong(
    addresses: tuple[IPAddress, ...],
) -> None:
    zone = changed("example.org", 'example.org TXT "v=spf1 ip4:192.0.2.25 -all"')
    zone.failing = {"mail.example.org"}
    states = {c.record.purpose: c.verdict.state for c in check(zone, replace(SITE, addresses=addresses))}
    assert states[Purpose.SPF] is State.UNKNOWN


@pytest.mark.parametrize(
    ("records", "state", "text"),
    [
        (["example.org MX 5 MAIL.example.org"], "right", ""),
        (["example.org MX 5 mail.example.org", "example.org MX 9 b.example.com"], "right", "to other servers too"),
        (["example.org MX 5 mx.example.com"], "wrong", "elsewhere"),
        (["example.org MX 0 ."], "wrong", "elsewhere"),
        ([], "missing", ""),
    ],
)
def test_where_mail_goes(records: list[str], state: str, text: str) -> None:
    found = verdict(changed("example.org", *records), Purpose.MX)
    assert found[0] == state and text in found[1]


@pytest.mark.parametrize(
    ("texts", "state", "text"),
    [
        (["v=spf1 include:_spf.example.com mx -all", "other=1"], "right", ""),
        (["v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"], "right", ""),
        (["v=spf1 mx -all", "v=spf1 mx -all x"], "wrong", "several"),
        (["v=spf1 -all"], "wrong", "does not let this server send"),
        (["v=spf1 +all"], "wrong", "everybody"),
        (["v=spf1 include:_spf.example.com -all"], "unsure", "not followed"),
        (["v=spf1 mx inclde:_spf.example.com ~all"], "wrong", "cannot be read: inclde:_spf.example.com"),
        (["v=spf1 mx ip4:1.2.3 ~all"], "wrong", "cannot be read: ip4:1.2.3"),
        (["v=spf1 -ip4:192.0.2.0/24 mx -all"], "wrong", "does not let this server send"),
        (["v=spf1 mx ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"], "wrong", "everybody"),
        (["v=spf10 mx", "spf2.0/pra mx"], "missing", ""),
    ],
)
def test_who_may_send(texts: list[str], state: str, text: str) -> None:
    records = (f'example.org TXT "{said}"' for said in texts)
    zone = changed("example.org", "example.org MX 10 mail.example.org", *records)
    found = verdict(zone, Purpose.SPF)
    assert found[0] == state and text in found[1]


@pytest.mark.parametrize(
    ("host", "state"), [("MAIL.example.org", "right"), ("mx.example.com", "unsure"), (".", "wrong")]
)
def test_mx_in_spf_is_this_server_only_where_mail_comes_to_it(host: str, state: str) -> None:
    zone = changed("example.org", f"example.org MX 10 {host}", 'example.org TXT "v=spf1 mx -all"')
    assert verdict(zone, Purpose.SPF)[0] == state


@pytest.mark.parametrize(
    ("texts", "state", "text"),
    [
        (["p=" + "A" * 200 + " " + "A" * 200], "right", ""),
        (["v=DKIM1; t=s; h=sha256; k=rsa; p=" + "A" * 400], "right", ""),
        (["v=DKIM1; k=ed25519; p=" + "A" * 400], "wrong", "another key"),
        (["v=DKIM1; k=rsa; p=" + "B" * 400], "wrong", "another key"),
        (["v=DKIM2; k=rsa; p=" + "A" * 400], "wrong", "no key of DKIM's"),
        (["v=DKIM1; p="], "wrong", "revoked"),
        (["v=DKIM1; h=sha1; k=rsa; p=" + "A" * 400], "wrong", "SHA-256"),
        (["v=DKIM1; h=sha1 : sha256; s=tlsrpt:email; p=" + "A" * 400 + "; "], "right", ""),
        (["v=DKIM1; s=*; p=" + "A" * 400], "right", ""),
        (["v=DKIM1; s=tlsrpt; p=" + "A" * 400], "wrong", "not for mail"),
        (["p=" + "A" * 400 + "; v=DKIM1"], "wrong", "stands first"),
        (["v=DKIM1; p=" + "A" * 400 + "; p=" + "A" * 400], "wrong", "cannot be read"),
        (["v=DKIM1; hello; p=" + "A" * 400], "wrong", "cannot be read"),
        ([KEY.text, KEY.text + ";"], "wrong", "several"),
        ([], "missing", ""),
    ],
)
def test_keys(texts: list[str], state: str, text: str) -> None:
    zone = changed(KEY.name, *(zone_line(KEY.name, "TXT", said) for said in texts))
    found = verdict(zone, Purpose.DKIM)
    assert found[0] == state and text in found[1]


@pytest.mark.parametrize(
    ("purpose", "name", "texts", "state"),
    [
        (Purpose.DMARC, "_dmarc.example.org", ["v=DMARC1; p=reject; sp=none"], "right"),
        (Purpose.DMARC, "_dmarc.example.org", ["v=DMARC1;p=none"], "right"),
        (Purpose.DMARC, "_dmarc.example.org", ["v=DMARC1; p=perhaps"], "wrong"),
        (Purpose.DMARC, "_dmarc.example.org", ["v=DMARC1"], "wrong"),
        (Purpose.DMARC, "_dmarc.example.org", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "wrong"),
        (Purpose.DMARC, "_dmarc.example.org", ["v=DMARC1; p=reject; p=none"], "wrong"),
        (Purpose.DMARC, "_dmarc.example.org", ["v=DMARC2; p=none"], "missing"),
        (Purpose.MTA_STS, "_mta-sts.example.org", ["v=STSv1; id=other"], "right"),
        (Purpose.MTA_STS, "_mta-sts.example.org", ["v=STSv1; id=a-b"], "wrong"),
        (Purpose.MTA_STS, "_mta-sts.example.org", ["v=STSv1;"], "wrong"),
        (Purpose.MTA_STS, "_mta-sts.example.org", ["v=STSv1; id=a", "v=STSv1; id=b"], "wrong"),
        (Purpose.TLS_REPORTS, "_smtp._tls.example.org", ["v=TLSRPTv1; rua=https://reports.example.com/"], "right"),
        (Purpose.TLS_REPORTS, "_smtp._tls.example.org", ["v=TLSRPTv1; rua=ftp://x"], "wrong"),
        (Purpose.TLS_REPORTS, "_smtp._tls.example.org", ["v=TLSRPTv1 ; rua=ftp://x, mailto:a@example.org;"], "right"),
        (Purpose.TLS_REPORTS, "_smtp._tls.example.org", ["v=TLSRPTv1; rua=mailto:"], "wrong"),
        (Purpose.TLS_REPORTS, "_smtp._tls.example.org", ["v=TLSRPTv1; rua=https://"], "wrong"),
        (Purpose.TLS_REPORTS, "_smtp._tls.example.org", ["something"], "missing"),
    ],
)
def test_policies(purpose: Purpose, name: str, texts: list[str], state: str) -> None:
    zone = changed(name, *(zone_line(name, "TXT", said) for said in texts))
    assert verdict(zone, purpose)[0] == state


@pytest.mark.parametrize(
    "text",
    [
        "v=STSv1; id=1",
        "v=STSv1 ; id=1 ; ",
        "v=STSv1;id=1;",
        "v=STSv1; id=1; x=y; id=2",
        "v=STSv1; id=2024-01-01",
        "v=STSv1; id=1; foo",
        "v=STSv1; id=1; a b=c",
        "v=STSv1; id=1;;",
        "v=STSv1; id=1; a=b;  ;",
        "v=STSv1; ID=1",
        "v=STSv1;",
        "v=STSv1; id=",
        "v=STSv1; x=y; id=a1" + "b" * 30,
        "v=STSv1; x=y; id=a1" + "b" * 31,
    ],
)
def test_an_mta_sts_record_is_right_where_it_is_understood_when_mail_is_sent(text: str) -> None:
    name = "_mta-sts.example.org"
    is_right = verdict(changed(name, zone_line(name, "TXT", text)), Purpose.MTA_STS)[0] == "right"
    assert is_right is (read_identifier([text.encode()]) is not None)


@pytest.mark.parametrize(
    ("name", "records", "state"),
    [
        ("_imaps._tcp.example.org", ["SRV 5 5 993 mail.example.org", "SRV 9 5 993 other.example.org"], "right"),
        ("_imaps._tcp.example.org", ["SRV 5 5 143 mail.example.org"], "wrong"),
        ("_imaps._tcp.example.org", ["SRV 0 0 0 ."], "wrong"),
        ("_pop3._tcp.example.org", ["SRV 5 5 110 mail.example.org"], "wrong"),
        ("_pop3._tcp.example.org", [], "missing"),
    ],
)
def test_services(name: str, records: list[str], state: str) -> None:
    zone = changed(name, *(f"{name} {record}" for record in records))
    assert verdict(zone, Purpose.SERVICE, name)[0] == state


def test_addresses_and_their_names() -> None:
    other = changed("mail.example.org", "mail.example.org A 198.51.100.1")
    assert verdict(other, Purpose.HOST) == ("wrong", "the server's name has other addresses")
    reverse = "25.2.0.192.in-addr.arpa"
    assert verdict(changed(reverse), Purpose.REVERSE) == ("missing", "not the name of 192.0.2.25")
    renamed = changed(reverse, f"{reverse} PTR host-25.example.com")
    assert verdict(renamed, Purpose.REVERSE) == ("wrong", "not the name of 192.0.2.25")


def test_what_is_only_advised_is_a_fault_where_it_is_wrong_and_not_where_it_is_missing() -> None:
    name = "_smtp._tls.example.org"
    assert [c.is_fault for c in check(changed(name)) if c.record.name == name] == [False]
    wrong = changed(name, f'{name} TXT "v=TLSRPTv1;"')
    assert [c.is_fault for c in check(wrong) if c.record.name == name] == [True]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("v=spf1 mx include:_spf.google.com ~all", "right"),
        ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 Include:_SPF.google.com -all", "right"),
        ("v=spf1 mx ~all", "wrong"),
        ("v=spf1 mx +include:_spf.google.com. ~all", "right"),
        ("v=spf1 mx -include:_spf.google.com ~all", "wrong"),
        ("v=spf1 mx -all include:_spf.google.com", "wrong"),
        ("v=spf1 include:_spf.google.com ~all", "unsure"),
    ],
)
def test_a_provider_that_sends_our_mail_must_be_let_too(text: str, state: str) -> None:
    site = replace(SITE, senders=("include:_spf.google.com",))
    zone = changed("example.org", "example.org MX 10 mail.example.org", f'example.org TXT "{text}"')
    assert [c.verdict.state.value for c in check(zone, site) if c.record.purpose is Purpose.SPF] == [state]
