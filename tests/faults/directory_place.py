"""A daemon over a directory, reached by an unsteady way; the users that the load asks for are in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from tests.faults.directory_load import KEPT, LOGINS, ROTATING, UNKEPT
from tests.integration.daemon import Daemon, running
from tests.integration.directory_site import realm_keys, use
from tests.integration.site import Site, make_site
from tests.integration.slapd import Slapd, make_slapd, person, serving
from tests.integration.unsteady_way import UnsteadyWay, unsteady_way

LANE = 8
"""Threads for directories."""

POOLS = 4 * DEFAULT_BOUNDS.connections
"""Connections that both realms may keep, for searches and for binds."""

LIMITS = {
    "exempt": ["127.0.0.0/8"],
    "login_failure_delay": "10 ms",
    "login_failures_per_address": 1_000_000,
    "login_failures_per_network": 1_000_000,
    "login_failures_per_user": 1_000_000,
}


@dataclass(frozen=True, slots=True)
class UnsteadyPlace:
    """A daemon, the directory that it asks, and what lies between them."""

    daemon: Daemon
    slapd: Slapd
    way: UnsteadyWay

    @property
    def site(self) -> Site:
        return self.daemon.site


def everybody() -> str:
    """The entries of all users."""
    numbered = (f"{service}{number}" for service in LOGINS for number in range(ROTATING))
    kept = "".join(person(name, domain=KEPT) for name in ("alice", *LOGINS))
    return kept + "".join(person(name, domain=UNKEPT) for name in ("anna", *numbered))


def use_both(site: Site, slapd: Slapd, way: UnsteadyWay, timeout: str) -> None:
    """Have both domains served by the directory: what it says of users and logins of one is kept for an hour, of the
    other not at all."""
    keys = {**realm_keys(slapd), "uris": [f"ldaps://localhost:{way.port}"], "timeout": timeout}
    use(site, slapd, {**keys, "cache": "1 h", "login_cache": "1 h"})
    configuration = yaml.safe_load(site.configuration.read_text())
    configuration["realms"]["unkept"] = {"ldap": {**keys, "cache": 0, "login_cache": 0}}
    configuration["domains"][UNKEPT] = {"realm": "unkept"}
    configuration["limits"] |= LIMITS
    site.configuration.write_text(yaml.safe_dump(configuration))


@contextmanager
def unsteady_place(folder: Path, timeout: str = "1 s") -> Iterator[UnsteadyPlace]:
    """All of it, running, for as long as the block."""
    slapd, site = make_slapd(folder / "slapd"), make_site(folder / "site")
    with serving(slapd, everybody()), unsteady_way(slapd.ldaps) as way:
        use_both(site, slapd, way, timeout)
        with running(site) as daemon:
            yield UnsteadyPlace(daemon, slapd, way)
