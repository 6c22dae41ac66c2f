"""What only shows on the disk: certificates that expired, keys that match none, passwords that everyone can read.

Each check looks at one matter and tells a `Report` of all that is wrong with it. A check never concludes anything
from what is missing where the draft is broken.
"""

from __future__ import annotations

import grp
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mailbox_d.config.certificates import (
    EXPIRY_WARNING,
    PairRefused,
    certbot_pairs,
    inspect_pair,
    read_authorities,
    read_revocations,
    revocation_warnings,
)
from mailbox_d.config.faults import KeyPath, Refusal, shown
from mailbox_d.config.files import read_regular_file, readable_by_everyone
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.config.model import BY_CERTIFICATE, CertificatePair
from mailbox_d.config.report import Report

T = TypeVar("T")


def check_certificates(report: Report) -> None:
    configuration = report.draft.configuration
    for path, pair in report.draft.items(("tls", "certificates"), configuration.tls.certificates):
        _check_pair(report, path, pair)
    for written, domain in report.draft.canonical_domains():
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


def check_realm_sources(report: Report) -> None:
    for name, realm in report.draft.configuration.realms.items():
        if realm.yaml is not None:
            _check_file(report, ("realms", name, "yaml"), realm.yaml, "a readable file of users")
            _warn_of_open_secret(report, ("realms", name, "yaml"), realm.yaml)
        if realm.ldap is not None:
            _check_ldap_files(report, ("realms", name, "ldap"), realm.ldap)


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


def check_tokens(report: Report) -> None:
    """The files by which tokens are checked."""
    tokens = report.draft.configuration.login.tokens
    if tokens is None or not report.draft.sound("login"):
        return
    issuer, jwt, path = tokens.introspection, tokens.jwt, ("login", "tokens")
    if issuer is not None:
        _check_secret(report, (*path, "introspection", "client_secret_file"), issuer.client_secret_file)
    if jwt is not None and jwt.keys_file is not None:
        _check_file(report, (*path, "jwt", "keys_file"), jwt.keys_file, "a readable file with a JWK set")
    for kind, settings in (("introspection", issuer), ("jwt", jwt)):
        if settings is not None and settings.ca is not None:
            _check_file(report, (*path, kind, "ca"), settings.ca, "a readable file of certificates in PEM")


def check_client_certificates(report: Report) -> None:
    """The files by which clients' certificates are checked."""
    settings = report.draft.configuration.login.client_certificates
    if settings is None or not report.draft.sound("login"):
        return
    path: KeyPath = ("login", "client_certificates")
    _check_read(report, (*path, "ca"), read_authorities, settings.ca)
    if settings.crl is not None:
        lists = _check_read(report, (*path, "crl"), read_revocations, settings.crl) or ()
        for warning in revocation_warnings(lists, report.now):
            report.warn((*path, "crl"), warning)
    if BY_CERTIFICATE not in report.draft.configuration.login.mechanisms:
        report.warn(path, "nobody is asked for a certificate", f"{BY_CERTIFICATE} among the mechanisms")


def check_control_group(report: Report) -> None:
    group = report.draft.configuration.control.group
    if group is None or not report.draft.sound("control", "group"):
        return
    try:
        grp.getgrnam(group)
    except KeyError:
        report.fault(("control", "group"), f"there is no group {shown(group)}", "a group of this system")


CHECKS_ON_DISK: tuple[Callable[[Report], None], ...] = (
    check_certificates,
    check_certificate_directory,
    check_realm_sources,
    check_storage,
    check_relay,
    check_tokens,
    check_client_certificates,
    check_control_group,
)


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


def _check_ldap_files(report: Report, path: KeyPath, realm: LdapRealm) -> None:
    if realm.ca is not None:
        _check_authorities(report, (*path, "ca"), realm.ca)
    if realm.bind_password_file is not None:
        _check_secret(report, (*path, "bind_password_file"), realm.bind_password_file)


def _check_read(report: Report, path: KeyPath, read: Callable[[Path], T], file: Path) -> T | None:
    """What is read; None, and a fault, where it cannot be."""
    try:
        return read(file)
    except Refusal as refusal:
        report.fault(path, refusal.problem, refusal.expected)
        return None


def _check_authorities(report: Report, path: KeyPath, file: Path) -> None:
    expected = "a readable file of certificates in PEM"
    try:
        read_regular_file(file, 1)
        ssl.create_default_context(cafile=file)
    except Refusal as refusal:
        report.fault(path, refusal.problem, expected)
    except OSError:
        report.fault(path, "the file holds no certificates", expected)


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
