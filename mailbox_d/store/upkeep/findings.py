"""What can be wrong with a store: kinds, what each means, and what a repair does about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

BY_HAND: Final = ""
"""What no program should do: an operator must look at it."""


class Severity(Enum):
    """What a finding costs. `ERROR`: mail is not shown, cannot be had, is open to others, or was or will be taken for
    other mail. `WARNING`: something is told wrong, or costs clients something. `NOTICE`: time or room on the disk."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTICE


class Kind(Enum):
    """A kind of finding: its name, what it costs, what it means, what `repair` does."""

    PART_MISSING = ("part-missing", _E, "the folder lacks cur, new or tmp", "makes it")
    NOT_A_FOLDER = ("not-a-folder", _E, "something else lies where a folder should be; the mailbox is shut", BY_HAND)
    NAMELESS_FOLDER = ("nameless-folder", _E, "no client can name this folder, so nobody sees what is in it", BY_HAND)
    LIST_UNREADABLE = (
        "list-unreadable",
        _E,
        "dovecot-uidlist is no plain file, or too long; the mailbox is shut",
        BY_HAND,
    )
    LIST_MISSING = (
        "list-missing",
        _E,
        "there is mail in cur and no dovecot-uidlist: UIDs begin anew",
        "lists all mail",
    )
    LIST_HEADER = ("list-header", _W, "the first line of dovecot-uidlist is old or not whole", "writes the list anew")
    LIST_TORN = ("list-torn", _W, "the last line of dovecot-uidlist has no end", "writes the list anew without it")
    LIST_LINE = ("list-line", _W, "a line of dovecot-uidlist makes no sense", "writes the list anew without it")
    LIST_ORDER = (
        "list-order",
        _W,
        "a UID of dovecot-uidlist is not above those before it",
        "keeps most UIDs, others anew",
    )
    LIST_NAME_TWICE = ("list-name-twice", _W, "one message has two lines in dovecot-uidlist", "keeps the last line")
    UID_NEXT_LOW = ("uid-next-low", _E, "the index knows messages with UIDs still to be given", "gives higher UIDs")
    UNLISTED = ("unlisted", _W, "a message in cur has no UID", "lists it, with a new UID")
    TWO_FILES = ("two-files", _E, "two files have one message's name; one of them is not shown", "gives one a new name")
    UNLISTABLE = (
        "unlistable",
        _E,
        "a file's name cannot stand in dovecot-uidlist; it is not shown",
        "gives it a new name",
    )
    NO_MESSAGE = ("no-message", _W, "a link, a device or a folder lies among the messages; it is not shown", BY_HAND)
    WRONG_SIZE = ("wrong-size", _E, "the sizes in a file's name are not true", "gives it a true name, keeps the UID")
    KEYWORD_NAMELESS = ("keyword-nameless", _W, "a message has a keyword that has no name", "names it as Dovecot would")
    KEYWORDS_DAMAGED = (
        "keywords-damaged",
        _W,
        "lines of dovecot-keywords make no sense",
        "writes it anew without them",
    )
    OPEN_TO_OTHERS = ("open-to-others", _E, "every user of the machine may read or change it", "shuts it to others")
    SHUT = ("shut", _E, "the owner may not read it", BY_HAND)
    FOREIGN = ("foreign", _E, "it belongs to another user than the Maildir: use chown", BY_HAND)
    LEFTOVER = ("leftover", _N, "a delivery that never ended left it in tmp over 36 hours ago", "removes it")
    DEAD_LOCK = ("dead-lock", _W, "a process that is gone holds a lock", "removes it")
    SUBSCRIPTIONS = ("subscriptions", _W, "lines of subscriptions are no mailbox names", "writes it anew without them")
    MAILDIRSIZE = ("maildirsize", _W, "maildirsize makes no sense", "removes it; it is counted anew")
    MAILDIRSIZE_WRONG = (
        "maildirsize-wrong",
        _W,
        "maildirsize says something else than the messages amount to",
        "removes it; it is counted anew",
    )
    INDEX_WRONG = ("index-wrong", _W, "the index says something else than the message", "works it out anew")
    INDEX_DAMAGED = ("index-damaged", _N, "rows of the index are not as they were written", "forgets them")
    INDEX_GONE = ("index-gone", _N, "most of what the index says is of messages that are gone", "forgets that")
    TEXT_DAMAGED = ("text-damaged", _N, "parts of mailboxd.text are not as they were written", "writes the rest anew")
    TEXT_GONE = (
        "text-gone",
        _N,
        "mailboxd.text has had text of messages that are gone for weeks",
        "writes the rest anew",
    )

    def __init__(self, label: str, severity: Severity, means: str, repair: str) -> None:
        self.label = label
        self.severity = severity
        self.means = means
        self.repair = repair


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `mailbox` is empty where it concerns the account; `detail` says which one, or how."""

    kind: Kind
    user: str
    mailbox: str
    path: bytes
    detail: str = ""
