"""`mailboxctl user app-password`: further passwords of a user, each for one program or device."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING, Final

from mailbox_d.auth.passwords import ARGON2ID
from mailbox_d.auth.users_edit.edits import add_app_password, remove_app_password
from mailbox_d.config.model import Configuration
from mailbox_d.control.telling import FINDINGS, FINE
from mailbox_d.ctl.last_use_file import LastUses, when
from mailbox_d.ctl.new_password import add_scheme_option, generated_password
from mailbox_d.ctl.parsing import CommandParser, VerbHelp, add_configuration
from mailbox_d.ctl.users_realm import Refused, add_verb, address, do, realm_file, services, tell

if TYPE_CHECKING:
    from mailbox_d.config.source import Plain
    from mailbox_d.ctl.parsing import Subjects

_HELP: Final = {
    "add": VerbHelp(
        "make an app password",
        "Makes a password up, stores it under a name, and prints it once: it is never to be seen again.",
        (
            ("bob@example.org phone", "for everything that bob may use"),
            ("bob@example.org scanner --services submission", "which can send and read nothing"),
        ),
    ),
    "del": VerbHelp(
        "remove an app password",
        "What has it can log in no more. The other passwords stay.",
        (("bob@example.org phone", "the phone is lost"),),
    ),
    "list": VerbHelp(
        "list app passwords", "Names, services, and when each was last used.", (("bob@example.org", "bob's"),)
    ),
}
_NAME = re.compile(r"\w[\w.-]{0,63}")


def add_app_password_verbs(verbs: Subjects) -> None:
    """Add `app-password` and its verbs to those of `user`."""
    parser = verbs.add_parser(
        "app-password", help="further passwords of a user", description="Passwords for one program or device each."
    )
    parser.set_defaults(work=lambda given: parser.error("say what to do: add, del or list"))
    add_configuration(parser, again=True)
    own = parser.add_subparsers(dest="app_verb", metavar="VERB", parser_class=CommandParser)
    add, remove, listing = (add_verb(own, "user app-password", verb, _HELP[verb]) for verb in _HELP)
    for verb in (add, remove, listing):
        verb.add_argument("user", metavar="USER", type=address)
    for verb in (add, remove):
        verb.add_argument("name", metavar="NAME", type=_name)
    add.add_argument("--services", type=services, metavar="LIST", help="such as imap,submission (default: all)")
    add_scheme_option(add, ARGON2ID)
    add.set_defaults(work=lambda given: do(_add, given))
    remove.set_defaults(work=lambda given: do(_remove, given))
    listing.set_defaults(work=lambda given: do(_list, given))


def _add(given: argparse.Namespace, configuration: Configuration) -> int:
    realm = realm_file(configuration, given.user.domain)
    password = generated_password(given.scheme or ARGON2ID)
    entry: dict[str, Plain] = {"password": password.stored}
    if given.services is not None:
        entry["services"] = given.services
    realm.edit(add_app_password(given.user, given.name, entry))
    answer = {"answer": "app-password", "did": "added", "user": str(given.user), "name": given.name}
    tell(given, answer, f"{given.user} may log in with it; it is not shown again.", password.shown)
    return FINE


def _remove(given: argparse.Namespace, configuration: Configuration) -> int:
    realm_file(configuration, given.user.domain).edit(remove_app_password(given.user, given.name))
    answer = {"answer": "app-password", "did": "removed", "user": str(given.user), "name": given.name}
    tell(given, answer, f"The app password {given.name} of {given.user} was removed.")
    return FINE


def _list(given: argparse.Namespace, configuration: Configuration) -> int:
    login = realm_file(configuration, given.user.domain).read().logins.get(given.user)
    if login is None:
        raise Refused(f"there is no user {given.user}", FINDINGS)
    uses = LastUses(configuration).of(login)
    for one in login.app_passwords:
        may, used = sorted(service.value for service in one.services & login.user.services), uses.get(one.name)
        answer = {"answer": "app-password", "user": str(given.user), "name": one.name, "services": may}
        last = f"last used {when(used)}" if used is not None else "never used"
        print(json.dumps({**answer, "last_use": used}) if given.json else f"{one.name}: {', '.join(may)}; {last}")
    return FINE


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: letters, digits, dots, hyphens and underscores")
    return text
