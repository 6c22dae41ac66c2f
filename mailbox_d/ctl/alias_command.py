"""`mailboxctl alias`: a realm's aliases, edited in its users file."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Final

from mailbox_d.auth.users_edit.edits import add_alias, remove_alias
from mailbox_d.config.model import Configuration
from mailbox_d.control.telling import FINE
from mailbox_d.ctl.parsing import CommandParser, VerbHelp, add_configuration
from mailbox_d.ctl.users_realm import RealmFile, add_verb, address, do, realm_file, realm_files, tell

if TYPE_CHECKING:
    from mailbox_d.address import EmailAddress
    from mailbox_d.ctl.parsing import Subjects

_HELP: Final = {
    "add": VerbHelp(
        "let an alias lead to addresses",
        "Adds an alias of the realm of the alias's domain; one that is there leads to the further addresses too.",
        (
            ("sales@example.org bob@example.org", "mail for sales goes to bob"),
            ("sales@example.org amy@example.com", "and to amy, who is elsewhere"),
        ),
    ),
    "del": VerbHelp(
        "remove an alias, or some of its addresses",
        "Without addresses the alias is removed; so it is with its last one.",
        (
            ("sales@example.org", "nobody gets mail for sales"),
            ("sales@example.org bob@example.org", "bob gets it no more"),
        ),
    ),
    "list": VerbHelp(
        "list aliases",
        "Lists the aliases of all users files, and users' own ones.",
        (("", "of all domains"), ("--json", "for a program")),
    ),
}


def add_alias_command(subjects: Subjects) -> None:
    """Add the command to the command line."""
    parser = subjects.add_parser(
        "alias", help="aliases in users files", description="Aliases of realms that are files."
    )
    parser.set_defaults(work=lambda given: parser.error("say what to do: add, del or list"))
    add_configuration(parser, again=True)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=CommandParser)
    add, remove, listing = (add_verb(verbs, "alias", verb, _HELP[verb]) for verb in _HELP)
    add.add_argument("alias", metavar="ALIAS", type=address)
    add.add_argument("targets", metavar="TARGET", type=address, nargs="+")
    remove.add_argument("alias", metavar="ALIAS", type=address)
    remove.add_argument("targets", metavar="TARGET", type=address, nargs="*")
    add.set_defaults(work=lambda given: do(_add, given))
    remove.set_defaults(work=lambda given: do(_remove, given))
    listing.set_defaults(work=lambda given: do(_list, given))


def _add(given: argparse.Namespace, configuration: Configuration) -> int:
    realm = realm_file(configuration, given.alias.domain)
    realm.edit(add_alias(given.alias, list(dict.fromkeys(given.targets))))
    return _tell_now(given, realm, "added")


def _remove(given: argparse.Namespace, configuration: Configuration) -> int:
    realm = realm_file(configuration, given.alias.domain)
    realm.edit(remove_alias(given.alias, given.targets))
    return _tell_now(given, realm, "removed")


def _tell_now(given: argparse.Namespace, realm: RealmFile, did: str) -> int:
    """Where the alias leads by now."""
    targets = realm.read().aliases.get(given.alias, ())
    answer = {**_as_json(realm, given.alias, targets), "did": did}
    leads = f"leads to {', '.join(map(str, targets))}" if targets else "leads nowhere any more"
    tell(given, answer, f"{given.alias} {leads}.")
    return FINE


def _list(given: argparse.Namespace, configuration: Configuration) -> int:
    for realm in realm_files(configuration):
        users = realm.read()
        own = {alias: (user.address,) for alias, user in users.owners.items()}
        for alias, targets in {**users.aliases, **own}.items():
            line = f"{alias}: {', '.join(map(str, targets))}"
            answer = {**_as_json(realm, alias, targets), "own": alias in own}
            print(json.dumps(answer) if given.json else line)
    return FINE


def _as_json(realm: RealmFile, alias: EmailAddress, targets: tuple[EmailAddress, ...]) -> dict[str, object]:
    return {"answer": "alias", "alias": str(alias), "targets": list(map(str, targets)), "realm": realm.name}
