"""The command line of `mailboxctl queue`: its verbs, their options, and what they are for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mailbox_d.ctl.parsing import CommandParser, Verbatim, VerbHelp, add_general
from mailbox_d.wire.control.queue_requests import CHANGING, LIMIT_MAX, QueueRequest, QueueVerb, Which

if TYPE_CHECKING:
    from mailbox_d.ctl.parsing import Subjects


HELP: Final = {
    QueueVerb.LIST: VerbHelp(
        "list messages that wait",
        "Lists messages, those that are being sent first: how long each has been here, its size, how many recipients "
        "wait, how often was tried, when the next attempt is, from whom to whom, and what was said last.",
        (
            ("", "all that waits"),
            ("--domain example.com --limit 20", "twenty messages for a domain"),
            ("--sender alice@example.org --held", "what is held of a sender"),
        ),
    ),
    QueueVerb.SHOW: VerbHelp(
        "show all that is known of a message",
        "Shows the envelope, and of each recipient the outcome or the next attempt, and the last one.",
        (("5F869742EF80", "a message"), ("5F869742EF80 --content", "with its header")),
    ),
    QueueVerb.STATS: VerbHelp(
        "count messages: by state, by age, by domain",
        "Counts what waits, and names the domains with the most messages. A message counts for each domain to which "
        "it is to go.",
        (("", "figures"), ("--json", "for a program that watches them")),
    ),
    QueueVerb.RETRY: VerbHelp(
        "try messages now",
        "Lets messages be due now, and forgets which servers were not reached a moment ago.",
        (("5F869742EF80", "one message"), ("--domain example.com", "all that waits for a domain"), ("--all", "all")),
    ),
    QueueVerb.HOLD: VerbHelp(
        "send nothing of messages until they are released",
        "Holds messages, also beyond a restart. What is being sent just now is not stopped. A message that is held "
        "does not become too old.",
        (("5F869742EF80", "one message"), ("--sender alice@example.org", "all of a sender")),
    ),
    QueueVerb.RELEASE: VerbHelp(
        "send messages again that were held",
        "Lets messages go on where they were.",
        (("5F869742EF80", "one message"), ("--held", "all that are held")),
    ),
    QueueVerb.REMOVE: VerbHelp(
        "take messages out of the queue",
        "Removes messages for good; with --bounce their senders get a report as for any failure. Where a domain or a "
        "recipient is given, the message's other recipients stay. More than one message only with --yes. What is being "
        "sent just now stays, and is said.",
        (
            ("5F869742EF80", "one message, and nobody is told"),
            ("--domain example.invalid --bounce --yes", "give back all that waits for a domain"),
            ("--sender alice@example.org --yes", "all that a sender has in the queue"),
        ),
    ),
    QueueVerb.TLS: VerbHelp(
        "list how well domains' servers were secured",
        "Lists what connections to a domain's servers must have at least, for they had it within 30 days.",
        (("", "all domains"), ("example.com", "one domain")),
    ),
    QueueVerb.FORGET_TLS: VerbHelp(
        "let a domain's servers be secured less than before",
        "Forgets how well a domain's servers were secured. Mail may go there unencrypted then if no policy forbids it.",
        (("example.com", "a domain whose servers have lost their certificate"),),
    ),
}

_EXITS: Final = """exit status:
  0  done; a list may be empty
  1  something that was named is not there
  2  the command cannot be understood, or is not done without --yes
  3  the daemon or the disk gave trouble, or a message is being sent, so not all was done"""

_NAMED = frozenset({QueueVerb.SHOW, *CHANGING})
_CHOSEN = frozenset({QueueVerb.LIST, *CHANGING})


def add_queue(subjects: Subjects, work: Callable[[argparse.Namespace], int]) -> None:
    """Add the command to the command line; `work` does it."""
    queue = subjects.add_parser("queue", help="look after outgoing mail", description="Looks after outgoing mail.")
    add_general(queue, again=True)
    verbs = queue.add_subparsers(dest="verb_name", metavar="VERB", parser_class=CommandParser, required=True)
    for verb, said in HELP.items():
        _add_verb(verbs, verb, said).set_defaults(verb=verb, work=work)


def queue_request(given: argparse.Namespace) -> QueueRequest:
    """The request that was typed."""
    defaults = QueueRequest(given.verb)
    ids = getattr(given, "ids", ())
    return QueueRequest(
        verb=given.verb,
        ids=(ids,) if isinstance(ids, str) else tuple(ids),
        all=getattr(given, "all", False),
        domain=getattr(given, "domain", None),
        sender=getattr(given, "sender", None),
        recipient=getattr(given, "recipient", None),
        which=getattr(given, "which", defaults.which),
        limit=getattr(given, "limit", defaults.limit),
        content=getattr(given, "content", False),
        bounce=getattr(given, "bounce", False),
        yes=getattr(given, "yes", False),
    )


def _add_verb(verbs: Subjects, verb: QueueVerb, said: VerbHelp) -> CommandParser:
    lines = [f"  mailboxctl queue {verb.value} {typed}".rstrip() + f"\n      {does}" for typed, does in said.examples]
    parser = verbs.add_parser(
        verb.value,
        help=said.line,
        description=said.text,
        epilog="examples:\n" + "\n".join(lines) + f"\n\n{_EXITS}",
        formatter_class=Verbatim,
    )
    if verb is QueueVerb.SHOW:
        parser.add_argument("ids", metavar="ID", help="the message's identifier")
        parser.add_argument("--content", action="store_true", help="show its header too")
    if verb in CHANGING:
        parser.add_argument("ids", nargs="*", metavar="ID", help="messages' identifiers")
        parser.add_argument("--all", action="store_true", help="all messages")
    if verb in _CHOSEN:
        _add_criteria(parser)
    if verb is QueueVerb.LIST:
        parser.add_argument(
            "--limit", type=_number, default=0, metavar="N", help="so many messages at most (default: 0, all)"
        )
    if verb is QueueVerb.REMOVE:
        parser.add_argument("--bounce", action="store_true", help="send their senders a report")
        parser.add_argument("--yes", action="store_true", help="remove more than one message")
    if verb in (QueueVerb.TLS, QueueVerb.FORGET_TLS):
        parser.add_argument("domain", nargs="?" if verb is QueueVerb.TLS else None, metavar="DOMAIN", type=_text)
    add_general(parser, again=True)
    return parser


def _add_criteria(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", type=_text, metavar="D", help="with recipients in this domain who wait")
    parser.add_argument("--sender", type=_text, metavar="A", help="from this envelope sender, '<>' for reports")
    parser.add_argument("--recipient", type=_text, metavar="A", help="for this recipient, who waits")
    states = parser.add_mutually_exclusive_group()
    held, due = Which.HELD, Which.DUE
    states.add_argument("--held", action="store_const", dest="which", const=held, default=Which.ANY, help="held")
    states.add_argument("--due", action="store_const", dest="which", const=due, default=Which.ANY, help="due now")


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("nothing is named")
    return text


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) <= LIMIT_MAX):
        raise argparse.ArgumentTypeError(f"from 0 to {LIMIT_MAX}")
    return int(text)
