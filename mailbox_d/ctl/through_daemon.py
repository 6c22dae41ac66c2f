"""Has the running daemon do a command, and tells what it answers."""

from __future__ import annotations

from pathlib import Path

from mailbox_d.control.telling import TROUBLE, refusal
from mailbox_d.ctl.asking import NobodyAnswers, NotAllowed, ask, connected
from mailbox_d.ctl.terminal import Teller
from mailbox_d.wire.control.answers import BadAnswer


def through_daemon(path: Path, line: bytes, teller: Teller, *, may_be_away: bool = False) -> int:
    """Have the daemon at a socket do what a line asks for. Raises `NobodyAnswers` where it `may_be_away`."""
    teller.through = "through the running daemon"
    try:
        with connected(path) as stream:
            for answer in ask(stream, line):
                teller.tell(answer)
    except NobodyAnswers as error:
        if may_be_away:
            raise
        return refuse(teller, f"no daemon answers at {path}: {error}", TROUBLE)
    except NotAllowed as error:
        hint = "run mailboxctl as root, as the daemon's user, or as a member of control.group"
        return refuse(teller, f"the daemon's socket {path} is shut: {error}; {hint}", TROUBLE)
    except BadAnswer as error:
        return refuse(teller, f"{error.public}; the daemon's log may say why", TROUBLE)
    return teller.status


def refuse(teller: Teller, text: str, status: int) -> int:
    """Tell why nothing was done, or not all; the exit status."""
    teller.tell(refusal(text, status))
    return status
