"""What work on a store yields to whoever drives it, and how it takes what it asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from mailbox_d.errors import MailboxBusy, MailError
from mailbox_d.store.upkeep.accounts import AccountPlace
from mailbox_d.store.upkeep.findings import Finding

T = TypeVar("T")

PATIENCE: float = 20.0
"""Seconds for which a mailbox that another program holds is waited for."""

_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work has come, in `unit`s; `total` is 0 where nobody knows it. `what` says at what it is."""

    what: str
    done: int
    total: int
    unit: str = "messages"


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done about a finding, or about something else; `did` is a sentence without its subject."""

    label: str
    user: str
    mailbox: str
    path: bytes
    did: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be looked at or done, and why. The work goes on elsewhere."""

    user: str
    mailbox: str
    why: str


@dataclass(frozen=True, slots=True)
class Note:
    """What an operator should know and nobody has to mend."""

    user: str
    text: str


@dataclass(frozen=True, slots=True)
class MailboxFigures:
    """A mailbox in numbers. `octets` as on the wire; `last` is when the newest message came, in seconds since 1970, 0
    where there is none; `dead` counts lines of the list without a message."""

    user: str
    mailbox: str
    messages: int
    octets: int
    unseen: int
    uid_next: int
    uid_validity: int
    last: float
    dead: int


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """An account in numbers; `index_octets` is the size of what can be made again."""

    user: str
    mailboxes: int
    messages: int
    octets: int
    index_octets: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command for the operator to run elsewhere."""

    user: str
    mailbox: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """The driver is to wait for so many seconds, keeping no thread."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """The driver is to have child processes answer these questions (lists of octets), and to send the answers in: None
    for each one whose child failed."""

    questions: tuple[Sequence[bytes], ...]


Told: TypeAlias = Finding | Mended | Trouble | Note | Progress | MailboxFigures | AccountFigures | Command
Answered: TypeAlias = list[list[bytes] | None]
Work: TypeAlias = Generator[Told | Pause | Ask, Answered | None, T]
"""Work of which comes a `T` in the end."""


def one_by_one(
    places: Iterable[AccountPlace], work: Callable[[AccountPlace], Work[None]], only: str | None = None
) -> Work[None]:
    """Work on each account, or on the one mailbox in it; one that gives trouble keeps nobody from the others."""
    for place in places:
        try:
            yield from work(place)
        except (OSError, MailError) as error:
            yield Trouble(place.user, only or "", reason(error))


def reason(error: Exception) -> str:
    """What an operator is told of a fault: all of it."""
    if isinstance(error, MailError):
        return f"{error.public} ({error.cause})" if error.cause else error.public
    return str(error)


def patiently(action: Callable[[], T], patience: float = PATIENCE) -> Work[T]:
    """Do something that may find a mailbox locked, again and again. Raises `MailboxBusy` when patience ends."""
    waited = 0.0
    while True:
        try:
            return action()
        except MailboxBusy:
            if waited >= patience:
                raise
        yield Pause(_PAUSE)
        waited += _PAUSE


def ask(questions: Sequence[Sequence[bytes]]) -> Work[Answered]:
    """Have child processes answer."""
    answered = yield Ask(tuple(questions))
    return answered if answered is not None else [None] * len(questions)
