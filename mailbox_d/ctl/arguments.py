"""The command line of `mailboxctl`: its verbs, their options, and what they are for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mailbox_d import __version__
from mailbox_d.ctl.alias_command import add_alias_command
from mailbox_d.ctl.auth_command import add_auth_command
from mailbox_d.ctl.dkim_command import add_dkim
from mailbox_d.ctl.dns_command import add_dns
from mailbox_d.ctl.explain_command import add_explain
from mailbox_d.ctl.parsing import CommandParser, OwnCommand, Verbatim, VerbHelp, add_general
from mailbox_d.ctl.queue_arguments import add_queue
from mailbox_d.ctl.queue_command import look_after_queue
from mailbox_d.ctl.user_command import add_user_command
from mailbox_d.wire.control.requests import WAIT_MAX, Request, Verb


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was typed."""

    configuration: Path
    socket: Path | None
    as_json: bool
    offline: bool
    request: Request


_HELP: Final = {
    Verb.VERIFY: VerbHelp(
        "say what is wrong with mailboxes; change nothing",
        "Looks at mailboxes while they are in use: UIDs, names, sizes, keywords, permissions, locks, leftovers. With "
        "--deep every message is read too, by processes that are nice to the daemon.",
        (
            ("--all", "everybody's mailboxes, quickly"),
            ("alice@example.org --deep", "all of alice's, reading every message"),
            ("alice@example.org --mailbox Archive/2024", "one mailbox"),
        ),
    ),
    Verb.REPAIR: VerbHelp(
        "put right what can be put right without a risk",
        "Does what verify says that it would do. No mail is lost, and no UID changes that can be kept; a second repair "
        "finds nothing to do. What only a person should touch is said and left.",
        (("alice@example.org", "repair alice's mailboxes"), ("--all --deep", "everybody's, reading every message")),
    ),
    Verb.REINDEX: VerbHelp(
        "forget the index of headers and make it again",
        "The index only saves time, so this loses nothing. It is made again by child processes, the newest mail first.",
        (("alice@example.org", "make alice's index again"), ("--all", "everybody's")),
    ),
    Verb.STATS: VerbHelp(
        "count mailboxes: messages, octets, unseen, UIDs, last delivery",
        "Counts what lies on the disk. Octets are as on the wire.",
        (("--all", "everybody, with totals"), ("alice@example.org --mailbox INBOX", "one mailbox")),
    ),
    Verb.ADOPT: VerbHelp(
        "take over Maildirs that Dovecot kept",
        "Put the Maildir where mailboxd looks for it (<maildirs>/<domain>/<user>/Maildir), then see what will be kept "
        "and what cannot be. Only with --yes is anything changed: faults are repaired, and mailboxes with usual names "
        "(Sent, Trash, ...) get their special uses.",
        (("alice@example.org", "what would be kept, and done"), ("alice@example.org --yes", "do it")),
    ),
    Verb.RELEASE: VerbHelp(
        "hand Maildirs back to Dovecot",
        "Says what Dovecot has to be told, once no session is open. With --purge mailboxd's own files are removed; all "
        "that Dovecot needs is in its own.",
        (("alice@example.org", "what Dovecot needs"), ("--all --purge", "everybody, and remove our own files")),
    ),
}

_EXITS: Final = """exit status:
  0  nothing is wrong, or all of it was put right
  1  something is wrong
  2  the command cannot be understood, or names nobody
  3  the daemon or the disk gave trouble, so not all was done"""

_EXAMPLES: Final = """examples:
  mailboxctl store verify --all
      say what is wrong with anybody's mailboxes
  mailboxctl queue list --domain example.com
      list outgoing mail for a domain
  mailboxctl store repair --help
      what a repair does, and does not
"""


def parse(arguments: Sequence[str]) -> Arguments | OwnCommand:
    """Read the command line. Prints help, or what is wrong, and ends the process where that is all there is to do."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.subject is None:
        parser.error("say what to do, such as: store verify")
    if given.subject != "store":
        return OwnCommand(given.work, given)
    if given.verb is None:
        parser.error("say what to do: store verify, repair, reindex, stats, adopt or release")
    if bool(given.user) == given.all:
        parser.error("name a user, or say --all")
    if given.socket is not None and given.offline:
        parser.error("--socket asks a daemon, and --offline does not")
    if given.mailbox is not None and not given.user:
        parser.error("--mailbox goes with a user")
    request = Request(
        verb=given.verb,
        user=given.user or None,
        mailbox=given.mailbox,
        deep=getattr(given, "deep", False),
        yes=getattr(given, "yes", False),
        purge=getattr(given, "purge", False),
        wait=getattr(given, "wait", 60.0),
    )
    return Arguments(given.config, given.socket, given.json, given.offline, request)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="mailboxctl",
        description="Looks after a mailboxd: through the running daemon, or by itself where none runs.",
        epilog=f"{_EXAMPLES}\n{_EXITS}",
        formatter_class=Verbatim,
    )
    parser.add_argument("--version", action="version", version=f"mailboxctl {__version__}")
    add_general(parser)
    subjects = parser.add_subparsers(dest="subject", metavar="COMMAND", parser_class=CommandParser)
    store = subjects.add_parser("store", help="look after mailboxes", description="Looks after mailboxes.")
    add_general(store, again=True)
    verbs = store.add_subparsers(dest="verb_name", metavar="VERB", parser_class=CommandParser)
    store.set_defaults(verb=None)
    for verb, said in _HELP.items():
        _add_verb(verbs, verb, said)
    add_queue(subjects, look_after_queue)
    add_explain(subjects)
    add_user_command(subjects)
    add_alias_command(subjects)
    add_auth_command(subjects)
    add_dkim(subjects)
    add_dns(subjects)
    return parser


def _add_verb(verbs: argparse._SubParsersAction[CommandParser], verb: Verb, said: VerbHelp) -> None:
    lines = [f"  mailboxctl store {verb.value} {typed}\n      {does}" for typed, does in said.examples]
    parser = verbs.add_parser(
        verb.value,
        help=said.line,
        description=said.text,
        epilog="examples:\n" + "\n".join(lines) + f"\n\n{_EXITS}",
        formatter_class=Verbatim,
    )
    parser.set_defaults(verb=verb)
    parser.add_argument("user", nargs="?", metavar="USER", help="the address that the user logs in with")
    parser.add_argument("--all", action="store_true", help="every account that lies on the disk")
    if verb not in (Verb.ADOPT, Verb.RELEASE):
        parser.add_argument("--mailbox", metavar="NAME", help="one mailbox, with / between levels (default: all)")
    else:
        parser.set_defaults(mailbox=None)
    if verb in (Verb.VERIFY, Verb.REPAIR, Verb.ADOPT):
        parser.add_argument("--deep", action="store_true", help="read every message too")
    if verb is Verb.ADOPT:
        parser.add_argument("--yes", action="store_true", help="do it (default: say what would be done)")
    if verb is Verb.RELEASE:
        parser.add_argument("--purge", action="store_true", help="remove mailboxd's own files from the Maildirs")
        parser.add_argument(
            "--wait", type=_seconds, default=60.0, metavar="SECONDS", help="for sessions to end (default: 60)"
        )
    add_general(parser, again=True)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not 0 <= seconds <= WAIT_MAX:
        raise argparse.ArgumentTypeError(f"from 0 to {WAIT_MAX:.0f} seconds")
    return seconds
