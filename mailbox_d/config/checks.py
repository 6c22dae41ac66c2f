"""What only shows across keys: realms that do not exist, services at one place, domains that hide each other.

Each check looks at one matter and tells a `Report` of all that is wrong with it. A check never concludes anything
from what is missing where the draft is broken.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Hashable, Iterator
from urllib.parse import urlsplit

from mailbox_d.config.draft import Draft
from mailbox_d.config.endpoints import LONGEST_SOCKET_PATH, Endpoint, UnixEndpoint, is_dual_stack, places
from mailbox_d.config.faults import KeyPath, dotted, shown, unknown
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.config.model import Listeners
from mailbox_d.config.report import Report

NEED_TLS = ("submission", "submissions", "imaps", "pop3s")
"""Services that are of no use without a certificate."""


def check_something_is_served(report: Report) -> None:
    listeners = report.draft.configuration.listeners
    if report.draft.sound("listeners") and not any(endpoints for _, endpoints in listeners):
        report.fault(("listeners",), "nothing listens", "an endpoint for at least one service", at_key=True)
    if report.draft.sound("domains") and not report.draft.configuration.domains:
        report.fault(("domains",), "there is no domain", "at least one", at_key=True)


def check_domains_once(report: Report) -> None:
    """Two spellings of one domain would otherwise hide each other."""
    first: dict[str, str] = {}
    for written, domain in report.draft.canonical_domains():
        if (other := first.setdefault(domain, written)) != written:
            report.fault(("domains", written), f"this is the same domain as {shown(other)}", "each once", at_key=True)


def check_realms(report: Report) -> None:
    known = tuple(report.draft.keys("realms"))
    for written, domain in report.draft.canonical_domains():
        settings = report.draft.configuration.domains.get(domain)
        if settings is not None and settings.realm not in known:
            problem, expected = unknown(f"the realm {shown(settings.realm)}", settings.realm, known)
            report.fault(("domains", written, "realm"), problem, expected)


def check_catch_alls(report: Report) -> None:
    served = {domain for _, domain in report.draft.canonical_domains()}
    for written, domain in report.draft.canonical_domains():
        settings = report.draft.configuration.domains.get(domain)
        address = settings.catch_all if settings is not None else None
        if address is not None and address.domain not in served:
            problem = f"the domain {shown(address.domain)} is not served here"
            report.fault(("domains", written, "catch_all"), problem, "an address of one of the domains")


def check_endpoints(report: Report) -> None:
    """No two services can listen at one place."""
    dual_stack = is_dual_stack()
    first: dict[Hashable, KeyPath] = {}
    for path, endpoint in _endpoints(report.draft):
        taken, clashes = places(endpoint, dual_stack=dual_stack)
        if others := [first[place] for place in clashes if place in first]:
            report.fault(path, f"{dotted(min(others))} listens there already", "a place of its own")
        for place in taken:
            first.setdefault(place, path)


def check_tls_is_possible(report: Report) -> None:
    """A service that begins with TLS, or takes passwords only within it, needs a certificate."""
    configuration = report.draft.configuration
    certificates = configuration.tls.certificates or configuration.tls.directory
    if certificates or not report.draft.sound("tls") or any(each.tls for each in configuration.domains.values()):
        return
    for kind in NEED_TLS:
        if getattr(configuration.listeners, kind):
            report.fault(("listeners", kind), "this service needs TLS", "a certificate under tls", at_key=True)


def check_ldap_realms(report: Report) -> None:
    for name, realm in report.draft.configuration.realms.items():
        if realm.ldap is not None:
            _check_ldap(report, ("realms", name, "ldap"), realm.ldap)


def check_control_socket(report: Report) -> None:
    """A unix socket's path is short, and no other service's."""
    if not (report.draft.sound("storage", "state") and report.draft.sound("control")):
        return
    configuration = report.draft.configuration
    path = configuration.control_socket
    key: KeyPath = ("control", "socket") if configuration.control.socket is not None else ("storage", "state")
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        expected = f"at most {LONGEST_SOCKET_PATH} octets; control.socket can be elsewhere"
        report.fault(key, f"the control socket's path {shown(str(path))} is too long", expected)
    for other, endpoint in _endpoints(report.draft):
        if isinstance(endpoint, UnixEndpoint) and endpoint.path == path:
            report.fault(key, f"{dotted(other)} has the path {shown(str(path))}", "a path of its own")


CHECKS_ACROSS_KEYS: tuple[Callable[[Report], None], ...] = (
    check_something_is_served,
    check_domains_once,
    check_realms,
    check_catch_alls,
    check_endpoints,
    check_tls_is_possible,
    check_ldap_realms,
    check_control_socket,
)


def _endpoints(draft: Draft) -> Iterator[tuple[KeyPath, Endpoint]]:
    for kind in Listeners.model_fields:
        yield from draft.items(("listeners", kind), getattr(draft.configuration.listeners, kind))


def _check_ldap(report: Report, path: KeyPath, realm: LdapRealm) -> None:
    if not realm.uris:
        report.fault((*path, "uris"), "the list is empty", "at least one LDAP URI", at_key=True)
    if (realm.bind_dn is None) != (realm.bind_password_file is None):
        report.fault(path, "one of bind_dn and bind_password_file is missing", "both, or neither", at_key=True)
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
