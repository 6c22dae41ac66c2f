"""`twistd mailboxd --check`: what a configuration holds, or all that is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mailbox_d.auth.users_file import Users, read_users
from mailbox_d.config.faults import ConfigurationError, Fault
from mailbox_d.config.load import Loaded, load
from mailbox_d.config.model import Configuration
from mailbox_d.net.certificates import CertificateReport, Certificates, declared_pairs
from mailbox_d.relay.signing.dkim_keys import selectors


@dataclass(frozen=True, slots=True)
class RealmSummary:
    """What a realm holds."""

    name: str
    users: int
    aliases: int


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """A certificate, the names that it is for, and the day on which it expires (UTC)."""

    file: str
    names: tuple[str, ...]
    expires: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a configuration holds, and what its operator should hear."""

    hostname: str
    domains: dict[str, str]
    """The realm of each."""
    realms: tuple[RealmSummary, ...]
    listeners: dict[str, tuple[str, ...]]
    certificates: tuple[CertificateSummary, ...]
    warnings: tuple[str, ...]


def check(path: Path, *, as_json: bool) -> int:
    """Print the summary, or the faults on standard error. Returns the exit status."""
    try:
        summary = summarise(load(path))
    except ConfigurationError as error:
        _print_faults(error.faults, as_json)
        return 1
    print(json.dumps(asdict(summary), indent=2) if as_json else "\n".join(_lines(path, summary)))
    return 0


def summarise(loaded: Loaded) -> Summary:
    """Read users and certificates too. Raises `ConfigurationError` with every fault of every users' file."""
    configuration = loaded.configuration
    realms = _read_realms(configuration)
    certificates = Certificates(declared_pairs(configuration), configuration.tls.directory).describe()
    return Summary(
        hostname=configuration.hostname,
        domains={name: domain.realm for name, domain in configuration.domains.items()},
        realms=tuple(RealmSummary(name, len(users.logins), len(users.aliases)) for name, users in realms.items()),
        listeners={kind: tuple(map(str, endpoints)) for kind, endpoints in configuration.listeners if endpoints},
        certificates=tuple(map(_certificate, certificates)),
        warnings=tuple(_warnings(loaded, certificates)),
    )


def _read_realms(configuration: Configuration) -> dict[str, Users]:
    realms: dict[str, Users] = {}
    faults: list[Fault] = []
    for name, realm in configuration.realms.items():
        if realm.yaml is None:
            continue
        try:
            realms[name] = read_users(realm.yaml)
        except ConfigurationError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigurationError(faults)
    return realms


def _certificate(report: CertificateReport) -> CertificateSummary:
    return CertificateSummary(str(report.files.certificate), report.names, f"{report.expires:%Y-%m-%d}")


def _warnings(loaded: Loaded, certificates: tuple[CertificateReport, ...]) -> Iterator[str]:
    yield from map(str, loaded.warnings)
    for report in certificates:
        yield from report.warnings
    yield from _key_warnings(loaded.configuration)


def _key_warnings(configuration: Configuration) -> Iterator[str]:
    """What is wrong with keys for signatures; the folder is only for the daemon's user to look into."""
    try:
        for selector in selectors(configuration.dkim_keys):
            yield from selector.warnings
    except OSError as error:
        yield f"keys for signatures: {error}"


def _lines(path: Path, summary: Summary) -> Iterator[str]:
    yield f"{path}: fine"
    yield f"  hostname: {summary.hostname}"
    for name, realm in summary.domains.items():
        yield f"  domain {name}: realm {realm}"
    for counted in summary.realms:
        yield f"  realm {counted.name}: {counted.users} users, {counted.aliases} aliases"
    for kind, endpoints in summary.listeners.items():
        yield f"  {kind}: {', '.join(endpoints)}"
    for certificate in summary.certificates:
        yield f"  certificate for {', '.join(certificate.names)}: until {certificate.expires} ({certificate.file})"
    for warning in summary.warnings:
        yield f"  warning: {warning}"


def _print_faults(faults: tuple[Fault, ...], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"faults": [asdict(fault) for fault in faults]}, indent=2))
    else:
        print("\n".join(map(str, faults)), file=sys.stderr)
