"""What work on a store tells, as answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from mailbox_d.store.upkeep.findings import Finding
from mailbox_d.store.upkeep.steps import (
    AccountFigures,
    Command,
    MailboxFigures,
    Mended,
    Note,
    Progress,
    Told,
    Trouble,
)
from mailbox_d.wire.control.answers import Answer

FINE, FINDINGS, USAGE, TROUBLE = 0, 1, 2, 3
"""How a request ends: nothing is wrong; something is; nobody understood it; it could not be done, or not all of it."""


class Telling(Protocol):
    """Makes answers of what work tells, and knows how it ends."""

    def answer(self, told: Any) -> Answer:
        """One thing that was told."""

    def end(self) -> Answer:
        """The last answer."""


def answer_of(told: Told) -> Answer:
    """One thing that was told."""
    return _FORMS[type(told)](told)


class Tally(Telling):
    """What was told, counted: by this a request's end is known."""

    def __init__(self) -> None:
        self.findings = 0
        self.mended = 0
        self.troubles = 0

    def answer(self, told: Told) -> Answer:
        """One thing that was told, as it is counted."""
        self.count(told)
        return answer_of(told)

    def count(self, told: Told) -> None:
        self.findings += isinstance(told, Finding)
        self.mended += isinstance(told, Mended)
        self.troubles += isinstance(told, Trouble)

    def end(self) -> Answer:
        """The last answer."""
        status = TROUBLE if self.troubles else FINDINGS if self.findings else FINE
        counts = {"findings": self.findings, "mended": self.mended, "troubles": self.troubles}
        return {"answer": "end", "status": status, **counts}


def refusal(text: str, status: int) -> Answer:
    """The last answer where nothing was done, or not to the end."""
    return {"answer": "end", "status": status, "text": text}


def _finding(told: Finding) -> Answer:
    return {
        "answer": "finding",
        "kind": told.kind.label,
        "severity": told.kind.severity.value,
        "user": told.user,
        "mailbox": told.mailbox,
        "path": os.fsdecode(told.path),
        "detail": told.detail,
        "means": told.kind.means,
        "repair": told.kind.repair,
    }


def _mended(told: Mended) -> Answer:
    place = {"user": told.user, "mailbox": told.mailbox, "path": os.fsdecode(told.path)}
    return {"answer": "mended", "kind": told.label, **place, "did": told.did}


def _trouble(told: Trouble) -> Answer:
    return {"answer": "trouble", "user": told.user, "mailbox": told.mailbox, "why": told.why}


def _note(told: Note) -> Answer:
    return {"answer": "note", "user": told.user, "text": told.text}


def _progress(told: Progress) -> Answer:
    return {"answer": "progress", "what": told.what, "done": told.done, "total": told.total, "unit": told.unit}


def _mailbox(told: MailboxFigures) -> Answer:
    return {
        "answer": "mailbox",
        "user": told.user,
        "mailbox": told.mailbox,
        "messages": told.messages,
        "octets": told.octets,
        "unseen": told.unseen,
        "uid_next": told.uid_next,
        "uid_validity": told.uid_validity,
        "last_delivery": told.last,
        "dead_lines": told.dead,
    }


def _account(told: AccountFigures) -> Answer:
    return {
        "answer": "account",
        "user": told.user,
        "mailboxes": told.mailboxes,
        "messages": told.messages,
        "octets": told.octets,
        "index_octets": told.index_octets,
    }


def _command(told: Command) -> Answer:
    return {"answer": "command", "user": told.user, "mailbox": told.mailbox, "words": list(told.words)}


_FORMS: Final[Mapping[type, Callable[[Any], Answer]]] = {
    Finding: _finding,
    Mended: _mended,
    Trouble: _trouble,
    Note: _note,
    Progress: _progress,
    MailboxFigures: _mailbox,
    AccountFigures: _account,
    Command: _command,
}
