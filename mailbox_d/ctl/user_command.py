"""`mailboxctl user`: who has mail here, edited in the realm's users file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import NEW_SCHEMES
from mailbox_d.auth.realm import Service
from mailbox_d.auth.upgrades import usual_scheme
from mailbox_d.auth.users_edit.edits import add_user, remove_user, set_enabled, set_user
from mailbox_d.auth.users_file import Login, Users
from mailbox_d.config.faults import Refusal
from mailbox_d.config.model import Configuration
from mailbox_d.config.scalars import DomainName
from mailbox_d.config.units import parse_size
from mailbox_d.control.telling import FINDINGS, FINE
from mailbox_d.ctl.app_password_command import add_app_password_verbs
from mailbox_d.ctl.last_use_file import LastUses, when
from mailbox_d.ctl.new_password import add_password_options, new_password
from mailbox_d.ctl.parsing import CommandParser, VerbHelp, add_configuration
from mailbox_d.ctl.terminal import octets
from mailbox_d.ctl.users_realm import Refused, add_verb, address, do, realm_file, realm_files, say, services
from mailbox_d.ctl.users_realm import tell as tell_done
from mailbox_d.store.layout import Layout

if TYPE_CHECKING:
    from mailbox_d.config.source import Plain
    from mailbox_d.ctl.parsing import Subjects

_HELP: Final = {
    "add": VerbHelp(
        "add a user",
        "Adds a user to the users file of the domain's realm, behind those that are there. The password is asked for"
        " twice; --password-stdin and --generate do without anybody. The daemon knows the user a second later.",
        (
            ("bob@example.org", "the password is asked for"),
            ("bob@example.org --generate --quota '1 GiB'", "with a password that is made up, and a quota"),
            ("bob@example.org --generate --services imap,submission", "who may not use POP3"),
        ),
    ),
    "passwd": VerbHelp(
        "give a user another password",
        "Replaces the user's password. App passwords stay.",
        (
            ("bob@example.org", "the password is asked for"),
            ("bob@example.org --generate", "it is made up, and printed"),
        ),
    ),
    "disable": VerbHelp(
        "let a user log in no more",
        "The user cannot log in, with any password. Mail for them is still taken.",
        (("bob@example.org", "from the next login on"),),
    ),
    "enable": VerbHelp("let a user log in again", "Undoes disable.", (("bob@example.org", "from a second later on"),)),
    "del": VerbHelp(
        "remove a user",
        "Removes the user from the users file, with what it says of them and the comment lines directly above. Their"
        " mail is left where it lies.",
        (("bob@example.org", "asks first"), ("bob@example.org --yes", "does not ask")),
    ),
    "list": VerbHelp(
        "list users",
        "Lists the users of all users files: whether they may log in, their quota, services, aliases, app passwords.",
        (("", "of all domains"), ("example.org --json", "of one, for a program")),
    ),
}


def add_user_command(subjects: Subjects) -> None:
    """Add the command to the command line."""
    parser = subjects.add_parser("user", help="users in users files", description="Users of realms that are files.")
    parser.set_defaults(
        work=lambda given: parser.error("say what to do: add, passwd, app-password, disable, enable, del or list")
    )
    add_configuration(parser, again=True)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=CommandParser)
    add, passwd, disable, enable, remove, listing = (add_verb(verbs, "user", verb, _HELP[verb]) for verb in _HELP)
    add_app_password_verbs(verbs)
    for verb in (add, passwd, disable, enable, remove):
        verb.add_argument("user", metavar="ADDRESS", type=address)
    add.add_argument("--quota", type=_quota, metavar="SIZE", help="such as '1 GiB' (default: none)")
    add.add_argument("--services", type=services, metavar="LIST", help="such as imap,submission (default: all)")
    for verb in (add, passwd):
        add_password_options(verb)
    remove.add_argument("--yes", action="store_true", help="do not ask")
    listing.add_argument("domain", metavar="DOMAIN", nargs="?", type=_domain)
    works: tuple[tuple[CommandParser, Callable[[argparse.Namespace, Configuration], int]], ...] = (
        (add, _add),
        (passwd, _passwd),
        (disable, lambda given, configuration: _enable(given, configuration, enabled=False)),
        (enable, lambda given, configuration: _enable(given, configuration, enabled=True)),
        (remove, _remove),
        (listing, _list),
    )
    for verb, work in works:
        verb.set_defaults(work=lambda given, work=work: do(work, given))


def _add(given: argparse.Namespace, configuration: Configuration) -> int:
    realm = realm_file(configuration, given.user.domain)
    if given.user in realm.read().logins:
        raise Refused(f"{given.user} is there already: mailboxctl user passwd changes the password", FINDINGS)
    password = new_password(given, usual_scheme(configuration.login.mechanisms))
    entry: dict[str, Plain] = {"password": password.stored}
    if given.quota is not None:
        entry["quota"] = given.quota
    if given.services is not None:
        entry["services"] = given.services
    realm.edit(add_user(given.user, entry))
    text, more = f"{given.user} was added to {realm.path}.", {}
    maildir = os.fsdecode(Layout(configuration.storage.maildirs).maildir(given.user))
    if os.path.lexists(maildir):
        text, more = f"{text}\nThe mail that lies in {maildir} already is theirs now.", {"maildir": maildir}
    _tell(given, "added", realm.name, text, password.shown, more)
    return FINE


def _passwd(given: argparse.Namespace, configuration: Configuration) -> int:
    realm = realm_file(configuration, given.user.domain)
    there = _login(realm.read(), given.user).password.scheme
    password = new_password(given, there if there in NEW_SCHEMES else usual_scheme(configuration.login.mechanisms))
    realm.edit(set_user(given.user, "password", password.stored))
    _tell(given, "changed", realm.name, f"{given.user} has another password.", password.shown)
    return FINE


def _enable(given: argparse.Namespace, configuration: Configuration, *, enabled: bool) -> int:
    realm = realm_file(configuration, given.user.domain)
    realm.edit(set_enabled(given.user, enabled=enabled))
    text = "may log in" if enabled else "cannot log in any more; mail for them is still taken"
    _tell(given, "enabled" if enabled else "disabled", realm.name, f"{given.user} {text}.")
    return FINE


def _remove(given: argparse.Namespace, configuration: Configuration) -> int:
    realm = realm_file(configuration, given.user.domain)
    users = realm.read()
    _login(users, given.user)
    maildir = os.fsdecode(Layout(configuration.storage.maildirs).maildir(given.user))
    if not given.yes and not _agreed(f"Remove {given.user}? The mail in {maildir} is left."):
        raise Refused("nothing was removed: say --yes")
    realm.edit(remove_user(given.user))
    still = [str(alias) for alias, targets in users.aliases.items() if given.user in targets]
    answer = {"answer": "user", "did": "removed", "user": str(given.user), "realm": realm.name}
    text = f"{given.user} was removed. The mail in {maildir} is left."
    if still:
        text += f"\nThese aliases still lead there: {', '.join(still)}"
    tell_done(given, {**answer, "maildir": maildir, "aliases": still}, text)
    return FINE


def _list(given: argparse.Namespace, configuration: Configuration) -> int:
    realms = realm_files(configuration) if given.domain is None else [realm_file(configuration, given.domain)]
    last_uses = LastUses(configuration)
    for realm in realms:
        for login in realm.read().logins.values():
            if given.domain in (None, login.user.address.domain):
                uses = last_uses.of(login)
                print(json.dumps(_as_json(realm.name, login, uses)) if given.json else _as_line(login, uses))
    return FINE


def _as_json(realm: str, login: Login, uses: Mapping[str, float]) -> dict[str, Any]:
    user = login.user
    return {
        "answer": "user",
        "user": str(user.address),
        "realm": realm,
        "enabled": user.enabled,
        "quota": user.quota,
        "quota_messages": user.quota_messages,
        "maildir": user.maildir,
        "services": _names(user.services),
        "aliases": [str(alias) for alias in user.aliases],
        "scheme": login.password.scheme,
        "last_use": uses.get(""),
        "app_passwords": [
            {"name": one.name, "services": _names(one.services), "last_use": uses.get(one.name)}
            for one in login.app_passwords
        ],
    }


def _as_line(login: Login, uses: Mapping[str, float]) -> str:
    user = login.user
    words = [
        "" if user.enabled else "disabled",
        f"quota {octets(user.quota)}" if user.quota is not None else "",
        f"at most {user.quota_messages} messages" if user.quota_messages is not None else "",
        f"mail in {user.maildir}" if user.maildir is not None else "",
        f"only {', '.join(_names(user.services))}" if len(user.services) < len(Service) else "",
        f"aliases {', '.join(map(str, user.aliases))}" if user.aliases else "",
        f"app passwords {', '.join(one.name for one in login.app_passwords)}" if login.app_passwords else "",
        f"last login {when(max(uses.values()))}" if uses else "",
    ]
    told = "; ".join(filter(None, words))
    return f"{user.address}: {told}" if told else str(user.address)


def _names(of: frozenset[Service]) -> list[str]:
    return sorted(service.value for service in of)


def _login(users: Users, user: EmailAddress) -> Login:
    login = users.logins.get(user)
    if login is None:
        raise Refused(f"there is no user {user}", FINDINGS)
    return login


def _tell(
    given: argparse.Namespace,
    did: str,
    realm: str,
    text: str,
    password: str | None = None,
    more: Mapping[str, str] | None = None,
) -> None:
    answer = {"answer": "user", "did": did, "user": str(given.user), "realm": realm, **(more or {})}
    tell_done(given, answer, text, password)


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    say(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _quota(text: str) -> str:
    try:
        parse_size(text)
    except Refusal as refusal:
        raise argparse.ArgumentTypeError(str(refusal)) from None
    return text


def _domain(text: str) -> str:
    try:
        return DomainName().read_text(text, Path())
    except Refusal as refusal:
        raise argparse.ArgumentTypeError(str(refusal)) from None
