"""The realms of a site, from users files and directories."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeAlias

from mailbox_d.auth.lasting_secret import LastingSecret
from mailbox_d.auth.ldap_realm.bounds import LdapBounds
from mailbox_d.auth.ldap_realm.realm import DirectoryRealm
from mailbox_d.auth.ldap_realm.servers import ServedDirectory
from mailbox_d.auth.success_cache import SuccessCache
from mailbox_d.auth.upgrades import HashUpgrades, usual_scheme
from mailbox_d.auth.users_edit.edits import replace_password
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.config.faults import ConfigurationError, Fault
from mailbox_d.config.file_identity import identify
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.config.model import Configuration
from mailbox_d.limits import ldap_bounds
from mailbox_d.net.lanes import Lanes

AnyRealm: TypeAlias = YamlRealm | DirectoryRealm


def build_realms(configuration: Configuration, lanes: Lanes, secret: LastingSecret) -> dict[str, AnyRealm]:
    """The realms by name, their users read. Raises `ConfigurationError` with every fault of every file."""
    faults: list[Fault] = []
    realms: dict[str, AnyRealm] = {}
    for name, realm in configuration.realms.items():
        try:
            if realm.yaml is not None:
                realms[name] = _yaml_realm(name, realm.yaml, configuration, lanes, secret)
            elif realm.ldap is not None:
                realms[name] = _ldap_realm(name, realm.ldap, lanes, ldap_bounds(configuration.limits))
        except ConfigurationError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigurationError(faults)
    return realms


def _yaml_realm(name: str, path: Path, configuration: Configuration, lanes: Lanes, secret: LastingSecret) -> YamlRealm:
    known = identify(path)
    upgrades = _upgrades(path, configuration, lanes) if configuration.login.upgrade_hashes else None
    realm = YamlRealm(
        name,
        path,
        read_users(path),
        known,
        read=lanes.files.run,
        verify=lanes.hashing.run,
        clock=time.monotonic,
        cache=SuccessCache(time.monotonic, seconds=configuration.limits.password_cache),
        upgrades=upgrades,
        secret=secret,
    )
    if upgrades is not None:
        upgrades.when_changed(realm.refresh)
    return realm


def _upgrades(path: Path, configuration: Configuration, lanes: Lanes) -> HashUpgrades:
    return HashUpgrades(
        path,
        replace_password,
        hash=lanes.hashing.run,
        edit=lanes.upgrades.run,
        clock=time.monotonic,
        scheme=usual_scheme(configuration.login.mechanisms),
    )


def _ldap_realm(name: str, settings: LdapRealm, lanes: Lanes, bounds: LdapBounds) -> DirectoryRealm:
    directory = ServedDirectory(settings, bounds)
    lanes.directory.before_stop(directory.stop)
    run = lanes.directory.of(name).run
    return DirectoryRealm(name, settings, directory, run=run, clock=time.monotonic, bounds=bounds)
