"""What only shows across keys, and on the disk: realms that do not exist, keys that match no certificate.

Each check looks at one matter and tells a `Report` of all that is wrong with it. A check never concludes anything
from what is missing where the draft is broken.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from mailbox_d.address import canonical_domain
from mailbox_d.config.certificates import PairRefused, certbot_pairs, inspect_pair
from mailbox_d.config.draft import Draft
from mailbox_d.config.endpoints import Endpoint, TcpEndpoint
from mailbox_d.config.faults import Fault, KeyPath, Refusal, shown, unknown
from mailbox_d.config.files import read_regular_file, readable_by_everyone
from mailbox_d.config.model import CertificatePair, LdapRealm, Listeners
from mailbox_d.errors import AddressError

EXPIRY_WARNING = timedelta(days=14)
"""Before a certificate's end; certbot renews 30 days before it."""

NEED_TLS = ("submission", "submissions", "imaps", "pop3s")
"""Services that are of no use without a certificate."""


@dataclass(slots=True)
class Report:
    """Collects faults, which refuse a configuration, and warnings, which do not."""

    draft: Draft
    now: datetime
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def fault(self, path: KeyPath, problem: str, expected: str = "", *, at_key: bool = False) -> None:
        self.faults.append(self.draft.document.fault(path, problem, expected, at_key=at_key))

    def warn(self, path: KeyPath, problem: str, expected: str = "") -> None:
        self.warnings.append(self.draft.document.fault(path, problem, expected))


def run_checks(draft: Draft, now: datetime) -> Report:
    """Run every check; `now` is compared with the certificates' times."""
    report = Report(draft, now)
    for check in CHECKS:
        check(report)
    return report


def check_something_is_served(report: Report) -> None:
    listeners = report.draft.configuration.listeners
    if report.draft.sound("listeners") and not any(endpoints for _, endpoints in listeners):
        report.fault(("listeners",), "nothing listens", "an endpoint for at least one service", at_key=True)
    if report.draft.sound("domains") and not report.draft.configuration.domains:
        report.fault(("domains",), "there is no domain", "at least one", at_key=True)


def check_domains_once(report: Report) -> None:
    """Two spellings of one domain would otherwise hide each other."""
    first: dict[str, str] = {}
    for written, domain in _canonical_domains(report.draft):
        if (other := first.setdefault(domain, written)) != written:
            report.fault(("domains", written), f"this is the same domain as {shown(other)}", "each once", at_key=True)


def check_realms(report: Report) -> None:
    known = tuple(report.draft.keys("realms"))
    for written, domain in _canonical_domains(report.draft):
        settings = report.draft.configuration.domains.get(domain)
        if settings is not None and settings.realm not in known:
            problem, expected = unknown(f"the realm {shown(settings.realm)}", settings.realm, known)
            report.fault(("domains", written, "realm"), problem, expected)


def check_catch_alls(report: Report) -> None:
    served = {domain for _, domain in _canonical_domains(report.draft)}
    for written, domain in _canonical_domains(report.draft):
        settings = report.draft.configuration.domains.get(domain)
        address = settings.catch_all if settings is not None else None
        if address is not None and address.domain not in served:
            problem = f"the domain {shown(address.domain)} is not served here"
            report.fault(("domains", written, "catch_all"), problem, "an address of one of the domains")


def check_endpoints(report: Report) -> None:
    """No two services can listen at one place."""
    everything = tuple(_endpoints(report.draft))
    for (first_path, first), (path, endpoint) in itertools.combinations(everything, 2):
        if _same_place(first, endpoint):
            report.fault(path, f"listeners.{first_path[1]} listens there already", "each endpoint once")


def check_certificates(report: Report) -> None:
    configuration = report.draft.configuration
    for path, pair in report.draft.items(("tls", "certificates"), configuration.tls.certificates):
        _check_pair(report, path, pair)
    for written, domain in _canonical_domains(report.draft):
        settings = configuration.domains.get(domain)
        if settings is not None and settings.tls is not None:
            _check_pair(report, ("domains", written, "tls"), settings.tls)


def check_certificate_directory(report: Report) -> None:
    """A pair that is broken here is left out, not fatal: certbot keeps the folders of names long gone."""
    path: KeyPath = ("tls", "directory")
    directory = report.draft.configuration.tls.directory
    if directory is None:
        return
    try:
        pairs = list(certbot_pairs(directory))
    except OSError as error:
        report.fault(path, f"the folder cannot be read: {error.strerror}", "a folder in certbot's layout")
        return
    usable = [pair for pair in pairs if _usable(report, path, *pair)]
    if not usable and report.draft.sound("tls"):
        report.fault(path, "no folder in it holds a usable certificate", "fullchain.pem and privkey.pem in one")


def check_tls_is_possible(report: Report) -> None:
    """A service that begins with TLS, or takes passwords only within it, needs a certificate."""
    configuration = report.draft.configuration
    certificates = configuration.tls.certificates or configuration.tls.directory
    if certificates or not report.draft.sound("tls") or any(each.tls for each in configuration.domains.values()):
        return
    for kind in NEED_TLS:
        if getattr(configuration.listeners, kind):
            report.fault(("listeners", kind), "this service needs TLS", "a certificate under tls", at_key=True)


def check_realm_sources(report: Report) -> None:
    for name, realm in report.draft.configuration.realms.items():
        if realm.yaml is not None:
            _check_file(report, ("realms", name, "yaml"), realm.yaml, "a readable file of users")
        if realm.ldap is not None:
            _check_ldap(report, ("realms", name, "ldap"), realm.ldap)


