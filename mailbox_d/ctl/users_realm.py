"""Which users file has a domain's users, and what commands about users share: verbs, arguments, exit statuses."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import Service
from mailbox_d.auth.users_edit.changes import CannotEdit
from mailbox_d.auth.users_edit.replacing import Plan, edit_users
from mailbox_d.auth.users_file import Users, read_users
from mailbox_d.config.faults import ConfigurationError, closest
from mailbox_d.config.load import load
from mailbox_d.config.model import Configuration
from mailbox_d.control.telling import FINDINGS, TROUBLE, USAGE
from mailbox_d.ctl.new_password import NoPassword
from mailbox_d.ctl.parsing import Verbatim, VerbHelp, add_configuration
from mailbox_d.ctl.terminal import drop_output
from mailbox_d.errors import AddressError
from mailbox_d.printable import escaped

if TYPE_CHECKING:
    from mailbox_d.ctl.parsing import CommandParser, Subjects

EXITS: Final = """exit status:
  0  done
  1  nothing was changed: who is named is not there, or is already, or the users file is at fault
  2  the command cannot be understood, or the domain has no users file
  3  the disk gave trouble, or what was done could not be printed"""


class Refused(Exception):
    """The command cannot be done: what to say, and the exit status."""

    def __init__(self, text: str, status: int = USAGE) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class RealmFile:
    """A realm whose users are in a file."""

    name: str
    path: Path

    def read(self) -> Users:
        """What the file says. Raises `Refused` where it is at fault or cannot be read."""
        try:
            return read_users(self.path)
        except ConfigurationError as error:
            raise Refused(str(error), FINDINGS) from None
        except OSError as error:
            raise _trouble(error) from None

    def edit(self, plan: Plan) -> None:
        """Change the file. Raises `Refused`."""
        try:
            edit_users(self.path, plan)
        except ConfigurationError as error:
            raise Refused(f"nothing was changed: the file would be at fault, or is:\n{error}", FINDINGS) from None
        except CannotEdit as error:
            raise Refused(str(error), FINDINGS) from None
        except OSError as error:
            raise _trouble(error) from None


def realm_file(configuration: Configuration, domain: str) -> RealmFile:
    """The users file of a domain's realm. Raises `Refused` where there is none."""
    served = configuration.domains.get(domain)
    if served is None:
        near = closest(domain, configuration.domains)
        hint = f"did you mean {near}?" if near else "add it to domains in the configuration first"
        raise Refused(f"mail for {domain} is not taken here: {hint}")
    path = configuration.realms[served.realm].yaml
    if path is None:
        raise Refused(
            f"the users of {domain} are in a directory (the realm {served.realm} is LDAP): change them there;"
            f" mailboxctl auth test says what it knows of a user"
        )
    return RealmFile(served.realm, path)


def realm_files(configuration: Configuration) -> list[RealmFile]:
    """All users files."""
    return [RealmFile(name, realm.yaml) for name, realm in configuration.realms.items() if realm.yaml is not None]


def add_verb(verbs: Subjects, command: str, verb: str, said: VerbHelp, exits: str = EXITS) -> CommandParser:
    """Add a verb with its help; `command` is all that stands before it."""
    lines = [f"  mailboxctl {command} {verb} {typed}".rstrip() + f"\n      {does}" for typed, does in said.examples]
    epilog = "examples:\n" + "\n".join(lines) + f"\n\n{exits}"
    parser = verbs.add_parser(verb, help=said.line, description=said.text, epilog=epilog, formatter_class=Verbatim)
    add_configuration(parser, again=True)
    return parser


def do(verb: Callable[[argparse.Namespace, Configuration], int], given: argparse.Namespace) -> int:
    """Do a verb with the configuration; its exit status."""
    try:
        return verb(given, load(given.config, on_disk=False).configuration)
    except (ConfigurationError, NoPassword) as error:
        return _complain(str(error), USAGE)
    except Refused as error:
        return _complain(str(error), error.status)


def tell(given: argparse.Namespace, answer: Mapping[str, Any], text: str, password: str | None = None) -> None:
    """What was done: a line of JSON, or a sentence for the one who asked and, alone on standard output, a password that
    was made up. Raises `Refused` where it cannot be told.
    """
    if password is not None:
        answer = {**answer, "password": password}
    try:
        if given.json:
            print(json.dumps(answer), flush=True)
        elif password is not None:
            print(password, flush=True)
    except OSError as error:
        drop_output()
        lost = "" if password is None else ", so that nobody knows the password: give another one"
        raise Refused(f"{text}\nBut it could not be printed ({error.strerror}){lost}", TROUBLE) from None
    if not given.json:
        say(text)


def say(text: str) -> None:
    """Lines for the one who asks."""
    print("\n".join(map(escaped, text.splitlines())), file=sys.stderr)


def address(text: str) -> EmailAddress:
    """An argument that is an address."""
    try:
        return EmailAddress.parse(text)
    except AddressError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as bob@example.org: {error.public}") from None


def services(text: str) -> list[str]:
    """An argument that is a list of services, with commas."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    known = [service.value for service in Service]
    if odd := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{odd[0]!r} is no service: {', '.join(known)}, with commas between them")
    return names


def _trouble(error: OSError) -> Refused:
    return Refused(f"{error}: run mailboxctl as root or as the users file's owner", TROUBLE)


def _complain(text: str, status: int) -> int:
    say(f"mailboxctl: {text}")
    return status
