"""`mailboxctl dns`: the records that a domain needs, and whether DNS has them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mailbox_d.config.faults import ConfigurationError, Refusal
from mailbox_d.config.load import load
from mailbox_d.config.model import Configuration
from mailbox_d.config.scalars import DomainName
from mailbox_d.control.telling import FINDINGS, FINE, TROUBLE, USAGE
from mailbox_d.ctl.dns_telling import DnsTeller, JsonRecords, Sentences, Zone
from mailbox_d.ctl.parsing import Verbatim, add_configuration
from mailbox_d.policy.domain_records import (
    DomainSite,
    PublicKey,
    WantedRecord,
    mta_sts_place,
    mta_sts_policy,
    offered_services,
    senders_beside_us,
    wanted_records,
)
from mailbox_d.policy.record_checks import Checked, State, check_records
from mailbox_d.printable import escaped
from mailbox_d.relay.signing.dkim_keys import selectors
from mailbox_d.wire.dns.records import IPAddress, Resolver

if TYPE_CHECKING:
    from mailbox_d.ctl.parsing import Subjects

_TEXT: Final = (
    "Prints every record that a domain needs: where its mail goes, who may send for it, the keys of its signatures,"
    " where mail programs find the server, each with a word on why. With --check DNS is asked (the server of"
    " queue.resolver, or the system's) and each record is said to be right, missing or wrong."
)
_EPILOG: Final = """examples:
  mailboxctl dns example.org
      the records, and why
  mailboxctl dns example.org --check
      what of them is there
  mailboxctl dns example.org --zone --address 192.0.2.25
      for a zone file, with the server's address

exit status:
  0  the records were printed; with --check: all that is needed is there, and nothing is wrong
  1  something is missing or wrong
  2  the command cannot be understood
  3  DNS or the disk gave trouble, so not all was checked"""


def add_dns(subjects: Subjects) -> None:
    """Add the command to the command line."""
    line = "the DNS records that a domain needs"
    parser = subjects.add_parser("dns", help=line, description=_TEXT, epilog=_EPILOG, formatter_class=Verbatim)
    parser.add_argument("domain", metavar="DOMAIN")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--check", action="store_true", help="ask DNS for them")
    form.add_argument("--zone", action="store_true", help="print them for a zone file")
    parser.add_argument(
        "--address",
        action="append",
        type=_address,
        default=[],
        help="an address of the server; may be given several times",
    )
    add_configuration(parser, again=True)
    parser.set_defaults(work=_dns)


def _dns(given: argparse.Namespace) -> int:
    try:
        configuration = load(given.config, on_disk=False).configuration
        domain = DomainName().read_text(given.domain, Path())
        site = _site(configuration, domain, tuple(given.address))
    except (ConfigurationError, Refusal) as error:
        return _complain(str(error), USAGE)
    except OSError as error:
        return _complain(f"{error}: run mailboxctl as root or as the daemon's user", TROUBLE)
    if domain not in configuration.domains:
        _complain(f"{domain} is not among the domains of {given.config}", FINE)
    teller: DnsTeller = JsonRecords() if given.json else Zone(domain) if given.zone else Sentences()
    wanted = wanted_records(site)
    status = _check(configuration, wanted, teller) if given.check else _tell(wanted, teller)
    teller.policy(mta_sts_place(domain), mta_sts_policy(site.hostname))
    teller.end(status)
    return status


def _site(configuration: Configuration, domain: str, addresses: tuple[IPAddress, ...]) -> DomainSite:
    """What the configuration and the keys' folder say. Raises `OSError`."""
    found = [selector for selector in selectors(configuration.dkim_keys) if selector.domain == domain]
    keys = tuple(PublicKey(key.name, key.record, chosen.in_use) for chosen in found for key in chosen.keys)
    services, senders = offered_services(configuration.listeners), senders_beside_us(configuration.queue)
    return DomainSite(domain, configuration.hostname, services, keys, addresses, senders)


def _tell(wanted: Iterable[WantedRecord], teller: DnsTeller) -> int:
    for record in wanted:
        teller.record(record)
    return FINE


def _check(configuration: Configuration, wanted: tuple[WantedRecord, ...], teller: DnsTeller) -> int:
    from mailbox_d.control.asking_dns import ask_dns

    all_checked: list[Checked] = []

    async def check(resolver: Resolver) -> None:
        async for checked in check_records(wanted, configuration.hostname, resolver):
            all_checked.append(checked)
            teller.checked(checked)

    ask_dns(configuration, check)
    if len(all_checked) < len(wanted) or any(checked.verdict.state is State.UNKNOWN for checked in all_checked):
        return TROUBLE
    return FINDINGS if any(checked.is_fault for checked in all_checked) else FINE


def _address(text: str) -> IPAddress:
    try:
        address = ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address") from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise argparse.ArgumentTypeError(f"{text!r} means something on one machine alone")
    return address


def _complain(text: str, status: int) -> int:
    print(f"mailboxctl: {escaped(text)}", file=sys.stderr)
    return status
