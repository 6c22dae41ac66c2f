"""What the logins of all services share, put together: who is whom, who must wait, who is in."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mailbox_d.auth.directory import Directory
from mailbox_d.auth.guessing.acquaintances import FILE_MAX as ACQUAINTANCES_MAX
from mailbox_d.auth.guessing.acquaintances import FILE_NAME as ACQUAINTANCES
from mailbox_d.auth.guessing.acquaintances import Acquaintances
from mailbox_d.auth.guessing.guesses import Guesses
from mailbox_d.auth.last_use import LAST_USE, LastUse
from mailbox_d.auth.lasting_secret import FILE_NAME as SECRET
from mailbox_d.auth.lasting_secret import LastingSecret
from mailbox_d.config.model import Configuration
from mailbox_d.limits import guess_limits
from mailbox_d.net.admissions import Admissions
from mailbox_d.net.issuers import TokenChecker, token_checker
from mailbox_d.net.kept_state import FILE_MAX, KeptState
from mailbox_d.net.lanes import Lanes
from mailbox_d.net.limits import UserSessions
from mailbox_d.net.login_log import LoginLog
from mailbox_d.net.rechecks import Rechecks
from mailbox_d.realms import AnyRealm, build_realms


@dataclass(frozen=True, slots=True)
class Logins:
    """One for all services of a site."""

    realms: Mapping[str, AnyRealm]
    directory: Directory
    tokens: TokenChecker | None
    """What checks the tokens that prove an address; None where there is no issuer."""
    guesses: Guesses
    """Who has to wait between two logins."""
    rechecks: Rechecks
    """What knows who is in."""
    sessions: UserSessions
    kept: tuple[KeptState[Any], ...]
    """What keeps over a restart what strangers are told, when users were here last, and from where they came."""
    log: LoginLog = field(default_factory=LoginLog)


def build_logins(configuration: Configuration, reactor: Any, lanes: Lanes, is_exempt: Callable[[str], bool]) -> Logins:
    """Read who the users are. Raises `ConfigurationError`."""
    limits, keep = configuration.limits, partial(_kept, configuration, reactor, lanes)
    secret, last_use = LastingSecret(), LastUse(time.time)
    acquaintances = Acquaintances(limits.login_acquaintances)
    realms = build_realms(configuration, lanes, secret)
    kept_secret = keep(SECRET, secret)
    return Logins(
        realms=realms,
        directory=_directory(configuration, realms, last_use, kept_secret.load),
        tokens=_tokens(configuration, lanes, reactor),
        guesses=Guesses(guess_limits(limits), acquaintances, time.monotonic, is_exempt),
        rechecks=_rechecks(configuration, reactor, realms),
        sessions=UserSessions(limits.connections_per_user),
        kept=(kept_secret, keep(LAST_USE, last_use), keep(ACQUAINTANCES, acquaintances, most=ACQUAINTANCES_MAX)),
    )


def _kept(
    configuration: Configuration, reactor: Any, lanes: Lanes, name: str, state: Any, most: int = FILE_MAX
) -> KeptState[Any]:
    """What has something written down in the state folder."""
    return KeptState(reactor, os.fsencode(configuration.storage.state / name), state, lanes.files.run, most=most)


def _directory(
    configuration: Configuration,
    realms: Mapping[str, AnyRealm],
    last_use: LastUse,
    ready: Callable[[], Awaitable[None]],
) -> Directory:
    """The users of all domains."""
    domains = configuration.domains.items()
    return Directory({name: realms[domain.realm] for name, domain in domains}, used=last_use.note, ready=ready)


def _tokens(configuration: Configuration, lanes: Lanes, reactor: Any) -> TokenChecker | None:
    settings = configuration.login.tokens
    return token_checker(settings, lanes, reactor) if settings is not None else None


def _rechecks(configuration: Configuration, reactor: Any, realms: Mapping[str, AnyRealm]) -> Rechecks:
    """What looks again at who is in."""
    domains = configuration.domains.items()
    places = [(realm, [name for name, one in domains if one.realm == which]) for which, realm in realms.items()]
    return Rechecks(reactor, Admissions(), places, configuration.limits.login_recheck)
