"""The DNS records that a domain needs so that its mail comes, is believed elsewhere, and is found by mail programs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final

from mailbox_d.config.endpoints import Endpoint, SystemdEndpoint, TcpEndpoint
from mailbox_d.config.model import Listeners
from mailbox_d.config.outgoing import Provider, Queue
from mailbox_d.wire.dns.records import IPAddress

MX_PREFERENCE: Final = 10
POLICY_SECONDS: Final = 7 * 86400

_PORTS: Final = {"imaps": 993, "imap": 143, "pop3s": 995, "pop3": 110, "submissions": 465, "submission": 587}
_PRIORITIES: Final = {"imaps": 0, "imap": 10, "pop3s": 20, "pop3": 30, "submissions": 0, "submission": 10}
"""TLS from the first byte before STARTTLS, IMAP before POP3 (RFC 6186 section 3.4, RFC 8314 section 5.1)."""


_PROVIDERS_SENDERS: Final[Mapping[Provider, str]] = {
    "gmail": "include:_spf.google.com",
    "outlook": "include:spf.protection.outlook.com",
    "yahoo": "include:_spf.mail.yahoo.com",
    "mail.ru": "include:_spf.mail.ru",
    "yandex": "include:_spf.yandex.net",
}
"""What a provider has its customers write into SPF."""


class Purpose(Enum):
    """What a record is for."""

    HOST = "host"
    REVERSE = "reverse"
    MX = "mx"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MTA_STS = "mta-sts"
    MTA_STS_HOST = "mta-sts-host"
    TLS_REPORTS = "tls-reports"
    SERVICE = "service"
    AUTOCONFIG = "autoconfig"


class Need(Enum):
    """What it costs to go without."""

    NEEDED = "needed"
    """Mail does not come, or other servers refuse ours."""
    ADVISED = "advised"
    """Mail goes well, but less safely, or programs must be told more."""


@dataclass(frozen=True, slots=True)
class WantedRecord:
    """A record: name without its last dot, type, value as a zone file has it (TXT: the text), and why it should be.
    An empty value: there must be one, and only the operator knows which."""

    purpose: Purpose
    name: str
    kind: str
    value: str
    why: str
    need: Need = Need.NEEDED


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key for signatures as DNS should have it; `in_use`: mail is signed with it now."""

    name: str
    text: str
    in_use: bool


@dataclass(frozen=True, slots=True)
class DomainSite:
    """A domain and the server that has its mail. `services`: the port of each kind that is offered to others;
    `addresses`: the server's, as far as they are known; `senders`: terms of SPF for those who send our mail on."""

    domain: str
    hostname: str
    services: Mapping[str, int]
    keys: tuple[PublicKey, ...] = ()
    addresses: tuple[IPAddress, ...] = ()
    senders: tuple[str, ...] = ()


def offered_services(listeners: Listeners) -> dict[str, int]:
    """The port of each kind of service that mail programs elsewhere can reach; of several the first."""
    found = {kind: _public_port(kind, endpoints) for kind, endpoints in listeners if kind in _PORTS}
    return {kind: port for kind, port in found.items() if port is not None}


def senders_beside_us(queue: Queue) -> tuple[str, ...]:
    """Terms of SPF for the providers that send mail on; of other relays nobody knows from where they send."""
    relays = (queue.relay, *(route.relay for route in queue.routes))
    return tuple(dict.fromkeys(_PROVIDERS_SENDERS[relay.preset] for relay in relays if relay and relay.preset))


def mta_sts_policy(hostname: str) -> str:
    """The policy to serve by HTTPS (RFC 8461 section 3.2), at first for tests: others report, and send all the same."""
    return f"version: STSv1\r\nmode: testing\r\nmx: {hostname}\r\nmax_age: {POLICY_SECONDS}\r\n"


