"""`mailboxctl`: what an operator types. The daemon does the work where one runs; otherwise it is done here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.load import load
from mailbox_d.config.model import Configuration
from mailbox_d.control.telling import TROUBLE, USAGE
from mailbox_d.ctl.arguments import Arguments, parse
from mailbox_d.ctl.asking import NobodyAnswers
from mailbox_d.ctl.parsing import OwnCommand
from mailbox_d.ctl.privileges import become_owner
from mailbox_d.ctl.terminal import JsonLines, Teller, Terminal, drop_output
from mailbox_d.ctl.through_daemon import refuse, through_daemon
from mailbox_d.net.state_folder import StateFolderTaken
from mailbox_d.wire.control.requests import format_request

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was typed. Returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        status = given.run() if isinstance(given, OwnCommand) else _look_after_store(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return TROUBLE
    except OSError as error:
        drop_output()
        print(f"mailboxctl: {error}", file=sys.stderr)
        return TROUBLE
    return status


def _look_after_store(given: Arguments) -> int:
    teller: Teller = JsonLines() if given.as_json else Terminal(given.request.verb)
    if given.socket is not None:
        return through_daemon(given.socket, format_request(given.request), teller)
    try:
        configuration = load(given.configuration, on_disk=False).configuration
    except ConfigurationError as error:
        return refuse(teller, str(error), USAGE)
    if not given.offline:
        try:
            line = format_request(given.request)
            return through_daemon(configuration.control_socket, line, teller, may_be_away=True)
        except NobodyAnswers:
            pass
    return _offline(configuration, given, teller)


def _offline(configuration: Configuration, given: Arguments, teller: Teller) -> int:
    """Do it here."""
    from mailbox_d.control.offline import do_offline

    teller.through = "offline"
    storage = configuration.storage
    if not storage.maildirs.is_dir():  # nothing is made here: the daemon could not use what root has made
        return refuse(teller, f"there are no mailboxes: {storage.maildirs} is not there", TROUBLE)
    try:
        become_owner(storage.maildirs, storage.state)
        do_offline(configuration, given.request, teller.tell)
    except StateFolderTaken:
        held = f"a daemon, or another mailboxctl, holds {storage.state}"
        return refuse(teller, f"{held}: leave --offline out, or stop it first", TROUBLE)
    except OSError as error:
        return refuse(teller, f"{error}: run mailboxctl as root or as the daemon's user", TROUBLE)
    return teller.status


if __name__ == "__main__":
    sys.exit(main())
