"""What can be wrong with a store: kinds, what each means, and what a repair does about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

BY_HAND: Final = ""
"""What no program should do: an operator must look at it."""


class Kind(Enum):
    """A kind of finding: its name, what it means, what `repair` does."""

    PART_MISSING = ("part-missing", "the folder lacks cur, new or tmp", "makes it")
    NOT_A_FOLDER = ("not-a-folder", "something else lies where a folder should be; the mailbox is shut", BY_HAND)
    NAMELESS_FOLDER = ("nameless-folder", "no client can name this folder, so nobody sees what is in it", BY_HAND)
    LIST_UNREADABLE = ("list-unreadable", "dovecot-uidlist is no plain file, or too long; the mailbox is shut", BY_HAND)
    LIST_MISSING = ("list-missing", "there is mail in cur and no dovecot-uidlist: UIDs begin anew", "lists all mail")
    LIST_HEADER = ("list-header", "the first line of dovecot-uidlist is old or not whole", "writes the list anew")
    LIST_TORN = ("list-torn", "the last line of dovecot-uidlist has no end", "writes the list anew without it")
    LIST_LINE = ("list-line", "a line of dovecot-uidlist makes no sense", "writes the list anew without it")
    LIST_ORDER = ("list-order", "a UID of dovecot-uidlist is not above those before it", "keeps most UIDs, others anew")
    LIST_NAME_TWICE = ("list-name-twice", "one message has two lines in dovecot-uidlist", "keeps the last line")
    UID_NEXT_LOW = ("uid-next-low", "the index knows messages with UIDs still to be given", "gives higher UIDs")
    UNLISTED = ("unlisted", "a message in cur has no UID", "lists it, with a new UID")
    TWO_FILES = ("two-files", "two files have one message's name; one of them is not shown", "gives one a new name")
    UNLISTABLE = ("unlistable", "a file's name cannot stand in dovecot-uidlist; it is not shown", "gives it a new name")
    NO_MESSAGE = ("no-message", "a link, a device or a folder lies among the messages; it is not shown", BY_HAND)
    WRONG_SIZE = ("wrong-size", "the sizes in a file's name are not true", "gives it a true name, keeps the UID")
    KEYWORD_NAMELESS = ("keyword-nameless", "a message has a keyword that has no name", "names it as Dovecot would")
    KEYWORDS_DAMAGED = ("keywords-damaged", "lines of dovecot-keywords make no sense", "writes it anew without them")
    OPEN_TO_OTHERS = ("open-to-others", "every user of the machine may read or change it", "shuts it to others")
    SHUT = ("shut", "the owner may not read it", BY_HAND)
    FOREIGN = ("foreign", "it belongs to another user than the Maildir: use chown", BY_HAND)
    LEFTOVER = ("leftover", "a delivery that never ended left it in tmp over 36 hours ago", "removes it")
    DEAD_LOCK = ("dead-lock", "a process that is gone holds a lock", "removes it")
    SUBSCRIPTIONS = ("subscriptions", "lines of subscriptions are no mailbox names", "writes it anew without them")
    MAILDIRSIZE = ("maildirsize", "maildirsize makes no sense", "removes it; it is counted anew")
    INDEX_WRONG = ("index-wrong", "the index says something else than the message", "works it out anew")

    def __init__(self, label: str, means: str, repair: str) -> None:
        self.label = label
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
