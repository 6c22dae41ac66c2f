"""`mailboxctl auth waits` and `auth forgive`: who must wait after failed logins, asked of the daemon, which counts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.load import load
from mailbox_d.control.telling import TROUBLE, USAGE
from mailbox_d.ctl.parsing import VerbHelp
from mailbox_d.ctl.terminal import Answer, JsonLines, Output, Teller
from mailbox_d.ctl.through_daemon import refuse, through_daemon
from mailbox_d.ctl.users_realm import add_verb
from mailbox_d.wire.control.login_requests import LoginRequest, LoginVerb, format_login_request

if TYPE_CHECKING:
    from mailbox_d.ctl.parsing import CommandParser, Subjects

_WAITS: Final = VerbHelp(
    "list who must wait between two logins",
    "Lists for whom so many logins have failed that the next one must wait: clients' addresses, the networks around"
    " them, users, and users at addresses from which they have logged in before. What is counted fades with time."
    " Of a user or an address that is named, all that is counted is told.",
    (
        ("", "all who must wait"),
        ("bob@example.org", "what is counted of a user"),
        ("192.0.2.1 --json", "of an address"),
    ),
)
_FORGIVE: Final = VerbHelp(
    "forget failed logins of a user or of an address",
    "Lets the next login be looked at at once. For an address, those of the network around it are forgotten too.",
    (("bob@example.org", "a user who mistyped too often"), ("192.0.2.1", "an office with a forgotten telephone")),
)
_EXITS: Final = """exit status:
  0  done; a list may be empty
  1  nothing was counted of whom you name
  2  the command cannot be understood
  3  no daemon could be asked"""
_ROW: Final = "{:>8}  {:>9}  {}"


def add_waits(verbs: Subjects) -> None:
    """Add the verbs to `mailboxctl auth`."""
    waits = add_verb(verbs, "auth", LoginVerb.WAITS.value, _WAITS, _EXITS)
    waits.add_argument("whom", nargs="?", metavar="USER|ADDRESS")
    waits.add_argument("--all", action="store_true", help="also those who have failed and need not wait")
    _add(waits, LoginVerb.WAITS)
    forgive = add_verb(verbs, "auth", LoginVerb.FORGIVE.value, _FORGIVE, _EXITS)
    forgive.add_argument("whom", metavar="USER|ADDRESS")
    _add(forgive, LoginVerb.FORGIVE)


def _add(parser: CommandParser, verb: LoginVerb) -> None:
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="the daemon's control socket (default: as configured); the configuration is not read then",
    )
    parser.set_defaults(work=_ask, verb=verb)


def _ask(given: argparse.Namespace) -> int:
    teller: Teller = JsonLines() if given.json else WaitsTerminal()
    line = format_login_request(LoginRequest(given.verb, given.whom, getattr(given, "all", False)))
    try:
        socket = given.socket or load(given.config, on_disk=False).configuration.control_socket
    except ConfigurationError as error:
        return refuse(teller, str(error), USAGE)
    return through_daemon(socket, line, teller)


class WaitsTerminal(Teller):
    """A table of who must wait, and sentences."""

    def __init__(self, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> None:
        self._output = Output(out, err)
        self._has_heading = False
        self.status = TROUBLE
        self.through = ""

    def tell(self, answer: Answer) -> None:
        """Tell one answer; of a kind that is newer than we are, nothing."""
        form = getattr(self, f"_tell_{answer['answer']}", None)
        if form is not None:
            form(answer)

    def _tell_wait(self, answer: Answer) -> None:
        if not self._has_heading:
            self._has_heading = True
            self._output.say(_ROW.format("failures", "next try", "of whom"))
        wait = f"in {answer['seconds']:.0f} s" if answer["seconds"] else "now"
        self._output.say(_ROW.format(f"{answer['failures']:.1f}", wait, f"{answer['kind']} {answer['name']}"))

    def _tell_forgiven(self, answer: Answer) -> None:
        self._output.say(f"{answer['kind']} {answer['name']}: forgotten")

    def _tell_missing(self, answer: Answer) -> None:
        self._output.complain(f"{answer['name']}: no failed login is counted")

    def _tell_end(self, answer: Answer) -> None:
        self.status = int(answer["status"])
        if "text" in answer:
            self._output.complain(f"mailboxctl: {answer['text']}")
        elif not (answer["told"] or answer["forgiven"] or self.status):
            self._output.complain("nobody must wait")
