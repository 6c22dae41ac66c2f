"""SEARCH's keys about what is in messages, answered by what is kept of them: for all messages at once.

Blocking code for the lane, which waits in C for most of its time. A message of which nothing is kept may match for all
that is known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.imap.search.program import Verdict, set_of
from mailbox_d.imap.search.record import BODY, FIELDS, HEADER
from mailbox_d.imap.search.text import fold
from mailbox_d.store.ports import PIECE, Holding, Looked, Mailbox, Numbered, Row, Wanted
from mailbox_d.wire.imap.search import Before, Body, Clock, Header, On, SearchKey, Text

_DIGITS: Final = 4_000_000
"""What is held of messages and keys at a time: an octet or two for each of both."""

_COLUMN_OF: Final = {name.decode(): column for column, name in enumerate(FIELDS)}


def wanted_by(key: SearchKey) -> Wanted | None:
    """What is to be looked for among what is kept; None for a key that it cannot answer."""
    match key:
        case Text(text):
            return _held((HEADER, BODY), text)
        case Body(text):
            return _held((BODY,), text)
        case Header(name, text):
            return _in_field(name.lower(), text)
        case Before(Clock.SENT, day):
            return Numbered(range(1, day.toordinal()), HEADER)
        case On(Clock.SENT, day):
            return Numbered(range(day.toordinal(), day.toordinal() + 1), HEADER)
        case _:
            return None


def holds(row: Row, wanted: Wanted) -> bool | None:
    """Whether this row is one of those that are wanted; None if what is to be looked at is not in it."""
    if isinstance(wanted, Numbered):
        return None if row.columns[wanted.column] is None else row.number in wanted.numbers
    texts = [row.columns[column] for column in wanted.columns]
    if None in texts:
        return None
    return any(_is_within(wanted, text) for text in texts if text is not None)


def _is_within(wanted: Holding, text: bytes) -> bool:
    if not wanted.start:
        return wanted.octets in text
    pieces = text.split(PIECE)[1:]
    return any(piece.startswith(wanted.start) and wanted.octets in piece[len(wanted.start) :] for piece in pieces)


class RecordedSearch:
    """Looks for some keys in what is kept of a mailbox's messages, in turns."""

    def __init__(
        self,
        name: bytes,
        uids: Sequence[int],
        keys: Iterable[SearchKey],
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """A turn takes about so many seconds; keys that cannot be answered are passed over."""
        self._name = name
        self._uids = uids
        self._waiting = [(key, wanted) for key in keys if (wanted := wanted_by(key)) is not None]
        self._at_once = max(1, _DIGITS // (len(uids) + 1))
        self._seconds = seconds
        self._monotonic = monotonic
        self._steps: Iterator[Sequence[Looked]] | None = None
        self._found: dict[SearchKey, Verdict] = {}

    def turn(self, mailbox: Mailbox) -> Mapping[SearchKey, Verdict] | None:
        """Look on; the verdicts if that was the last of it."""
        until = self._monotonic() + self._seconds
        while self._waiting:
            some = self._waiting[: self._at_once]
            steps = self._steps or mailbox.texts.look(self._name, self._uids, [wanted for _, wanted in some])
            self._steps = steps
            for looked in steps:
                for (key, _), each in zip(some, looked, strict=False):
                    with PYTHON_WORK:
                        self._found[key] = _verdict(each)
                if not looked and self._monotonic() >= until:
                    return None
            self._waiting = self._waiting[self._at_once :]
            self._steps = None
        return self._found


def _verdict(looked: Looked) -> Verdict:
    known, found = set_of(looked.known), set_of(looked.found)
    return Verdict(found, found | (((1 << len(looked.known)) - 1) & ~known))


def _in_field(name: str, text: str) -> Wanted | None:
    column = _COLUMN_OF.get(name)
    if column is not None:
        return _held((column,), text, nothing=PIECE)
    return None if ":" in name else _held((HEADER,), text, f"{name}: ".encode())


def _held(columns: tuple[int, ...], text: str, start: bytes = b"", nothing: bytes = b"") -> Holding | None:
    """`nothing` is looked for where the text is empty. A text with NUL, which stands between fields, is not ours."""
    return None if "\0" in text else Holding(columns, fold(text).encode("utf-8") or nothing, start)