def mta_sts_place(domain: str) -> str:
    """Where the policy must be served (RFC 8461 section 3.3)."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def wanted_records(site: DomainSite) -> tuple[WantedRecord, ...]:
    """All records, in the order in which an operator would make them."""
    return (
        *_host(site),
        *_incoming(site),
        *_outgoing(site),
        *_transport(site),
        *_services(site),
        *_autoconfig(site),
    )


def _host(site: DomainSite) -> Iterator[WantedRecord]:
    why = "The address of the mail server itself."
    for address in site.addresses:
        kind = "A" if address.version == 4 else "AAAA"
        yield WantedRecord(Purpose.HOST, site.hostname, kind, str(address), why)
    if not site.addresses:
        yield WantedRecord(Purpose.HOST, site.hostname, "A", "", why + " AAAA too, if it has IPv6.")
    why = "Many servers refuse mail from an address without a name; your provider sets it."
    for address in site.addresses:
        yield WantedRecord(Purpose.REVERSE, address.reverse_pointer, "PTR", f"{site.hostname}.", why)
    if not site.addresses:
        yield WantedRecord(Purpose.REVERSE, "", "PTR", f"{site.hostname}.", why)


def _incoming(site: DomainSite) -> Iterator[WantedRecord]:
    why = "Mail for the domain goes to this server (RFC 5321 section 5.1)."
    yield WantedRecord(Purpose.MX, site.domain, "MX", f"{MX_PREFERENCE} {site.hostname}.", why)


def _outgoing(site: DomainSite) -> Iterator[WantedRecord]:
    why = "Who may send for the domain: its MX hosts (SPF, RFC 7208). Where a relay takes your mail, add what it says."
    yield WantedRecord(Purpose.SPF, site.domain, "TXT", " ".join(("v=spf1 mx", *site.senders, "~all")), why)
    if not site.keys:
        why = "The key for signatures: mailboxctl dkim keygen makes one."
        yield WantedRecord(Purpose.DKIM, f"_domainkey.{site.domain}", "TXT", "", why)
    for key in site.keys:
        why = "The key with which mail is signed (DKIM, RFC 6376)."
        if not key.in_use:
            why = "A key that is to be used, or was until lately (DKIM)."
        yield WantedRecord(Purpose.DKIM, key.name, "TXT", key.text, why, Need.NEEDED if key.in_use else Need.ADVISED)
    why = "What others do with mail that only claims to be of the domain, and where they report it (DMARC, RFC 7489)."
    text = f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{site.domain}"
    yield WantedRecord(Purpose.DMARC, f"_dmarc.{site.domain}", "TXT", text, why)


def _transport(site: DomainSite) -> Iterator[WantedRecord]:
    identifier = hashlib.sha256(mta_sts_policy(site.hostname).encode()).hexdigest()[:20]
    why = f"Others send by TLS, and to no servers but those of the policy (RFC 8461): {mta_sts_place(site.domain)}"
    text = f"v=STSv1; id={identifier};"
    yield WantedRecord(Purpose.MTA_STS, f"_mta-sts.{site.domain}", "TXT", text, why, Need.ADVISED)
    yield from _alias(site, Purpose.MTA_STS_HOST, "mta-sts", "The web server that has the policy.")
    why = "Others report to you when TLS with us goes wrong (RFC 8460)."
    text = f"v=TLSRPTv1; rua=mailto:postmaster@{site.domain}"
    yield WantedRecord(Purpose.TLS_REPORTS, f"_smtp._tls.{site.domain}", "TXT", text, why, Need.ADVISED)


def _services(site: DomainSite) -> Iterator[WantedRecord]:
    """The place of each service, `.` for one that is not there (RFC 6186 section 3.4)."""
    for kind, priority in _PRIORITIES.items():
        port = site.services.get(kind)
        value = f"{priority} 1 {port} {site.hostname}." if port is not None else "0 0 0 ."
        why = f"Mail programs find {kind} by it (RFC 6186, 8314)."
        if port is None:
            why = f"Mail programs learn that there is no {kind} (RFC 6186)."
        yield WantedRecord(Purpose.SERVICE, f"_{kind}._tcp.{site.domain}", "SRV", value, why, Need.ADVISED)


def _autoconfig(site: DomainSite) -> Iterator[WantedRecord]:
    why = "Thunderbird asks there how to reach the server; of use once a web server answers it."
    return _alias(site, Purpose.AUTOCONFIG, "autoconfig", why)


def _alias(site: DomainSite, purpose: Purpose, label: str, why: str) -> Iterator[WantedRecord]:
    """Another name of the server, unless it is the server's own: beside a CNAME nothing may stand (RFC 1034 section
    3.6.2)."""
    if (name := f"{label}.{site.domain}") != site.hostname:
        yield WantedRecord(purpose, name, "CNAME", f"{site.hostname}.", why, Need.ADVISED)


def _public_port(kind: str, endpoints: tuple[Endpoint, ...]) -> int | None:
    for endpoint in endpoints:
        if isinstance(endpoint, TcpEndpoint) and not _is_loopback(endpoint.interface):
            return endpoint.port
        if isinstance(endpoint, SystemdEndpoint) and endpoint.domain != "UNIX":
            return _PORTS[kind]
    return None


def _is_loopback(interface: str) -> bool:
    return bool(interface) and ip_address(interface).is_loopback
