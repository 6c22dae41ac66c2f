"""`mailboxctl dkim`: the keys with which outgoing mail is signed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mailbox_d.config.faults import ConfigurationError, Refusal
from mailbox_d.config.load import load
from mailbox_d.config.model import Configuration
from mailbox_d.config.scalars import DomainName
from mailbox_d.control.telling import FINDINGS, FINE, TROUBLE, USAGE
from mailbox_d.ctl.dkim_files import NoKeys, SelectorTaken, make_keys, use_selector
from mailbox_d.ctl.parsing import CommandParser, Verbatim, add_configuration
from mailbox_d.ctl.privileges import become_owner
from mailbox_d.policy.zone_file import comment, zone_line
from mailbox_d.printable import escaped
from mailbox_d.relay.signing.dkim_keys import SELECTOR, Selector, selectors

if TYPE_CHECKING:
    from mailbox_d.ctl.parsing import Subjects

_HELP: Final = {
    "keygen": (
        "make keys for a domain",
        "Makes an RSA and an Ed25519 key under a new selector and prints the records to publish. Keys that are there"
        " are never overwritten. They sign nothing before `mailboxctl dkim use`, so that the records are published"
        " first; with --activate they sign at once.",
        (("example.org", "keys under today's date"), ("example.org --selector mail --zone", "for a zone file")),
    ),
    "list": (
        "list keys",
        "Says which selectors there are, which sign, and what is wrong with their files.",
        (("", "of all domains"), ("example.org --json", "of one, with the records")),
    ),
    "use": (
        "sign with the keys of a selector",
        "From the next message on, without a restart. Leave the records of the selector before published for a week:"
        " mail that it signed is still under way.",
        (("example.org 20260101", "put these keys in use"),),
    ),
}
_EXITS: Final = """exit status:
  0  done
  1  something is wrong with a key
  2  the command cannot be understood, or names no keys
  3  the disk gave trouble"""


class _Refused(Exception):
    """The command cannot be done: what to say, and the exit status."""

    def __init__(self, text: str, status: int = USAGE) -> None:
        super().__init__(text)
        self.status = status


def add_dkim(subjects: Subjects) -> None:
    """Add the command to the command line."""
    parser = subjects.add_parser("dkim", help="keys for signatures", description="Keys for the signatures of mail.")
    parser.set_defaults(work=lambda given: parser.error("say what to do: keygen, list or use"))
    add_configuration(parser, again=True)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=CommandParser)
    keygen, listing, use = (_add_verb(verbs, verb) for verb in _HELP)
    keygen.add_argument("domain", metavar="DOMAIN")
    keygen.add_argument("--selector", type=_selector, help="the keys' name (default: the date, such as 20260131)")
    keygen.add_argument("--activate", action="store_true", help="sign with them at once")
    keygen.add_argument("--zone", action="store_true", help="print records for a zone file")
    keygen.set_defaults(work=lambda given: _do(_keygen, given))
    listing.add_argument("domain", metavar="DOMAIN", nargs="?")
    listing.set_defaults(work=lambda given: _do(_list, given))
    use.add_argument("domain", metavar="DOMAIN")
    use.add_argument("selector", metavar="SELECTOR", type=_selector)
    use.set_defaults(work=lambda given: _do(_use, given))


def _add_verb(verbs: Subjects, verb: str) -> CommandParser:
    line, text, examples = _HELP[verb]
    lines = [f"  mailboxctl dkim {verb} {typed}".rstrip() + f"\n      {does}" for typed, does in examples]
    epilog = "examples:\n" + "\n".join(lines) + f"\n\n{_EXITS}"
    parser = verbs.add_parser(verb, help=line, description=text, epilog=epilog, formatter_class=Verbatim)
    add_configuration(parser, again=True)
    return parser


def _do(verb: Callable[[argparse.Namespace, Path], int], given: argparse.Namespace) -> int:
    """Do a verb with the folder of the keys, as the user to whom the daemon's files belong."""
    try:
        configuration = load(given.config, on_disk=False).configuration
        if given.domain is not None:
            given.domain = DomainName().read_text(given.domain, Path())
        _become_daemon(configuration)
        return verb(given, configuration.dkim_keys)
    except (ConfigurationError, Refusal) as error:
        return _complain(str(error), USAGE)
    except NoKeys as error:
        return _complain(str(error), USAGE)
    except _Refused as error:
        return _complain(str(error), error.status)
    except OSError as error:
        return _complain(f"{error}: run mailboxctl as root or as the daemon's user", TROUBLE)


def _become_daemon(configuration: Configuration) -> None:
    """Keys belong to whom the state folder belongs; where there is none yet, the daemon could not read root's keys."""
    state = configuration.storage.state
    if not state.is_dir():
        raise _Refused(f"{state} is not there: start the daemon once", TROUBLE)
    become_owner(state)


def _keygen(given: argparse.Namespace, keys: Path) -> int:
    name = given.selector or time.strftime("%Y%m%d", time.gmtime())
    try:
        made = make_keys(keys, given.domain, name)
        if given.activate:
            made = use_selector(keys, given.domain, name)
    except SelectorTaken:
        raise _Refused(f"{given.domain} has keys of the selector {name} already: give another --selector") from None
    if given.json:
        print(json.dumps(_as_json(made)))
        return FINE
    records = "\n".join(zone_line(key.name, "TXT", key.record) for key in made.keys)
    print(comment(f"keys of {given.domain}, selector {name}") + f"\n{records}" if given.zone else records)
    _say("These keys sign from the next message on: publish the records now." if made.in_use else _what_next(made))
    return FINE


def _what_next(made: Selector) -> str:
    return (
        "Publish these records, wait until they are to be seen (mailboxctl dns --check), then:\n"
        f"  mailboxctl dkim use {made.domain} {made.name}"
    )


def _list(given: argparse.Namespace, keys: Path) -> int:
    found = [selector for selector in selectors(keys) if given.domain in (None, selector.domain)]
    for selector in found:
        if given.json:
            print(json.dumps(_as_json(selector)))
            continue
        kinds = ", ".join(_kind(key.algorithm, key.private) for key in selector.keys) or "no key"
        print(f"{selector.domain} {selector.name}: {kinds}{'; signs' if selector.in_use else ''}")
        for warning in selector.warnings:
            _say(f"  {warning}")
    if not found and not given.json:
        _say("There are no keys: mailboxctl dkim keygen DOMAIN makes them.")
    return FINDINGS if any(selector.warnings for selector in found) else FINE


def _use(given: argparse.Namespace, keys: Path) -> int:
    used = use_selector(keys, given.domain, given.selector)
    if given.json:
        print(json.dumps(_as_json(used)))
    else:
        _say(f"Mail of {used.domain} is signed with {used.name} from the next message on.")
    return FINE


def _as_json(selector: Selector) -> dict[str, Any]:
    return {
        "answer": "selector",
        "domain": selector.domain,
        "selector": selector.name,
        "in_use": selector.in_use,
        "records": [{"name": key.name, "type": "TXT", "value": key.record} for key in selector.keys],
        "warnings": list(selector.warnings),
    }


def _kind(algorithm: str, private: Any) -> str:
    return f"RSA {private.key_size}" if algorithm.startswith("rsa") else "Ed25519"


def _selector(text: str) -> str:
    if not SELECTOR.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no selector: up to 54 letters, digits, -, _ and dots, in lower case"
        )
    return text


def _complain(text: str, status: int) -> int:
    _say(f"mailboxctl: {text}")
    return status


def _say(text: str) -> None:
    print("\n".join(map(escaped, text.splitlines())), file=sys.stderr)
