"""Outgoing mail while DNS is broken, or says what it should not: fault 26 and attack 117 on a real process."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration import fake_dns
from tests.integration.bad_peer import BadPeer
from tests.integration.outgoing import ARRIVAL_SECONDS, ELSEWHERE, OTHER, OutgoingSite, outgoing_site
from tests.integration.ports import HOST
from tests.integration.site import ALICE

BROKEN = {
    "refused": (fake_dns.refused, 1),
    "servfail": (fake_dns.servfail, 1),
    "silent": (fake_dns.silent, 3),
    "slow": (fake_dns.slow(5.0), 3),
    "always-truncated": (fake_dns.always_truncated, 2),
    "garbage": (fake_dns.garbage, 1),
    "wrong-identifier": (fake_dns.wrong_identifier, 3),
    "wrong-name": (fake_dns.wrong_name, 3),
    "alias-loop": (fake_dns.alias_loop, 1),
}
"""Domains whose MX cannot be looked up: why, and how often one lookup asks for it."""

REFUSED = {
    "5.1.2": "nothing.example TXT x",
    "5.1.10": "null.example MX 0 .",
    "5.4.4": f"""
        other.example MX 10 mx.other.example
        mx.other.example A {OTHER}
        mapped.example AAAA ::ffff:{OTHER}
        any.example A 0.0.0.0
        metadata.example A 169.254.169.254
        private.example A 10.0.0.1
        """,
    "5.4.6": f"""
        own.example A {HOST}
        own6.example MX 10 mx.own6.example
        mx.own6.example AAAA ::1
        name.example MX 10 mail.example.org
        """,
}
"""Records of domains to which nothing can be sent, by what their mail is given back with."""

TOLD = re.compile(r"^Final-Recipient: rfc822; ?carol@(\S+)\n(?:.+\n)*?Status: (\S+)\n", re.MULTILINE)


@contextmanager
def impatient_site(folder: Path, records: str, settings: str = "") -> Iterator[OutgoingSite]:
    """One that waits for DNS only for a moment."""
    with outgoing_site(folder, records=records, settings=settings) as site:
        text = site.site.configuration.read_text()
        assert "\nlimits:\n" in text
        site.site.configuration.write_text(text.replace("\nlimits:\n", "\nlimits:\n  dns_timeout: 300 ms\n"))
        site.daemon.start()
        yield site


def test_fault_26_mail_waits_while_dns_is_broken_and_goes_out_when_it_is_not(tmp_path: Path) -> None:
    names = [*BROKEN, "truncated"]
    records = f"mx.example A {ELSEWHERE}\n" + "".join(f"{name}.example MX 10 mx.example\n" for name in names)
    with impatient_site(tmp_path, records) as site, BadPeer(address=ELSEWHERE, port=site.port) as peer:
        site.dns.misbehave("truncated.example", fake_dns.truncated, "MX")
        for name, (behaviour, _) in BROKEN.items():
            site.dns.misbehave(f"{name}.example", behaviour, "MX")
        site.send(*(f"carol@{name}.example" for name in names))
        (first,) = peer.wait_for_messages(1)
        assert first.recipients == ("carol@truncated.example",)
        _wait_until_tried_again(site)
        assert len(site.queued) == 1
        site.dns.behave()
        taken = [to for message in peer.wait_for_messages(len(names)) for to in message.recipients]
        assert sorted(taken) == sorted(f"carol@{name}.example" for name in names)
        site.wait_until_empty()
        assert site.site.message_files(ALICE) == []


def _wait_until_tried_again(site: OutgoingSite) -> None:
    deadline = time.monotonic() + 2 * ARRIVAL_SECONDS
    while not all(site.dns.count(f"{name}.example", "MX") > once for name, (_, once) in BROKEN.items()):
        assert time.monotonic() < deadline, site.daemon.log_tail(40)
        time.sleep(0.02)


def test_attack_117_nobody_is_connected_to_and_the_sender_is_told(tmp_path: Path) -> None:
    records = "".join(f"{line.strip()}\n" for text in REFUSED.values() for line in text.splitlines() if line.strip())
    domains = ["nowhere.example", *re.findall(r"^(\w+\.example) ", records, re.MULTILINE)]
    settings = f"  allowed_addresses: [{ELSEWHERE}]\n"
    with impatient_site(tmp_path, records, settings) as site, _listening(OTHER, site.port) as stranger:
        site.send(*(f"carol@{domain}" for domain in domains))
        site.wait_until_empty()
        reports = "".join(part.as_string() for mail in site.wait_for_mail() for part in mail.walk())
        told = dict(TOLD.findall(reports))
        assert told == {domain: _status(domain) for domain in domains}
        with pytest.raises(BlockingIOError):
            stranger.accept()


def _status(domain: str) -> str:
    names = re.compile(rf"^\s*{domain} ", re.MULTILINE)
    return next((status for status, text in REFUSED.items() if names.search(text)), "5.1.2")


@contextmanager
def _listening(address: str, port: int) -> Iterator[socket.socket]:
    """A place where nobody should come."""
    with socket.create_server((address, port)) as listening:
        listening.setblocking(False)
        yield listening
