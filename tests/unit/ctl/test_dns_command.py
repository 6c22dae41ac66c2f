"""`mailboxctl dns`: what it prints."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mailbox_d.ctl import dns_command
from mailbox_d.ctl.mailboxctl import main
from mailbox_d.policy.record_checks import State, check_records
from tests.unit.ctl.site_files import make_site
from tests.unit.relay.dkim_domain import make_domain
from tests.unit.relay.zone import Zone


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make_domain(tmp_path / "state" / "dkim")
    (tmp_path / "state" / "dkim").rename(tmp_path / "keys")
    (tmp_path / "state").rmdir()
    return make_site(tmp_path, f"dkim: {{keys: {tmp_path}/keys}}\n")


def dns(site: Path, *words: str) -> int:
    return main(["dns", *words, "--config", str(site)])


def test_a_zone_that_has_what_is_printed_is_found_right(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dns(site, "example.org", "--zone", "--address", "192.0.2.25", "--address", "2001:db8::25") == 0
    printed = capsys.readouterr().out
    zone = Zone(printed)
    zone.add("25.2.0.192.in-addr.arpa PTR mail.example.org")
    zone.add(f"{'5.2.' + '0.' * 22}8.b.d.0.1.0.0.2.ip6.arpa PTR mail.example.org")
    configuration = dns_command.load(site, on_disk=False).configuration
    wanted = dns_command.wanted_records(dns_command._site(configuration, "example.org", ()))

    async def states() -> set[State]:
        return {checked.verdict.state async for checked in check_records(wanted, "mail.example.org", zone)}

    assert asyncio.run(states()) == {State.RIGHT}


def test_every_line_of_a_zone_is_a_record_or_a_comment(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dns(site, "example.org", "--zone")
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(";") or line.split("\t")[1:3] == ["3600", "IN"] for line in lines)
    assert "; mail.example.org A ..." in lines


@pytest.mark.parametrize("domain", ["example.net", "org.example", "ail.example.org"])
def test_a_zone_holds_nothing_that_belongs_into_another(
    site: Path, capsys: pytest.CaptureFixture[str], domain: str
) -> None:
    dns(site, domain, "--zone", "--address", "192.0.2.25", "--address", "2001:db8::25")
    lines = capsys.readouterr().out.splitlines()
    names = {line.split("\t")[0] for line in lines if not line.startswith(";")}
    assert names
    assert all(name == f"{domain}." or name.endswith(f".{domain}.") for name in names)
    assert {"; mail.example.org A 192.0.2.25", "; mail.example.org AAAA 2001:db8::25"} <= {*lines}


def test_json_ends_with_the_policy_and_the_status(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dns(site, "example.org", "--json")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {answer["answer"] for answer in answers[:-2]} == {"record"}
    assert answers[-2]["place"] == "https://mta-sts.example.org/.well-known/mta-sts.txt"
    assert answers[-1] == {"answer": "end", "status": 0}
    names = [answer["name"] for answer in answers[:-2] if answer["purpose"] == "dkim"]
    assert names == ["s1._domainkey.example.org", "s1-ed25519._domainkey.example.org"]


def test_a_person_reads_each_record_and_why(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dns(site, "EXAMPLE.org")
    out = capsys.readouterr().out
    assert "needed    example.org MX 10 mail.example.org.\n          Mail for the domain goes to this server" in out
    assert "  mode: testing" in out


def test_a_domain_that_is_not_configured_is_noted(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dns(site, "example.net") == 0
    out, err = capsys.readouterr()
    assert "example.net is not among the domains" in err
    assert "needed    _domainkey.example.net TXT ..." in out


@pytest.mark.parametrize("words", [("not a domain",), ("../x",)])
def test_what_is_no_domain_is_refused(site: Path, words: tuple[str, ...]) -> None:
    assert dns(site, *words) == 2


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("example.org", "--address", "x"),
        ("example.org", "--address", "fe80::1%eth0"),
        ("example.org", "--check", "--zone"),
    ],
)
def test_a_command_that_cannot_be_understood(site: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        dns(site, *words)
    assert ended.value.code == 2
