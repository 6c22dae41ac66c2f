"""The commands, as data: what runs, where it may stand, and what may follow it unasked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mailbox_d.smtp import authentication, data, envelope, greeting, informational
from mailbox_d.smtp.replies import IN_TRANSACTION, MAIL_FIRST, RECIPIENT_FIRST, SAY_HELLO, Answer
from mailbox_d.smtp.session import Stage
from mailbox_d.wire.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class Verb:
    """One command of the table."""

    run: Callable[..., Awaitable[Answer]]
    stages: Stage = Stage.ANY
    speaks_last: bool = False
    """The client must wait for the reply: what it sent already was not asked for (RFC 2920 section 3.1)."""
    junk: bool = False
    """Does nothing for mail: counted, and too many in a row end the session."""


VERBS: Mapping[str, Verb] = {
    "EHLO": Verb(greeting.hello, speaks_last=True, junk=True),
    "HELO": Verb(greeting.hello, speaks_last=True, junk=True),
    "LHLO": Verb(greeting.hello, speaks_last=True, junk=True),
    "STARTTLS": Verb(greeting.starttls, Stage.FRESH | Stage.GREETED, speaks_last=True),
    "AUTH": Verb(authentication.auth, Stage.GREETED, speaks_last=True),
    "MAIL": Verb(envelope.mail, Stage.GREETED),
    "RCPT": Verb(envelope.rcpt, Stage.BEGUN),
    "DATA": Verb(data.data, Stage.BEGUN, speaks_last=True),
    "RSET": Verb(envelope.rset, junk=True),
    "NOOP": Verb(informational.noop, junk=True),
    "HELP": Verb(informational.help_, junk=True),
    "VRFY": Verb(informational.verify, junk=True),
    "EXPN": Verb(informational.verify, junk=True),
    "QUIT": Verb(informational.quit_),
}


def out_of_place(verb: Verb, stage: Stage) -> Reply | None:
    """The reply to a command that may not stand at this stage; None where it may."""
    if stage in verb.stages:
        return None
    if stage is Stage.FRESH:
        return SAY_HELLO
    if stage is Stage.GREETED:
        return MAIL_FIRST
    return IN_TRANSACTION if verb.stages & Stage.GREETED else RECIPIENT_FIRST
