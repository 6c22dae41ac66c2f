"""`mailboxctl explain`: what became of a message, from the record's files; the daemon need not run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.load import load
from mailbox_d.config.model import Configuration
from mailbox_d.control.telling import FINDINGS, FINE, TROUBLE, USAGE
from mailbox_d.ctl.parsing import Verbatim, add_configuration
from mailbox_d.ctl.privileges import become_owner
from mailbox_d.printable import one_line
from mailbox_d.record.events import Kept
from mailbox_d.record.lookup import Found, look_up, octets_of, question
from mailbox_d.record.recorder import record_folders
from mailbox_d.record.story import Copy, Story, as_lines, as_value
from mailbox_d.record.whereabouts import Whereabouts
from mailbox_d.store.files import FileSystem
from mailbox_d.store.layout import Layout

if TYPE_CHECKING:
    from mailbox_d.ctl.parsing import Subjects

LAST = 10
_LAST_MAX = 10_000
_LINE_MAX = 4000
"""Characters of a line; a message to hundreds has long ones."""

_BAR_AFTER = 1.0
"""Seconds after which a progress bar is shown."""

_TEXT: Final = (
    "Tells the story of a message, or of the latest messages that an address sent or was to get: where it came from,"
    " what was decided, where each copy lies now, each attempt to pass it on and what the other server said."
)
_EXAMPLES: Final = """examples:
  mailboxctl explain '<20260131.1234@example.org>'
      the messages of this Message-ID
  mailboxctl explain 5F869742EF80
      by the identifier in the reply, in the log and in Received
  mailboxctl explain alice@example.org --last 3
      the latest three that alice sent or got, or was refused

exit status:
  0  the story is told
  1  nothing is known of it
  2  the command cannot be understood
  3  the disk gave trouble"""


def add_explain(subjects: Subjects) -> None:
    """Add the command to the command line."""
    parser = subjects.add_parser(
        "explain",
        help="say what became of a message",
        description=_TEXT,
        epilog=_EXAMPLES,
        formatter_class=Verbatim,
    )
    parser.add_argument("asked", metavar="MESSAGE", help="a Message-ID, an identifier of ours, or an address")
    parser.add_argument(
        "--last",
        type=_number,
        default=LAST,
        metavar="N",
        help=f"tell of so many messages, the latest (default: {LAST})",
    )
    add_configuration(parser, again=True)
    parser.set_defaults(work=_explain)


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LAST_MAX:
        raise argparse.ArgumentTypeError(f"from 1 to {_LAST_MAX}")
    return int(text)


def _explain(given: argparse.Namespace) -> int:
    try:
        configuration = load(given.config, on_disk=False).configuration
    except ConfigurationError as error:
        return _complain(str(error), USAGE)
    storage = configuration.storage
    try:
        become_owner(storage.maildirs, storage.state)
        stories = _stories(configuration, given.asked, given.last)
    except OSError as error:
        return _complain(f"{error}: run mailboxctl as root or as the daemon's user", TROUBLE)
    if not stories:
        why = "" if configuration.record.size else " (record.size is 0)"
        return _complain(f"nothing is known of {given.asked}{why}", FINDINGS)
    _tell(stories, as_json=given.json)
    if len(stories) == given.last and given.last > 1:
        _complain(f"these are the latest {given.last} messages; --last N tells of more", FINE)
    return FINE


def _stories(configuration: Configuration, asked: str, last: int) -> list[Story]:
    files = FileSystem()
    folders = [os.fsencode(folder) for folder in record_folders(configuration.storage.state)]
    whereabouts = Whereabouts(files, Layout(configuration.storage.maildirs))
    hidden = not sys.stderr.isatty()
    with tqdm(
        total=octets_of(files, folders),
        desc="record",
        unit="B",
        unit_scale=True,
        delay=_BAR_AFTER,
        disable=hidden,
        leave=False,
    ) as bar:
        messages = look_up(files, folders, question(asked), last, bar.update)
    return [Story(message, _copies(message, whereabouts)) for message in messages]


def _copies(message: Found, whereabouts: Whereabouts) -> Sequence[Copy]:
    return [_copy(event, whereabouts) for event in message.events if isinstance(event, Kept)]


def _copy(kept: Kept, whereabouts: Whereabouts) -> Copy:
    if kept.account is None or not kept.name:
        return Copy(kept, None, "its file is not known")
    try:
        return Copy(kept, whereabouts.places(kept.account, kept.name))
    except OSError as error:
        return Copy(kept, None, error.strerror or str(error))


def _tell(stories: Sequence[Story], *, as_json: bool) -> None:
    for number, story in enumerate(stories):
        if as_json:
            print(json.dumps(as_value(story)))
            continue
        if number:
            print()
        for line in as_lines(story):
            print(one_line(line, _LINE_MAX))


def _complain(text: str, status: int) -> int:
    print(one_line(text, _LINE_MAX), file=sys.stderr)
    return status
