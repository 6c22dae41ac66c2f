"""`mailboxctl queue`: outgoing mail, through the daemon; what changes nothing also without one."""

from __future__ import annotations

import argparse
from pathlib import Path

from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.load import load
from mailbox_d.config.model import Configuration
from mailbox_d.control.queue_telling import QueueTally
from mailbox_d.control.telling import TROUBLE, USAGE
from mailbox_d.ctl.asking import NobodyAnswers
from mailbox_d.ctl.privileges import become_owner
from mailbox_d.ctl.queue_arguments import queue_request
from mailbox_d.ctl.queue_terminal import QueueTerminal
from mailbox_d.ctl.terminal import JsonLines, Teller
from mailbox_d.ctl.through_daemon import refuse, through_daemon
from mailbox_d.errors import MailError
from mailbox_d.store.upkeep.steps import reason
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.queue_requests import QueueRequest, check_request, format_queue_request


def look_after_queue(given: argparse.Namespace) -> int:
    """Do what was typed. Returns the exit status."""
    request = queue_request(given)
    teller: Teller = JsonLines() if given.json else QueueTerminal(request.verb)
    try:
        check_request(request)
        if given.socket is not None and given.offline:
            raise BadRequest("--socket asks a daemon, and --offline does not")
        if given.socket is not None:
            return through_daemon(given.socket, format_queue_request(request), teller)
        configuration = load(given.config, on_disk=False).configuration
    except BadRequest as error:
        return refuse(teller, error.public, USAGE)
    except ConfigurationError as error:
        return refuse(teller, str(error), USAGE)
    return _do(configuration, request, teller, offline=given.offline)


def _do(configuration: Configuration, request: QueueRequest, teller: Teller, *, offline: bool) -> int:
    path = configuration.control_socket
    if not offline:
        try:
            return through_daemon(path, format_queue_request(request), teller, may_be_away=True)
        except NobodyAnswers as error:
            why = f"no daemon answers at {path}: {error}"
    else:
        why = "--offline does not ask one"
    return _offline(configuration, request, teller, why)


def _offline(configuration: Configuration, request: QueueRequest, teller: Teller, why: str) -> int:
    """Look at the queue's files. `why`: no daemon does it."""
    from mailbox_d.control.queue_offline import VERBS

    if request.verb not in VERBS:
        return refuse(teller, f"{request.verb.value} wants a running daemon: {why}", TROUBLE)
    teller.through = "offline"
    storage = configuration.storage
    try:
        become_owner(storage.maildirs, storage.state)
        _look(storage.state, request, teller)
    except BadRequest as error:
        return refuse(teller, error.public, USAGE)
    except MailError as error:
        return refuse(teller, reason(error), TROUBLE)
    except OSError as error:
        return refuse(teller, f"{error}: run mailboxctl as root or as the daemon's user", TROUBLE)
    return teller.status


def _look(state: Path, request: QueueRequest, teller: Teller) -> None:
    from mailbox_d.control.queue_offline import look_offline
    from mailbox_d.outgoing import QUEUE_FOLDER

    tally = QueueTally()
    for answer in look_offline(state / QUEUE_FOLDER, request):
        teller.tell(tally.answer(answer))
    teller.tell(tally.end())
