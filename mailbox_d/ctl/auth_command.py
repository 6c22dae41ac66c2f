"""`mailboxctl auth test`: what the realm of a user's domain says of them, and why they cannot log in."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import Realm, Service, User
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.config.faults import ConfigurationError, closest
from mailbox_d.config.file_identity import identify
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.config.model import Configuration
from mailbox_d.control.telling import FINDINGS, FINE, TROUBLE
from mailbox_d.ctl.auth_waits import add_waits
from mailbox_d.ctl.new_password import read_password, typed, usable
from mailbox_d.ctl.parsing import CommandParser, VerbHelp, add_configuration
from mailbox_d.ctl.users_realm import Refused, add_verb, address, do
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.printable import escaped

if TYPE_CHECKING:
    from mailbox_d.ctl.parsing import Subjects

T = TypeVar("T")

_HELP: Final = VerbHelp(
    "say whether a user can log in, and if not, why",
    "Asks the realm of the user's domain as the daemon would, from here: the daemon is not asked, and counts no failed"
    " login. On a terminal the password is asked for; without one, only what is known of the user is said.",
    (
        ("bob@example.org", "may bob use IMAP, and is this his password"),
        ("bob@example.org --service submission --password-stdin --json", "for a program"),
    ),
)
_EXITS: Final = """exit status:
  0  the user can log in (or could, with the right password, where none was given)
  1  the user cannot log in
  2  the command cannot be understood, or the domain is not served
  3  the realm cannot be asked"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out: `reason` is a word for programs, `text` for people."""

    reason: str
    text: str
    status: int = FINDINGS


def add_auth_command(subjects: Subjects) -> None:
    """Add the command to the command line."""
    parser = subjects.add_parser("auth", help="why a user cannot log in", description="Logins, tried out.")
    parser.set_defaults(work=lambda given: parser.error("say what to do: test, waits or forgive"))
    add_configuration(parser, again=True)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=CommandParser)
    test = add_verb(verbs, "auth", "test", _HELP, _EXITS)
    test.add_argument("user", metavar="USER", type=address)
    test.add_argument("--password-stdin", action="store_true", help="the password is the input's first line")
    test.add_argument(
        "--service", choices=[service.value for service in Service], default="imap", help="(default: %(default)s)"
    )
    test.set_defaults(work=lambda given: do(_test, given))
    add_waits(verbs)


def _test(given: argparse.Namespace, configuration: Configuration) -> int:
    served = configuration.domains.get(given.user.domain)
    if served is None:
        near = closest(given.user.domain, configuration.domains)
        hint = f": did you mean {near}?" if near else ", so nobody of it can log in"
        raise Refused(f"mail for {given.user.domain} is not taken here{hint}")
    password = read_password() if given.password_stdin else _asked(given)
    verdict = _judge(configuration, served.realm, given.user, Service(given.service), password)
    kind = "yaml" if configuration.realms[served.realm].yaml is not None else "ldap"
    answer = {"answer": "login", "user": str(given.user), "realm": served.realm, "kind": kind, "service": given.service}
    if given.json:
        print(json.dumps({**answer, "reason": verdict.reason, "text": verdict.text, "status": verdict.status}))
    else:
        lines = f"The realm {served.realm} ({kind}) says: {verdict.text}"
        print("\n".join(map(escaped, lines.splitlines())))
    return verdict.status


def _judge(
    configuration: Configuration, name: str, user: EmailAddress, service: Service, password: bytes | None
) -> Verdict:
    try:
        return _done(_verdict(_realm(configuration, name), user, service, password))
    except (AuthenticationUnavailable, ConfigurationError) as error:
        why = str(error) if isinstance(error, ConfigurationError) else error.cause or error.public
        return Verdict("unavailable", f"it cannot be asked: {why}", TROUBLE)


async def _verdict(realm: Realm, address: EmailAddress, service: Service, password: bytes | None) -> Verdict:
    user = await realm.find_user(address)
    if user is None:
        return await _stranger(realm, address)
    if not user.enabled:
        return Verdict("disabled", f"{user.address} is disabled")
    if service not in user.services:
        may = ", ".join(sorted(one.value for one in user.services)) or "nothing"
        return Verdict("service", f"{user.address} may not use {service.value}, but {may}")
    if password is None:
        return Verdict("no-password", f"{user.address} may use {service.value}; no password was tried", FINE)
    return await _proof(realm, user, service, password)


async def _stranger(realm: Realm, address: EmailAddress) -> Verdict:
    if (owner := await realm.user_of_alias(address)) is not None:
        return Verdict("alias", f"{address} is an alias of {owner.address}, and an alias is no login name")
    if await realm.alias(address) is not None:
        return Verdict("alias", f"{address} is an alias, and an alias is no login name")
    return Verdict("unknown", f"there is no user {address}")


async def _proof(realm: Realm, user: User, service: Service, password: bytes) -> Verdict:
    try:
        logged_in = await realm.authenticate(user.address, password, service)
    except AuthenticationFailed:
        return Verdict("password", f"this is no password of {user.address} for {service.value}")
    by = f" by the app password {logged_in.by}" if logged_in.by else ""
    return Verdict("ok", f"{user.address} may log in to {service.value}{by}", FINE)


def _realm(configuration: Configuration, name: str) -> Realm:
    """The realm, doing its work here and now. Raises `ConfigurationError` for a users file that is at fault."""
    settings = configuration.realms[name]
    if settings.yaml is not None:
        known, users = identify(settings.yaml), read_users(settings.yaml)
        return YamlRealm(
            name, settings.yaml, users, known, read=_here, verify=_here, clock=time.monotonic, interval=float("inf")
        )
    if settings.ldap is None:
        raise Refused(f"the realm {name} has no source of users")
    return _directory_realm(name, settings.ldap)


def _directory_realm(name: str, settings: LdapRealm) -> Realm:
    from mailbox_d.auth.ldap_realm.realm import DirectoryRealm
    from mailbox_d.auth.ldap_realm.servers import ServedDirectory

    return DirectoryRealm(name, settings, ServedDirectory(settings), run=_here, clock=time.monotonic)


async def _here(work: Callable[..., T], /, *args: object) -> T:
    return work(*args)


def _done(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that waits for nothing."""
    results: list[T | Failure] = []
    Deferred.fromCoroutine(work).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
        raise AssertionError
    return result


def _asked(given: argparse.Namespace) -> bytes | None:
    """The password, where there is somebody to ask who gives one."""
    if not sys.stdin.isatty():
        return None
    password = typed(f"Password of {given.user} (none: it is not tried): ")
    return usable(password) if password else None