def check_storage(report: Report) -> None:
    storage = report.draft.configuration.storage
    for name in ("maildirs", "state"):
        folder: Path = getattr(storage, name)
        if report.draft.sound("storage", name) and folder.exists() and not folder.is_dir():
            report.fault(("storage", name), "this is a file", "a folder, or a path where one can be made")
    if report.draft.sound("storage") and storage.maildirs.resolve() == storage.state.resolve():
        report.fault(("storage", "state"), "this is the folder of the Maildirs", "a folder of its own")


def check_relay(report: Report) -> None:
    relay = report.draft.configuration.queue.relay
    if relay is not None and relay.password_file is not None:
        _check_secret(report, ("queue", "relay", "password_file"), relay.password_file)


CHECKS: tuple[Callable[[Report], None], ...] = (
    check_something_is_served,
    check_domains_once,
    check_realms,
    check_catch_alls,
    check_endpoints,
    check_certificates,
    check_certificate_directory,
    check_tls_is_possible,
    check_realm_sources,
    check_storage,
    check_relay,
)


def _canonical_domains(draft: Draft) -> Iterator[tuple[str, str]]:
    """The domains as they are written and as they are known; those that are no domains are told elsewhere."""
    for written in draft.keys("domains"):
        try:
            yield written, canonical_domain(written)
        except (AddressError, UnicodeError):
            continue


def _endpoints(draft: Draft) -> Iterator[tuple[KeyPath, Endpoint]]:
    for kind in Listeners.model_fields:
        yield from draft.items(("listeners", kind), getattr(draft.configuration.listeners, kind))


def _same_place(one: Endpoint, other: Endpoint) -> bool:
    if not isinstance(one, TcpEndpoint) or not isinstance(other, TcpEndpoint):
        return one == other or (getattr(one, "path", None) == getattr(other, "path", object()))
    if one.port != other.port or one.port == 0:
        return False
    wildcards = {"", "0.0.0.0"}
    either_v6 = ":" in one.interface or ":" in other.interface
    return one.interface == other.interface or (not either_v6 and bool(wildcards & {one.interface, other.interface}))


def _check_pair(report: Report, path: KeyPath, pair: CertificatePair) -> None:
    try:
        certificate = inspect_pair(pair.certificate, pair.key)
    except PairRefused as error:
        for part, refusal in error.refusals.items():
            report.fault((*path, part), refusal.problem, refusal.expected)
        return
    _warn_of_open_secret(report, (*path, "key"), pair.key)
    if certificate.expires <= report.now:
        report.fault((*path, "certificate"), f"it expired on {certificate.expires:%Y-%m-%d}", "a valid certificate")
    elif certificate.expires - report.now < EXPIRY_WARNING:
        report.warn((*path, "certificate"), f"it expires on {certificate.expires:%Y-%m-%d}")
    if certificate.begins > report.now:
        report.warn((*path, "certificate"), f"it is not valid before {certificate.begins:%Y-%m-%d}")


def _usable(report: Report, path: KeyPath, certificate: Path, key: Path) -> bool:
    """Whether a pair of the directory can be used; otherwise a warning says why not."""
    name = shown(certificate.parent.name)
    try:
        facts = inspect_pair(certificate, key)
    except PairRefused as error:
        for part, refusal in error.refusals.items():
            report.warn(path, f"{name} is left out: {part}: {refusal.problem}", refusal.expected)
        return False
    if facts.expires <= report.now:
        report.warn(path, f"{name} is left out: it expired on {facts.expires:%Y-%m-%d}")
        return False
    _warn_of_open_secret(report, path, key)
    return True


def _check_ldap(report: Report, path: KeyPath, realm: LdapRealm) -> None:
    if not realm.uris:
        report.fault((*path, "uris"), "the list is empty", "at least one LDAP URI", at_key=True)
    if realm.ca is not None:
        _check_file(report, (*path, "ca"), realm.ca, "a readable file of certificates in PEM")
    if realm.bind_password_file is not None:
        _check_secret(report, (*path, "bind_password_file"), realm.bind_password_file)
    if (realm.bind_dn is None) != (realm.bind_password_file is None):
        report.fault(path, "one of bind_dn and bind_password_file is missing", "both, or neither", at_key=True)
    if "{address}" not in realm.user_filter:
        report.fault((*path, "user_filter"), "the filter does not ask for the address", "{address} within it")
    if realm.starttls == "none" and not all(map(_is_private_link, realm.uris)):
        report.fault((*path, "starttls"), "passwords would cross the network in clear text", "required")


def _is_private_link(uri: str) -> bool:
    """Whether nobody but the machine itself sees what goes over a connection, or TLS guards it."""
    parts = urlsplit(uri)
    try:
        loopback = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        loopback = parts.hostname == "localhost"
    return parts.scheme in {"ldaps", "ldapi"} or loopback


def _check_secret(report: Report, path: KeyPath, file: Path) -> None:
    _check_file(report, path, file, "a readable file with the password")
    _warn_of_open_secret(report, path, file)


def _check_file(report: Report, path: KeyPath, file: Path, expected: str) -> None:
    try:
        read_regular_file(file, 1)
    except Refusal as refusal:
        report.fault(path, refusal.problem, expected)


def _warn_of_open_secret(report: Report, path: KeyPath, file: Path) -> None:
    if readable_by_everyone(file):
        report.warn(path, f"every user of this machine can read {shown(file.name)}", "mode 600 or 640")
