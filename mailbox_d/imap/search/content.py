"""The keys of SEARCH that are answered by a message itself: its dates, its header, its text.

Blocking code for the lane. What costs least is looked at first, and no more than decides. The text of a message is
decoded and compared by Python, about 2 ms for 100 kB and one key. A turn is bounded by time: a message that takes
longer, for its size or for the number of keys, is gone on with in the next turn. What was found out about a message is
kept, if the store keeps such things, so that it need not be read for the next search.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from mailbox_d.errors import MailboxBusy, MessageGone
from mailbox_d.imap.fetch.contents import Failed, header_size
from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.imap.search.keeping import Keeping
from mailbox_d.imap.search.message import fields, header_text, sent_on, texts_of
from mailbox_d.imap.search.program import Operator, Program, Verdict, evaluate
from mailbox_d.imap.search.record import recorded
from mailbox_d.imap.search.recorded import holds, wanted_by
from mailbox_d.imap.search.text import Needles, fold
from mailbox_d.mime.encoded_words import decoded_words
from mailbox_d.mime.scanner import StructureScanner
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.ports import Mailbox, WireReader
from mailbox_d.wire.imap.search import Before, Body, Clock, Header, On, SearchKey, Text, Younger

_KEYS_A_STEP = 8
"""Keys that what is kept of a message is held against in one step."""
_LAST_SECOND = 253402300799

_NO: Final = Verdict(0, 0)
_YES: Final = Verdict(1, 1)
_UNKNOWN: Final = Verdict(0, 1)
_OPEN: Final = Verdict(0, -1)
"""Of a key of which nothing is known for any message."""

Answers: TypeAlias = dict[SearchKey, Verdict]


@dataclass(frozen=True, slots=True)
class Turn:
    """How many messages were looked at to the end, the indexes of those that match, and those that cannot be read."""

    looked_at: int
    matching: Sequence[int]
    failed: Sequence[Failed] = ()


class ContentSearch:
    """One search for what is in messages."""

    def __init__(
        self,
        program: Program,
        known: Mapping[SearchKey, Verdict],
        seconds: float,
        *,
        limits: MimeLimits | None = None,
        keeping: Keeping | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: float | None = None,
    ) -> None:
        """`known` are keys that are answered already, for some messages at least; a turn takes about so many seconds.

        What is found out is kept by `keeping`; `now` is since 1970.
        """
        self._program = program
        self._known = known
        self._seconds = seconds
        self._limits = limits or MimeLimits()
        self._monotonic = monotonic
        self._now = time.time() if now is None else now
        leaves = [leaf for leaf in dict.fromkeys(program) if not isinstance(leaf, Operator) and self._is_open(leaf)]
        self._by_date = [leaf for leaf in leaves if _is_of_arrival(leaf)]
        self._by_header = [leaf for leaf in leaves if isinstance(leaf, Header) or _is_of_sending(leaf)]
        self._by_text = [leaf for leaf in leaves if isinstance(leaf, Text | Body)]
        self._folded = {leaf: fold(leaf.text) for leaf in leaves if isinstance(leaf, Header | Text | Body)}
        self._wanted = {leaf.name.lower().encode("ascii") for leaf in self._by_header if isinstance(leaf, Header)}
        self._wanted.add(b"date")
        self._keeping = keeping
        self._wanted_of = {leaf: wanted for leaf in (*self._by_header, *self._by_text) if (wanted := wanted_by(leaf))}
        self._under_way: Generator[Verdict, None, None] | None = None
        """The steps of a message that took longer than a turn."""

    def turn(self, mailbox: Mailbox, messages: Sequence[tuple[int, int]]) -> Turn:
        """Look at the first of these messages, given by index and UID, while there is time; a step at least.

        A message that is gone, or cannot be read, does not match. The next turn is for those that are left.
        """
        turn = self._turn(mailbox, messages)
        if self._keeping is not None and self._keeping.is_full:
            self._keeping.write(mailbox)
        return turn

    def _turn(self, mailbox: Mailbox, messages: Sequence[tuple[int, int]]) -> Turn:
        until = self._monotonic() + self._seconds
        matching: list[int] = []
        failed: list[Failed] = []
        for count, (index, uid) in enumerate(messages):
            try:
                verdict = self._go_on(mailbox, index, uid, until)
            except MailboxBusy:
                raise
            except MessageGone:
                verdict = _NO
            except Exception as error:
                failed.append(Failed(uid, error))
                verdict = _NO
            if verdict is _UNKNOWN:
                return Turn(count, matching, failed)
            if verdict is _YES:
                matching.append(index)
            if self._monotonic() >= until:
                return Turn(count + 1, matching, failed)
        return Turn(len(messages), matching, failed)

    def close(self) -> None:
        """Nobody waits for the outcome any more."""
        steps, self._under_way = self._under_way, None
        if steps is not None:
            steps.close()

    def _go_on(self, mailbox: Mailbox, index: int, uid: int, until: float) -> Verdict:
        """The verdict on a message; unknown if there was no time for it, which is to be asked for again."""
        steps = self._under_way or self._steps(mailbox, index, uid)
        self._under_way = None
        for verdict in steps:
            if verdict is not _UNKNOWN:
                return verdict
            if self._monotonic() >= until:
                self._under_way = steps
                return _UNKNOWN
        raise AssertionError(uid)

    def _steps(self, mailbox: Mailbox, index: int, uid: int) -> Generator[Verdict, None, None]:
        """Look at a message in steps of some milliseconds: unknown after each, and the verdict at last."""
        answers: Answers = {}
        if self._by_date:
            self._look_at_arrival(mailbox.internal_date(uid), answers)
        verdict = self._verdict(index, answers)
        if verdict is _UNKNOWN:
            reader = mailbox.read(uid)
            try:
                yield from self._read(reader, index, uid, answers)
            finally:
                reader.close()
            verdict = self._verdict(index, answers)
        yield verdict

    def _read(self, reader: WireReader, index: int, uid: int, answers: Answers) -> Iterator[Verdict]:
        """What is kept answers where it can; else the message is looked at key by key."""
        if self._keeping is not None and self._keeping.wants(uid):
            yield from self._record(self._keeping, reader, index, uid, answers)
            if self._verdict(index, answers) is not _UNKNOWN:
                return
        header = reader.read(0, min(header_size(reader), self._limits.header))
        if self._by_header:
            yield from self._look_at_header(header, answers)
        if self._verdict(index, answers) is _UNKNOWN:
            yield from self._look_at_text(reader, header, answers)

    def _record(
        self, keeping: Keeping, reader: WireReader, index: int, uid: int, answers: Answers
    ) -> Iterator[Verdict]:
        for row in recorded(reader, self._limits, keeping.octets_max):
            if row is None:
                yield _UNKNOWN
                continue
            for number, (leaf, wanted) in enumerate(self._wanted_of.items(), 1):
                with PYTHON_WORK:
                    found = holds(row, wanted)
                if found is not None:
                    answers[leaf] = _YES if found else _NO
                if number % _KEYS_A_STEP == 0:
                    yield _UNKNOWN
            decided = self._verdict(index, answers) is not _UNKNOWN
            if row.final or decided:
                keeping.take(uid, row)
            if decided:
                return

    def _is_open(self, leaf: SearchKey) -> bool:
        """Whether something is to be found out about this key."""
        known = self._known.get(leaf)
        return known is None or known.certain != known.possible

    def _verdict(self, index: int, answers: Answers) -> Verdict:
        """What is known by now of the message with this index."""

        def verdict_of(leaf: SearchKey) -> Verdict:
            known = self._known.get(leaf, _OPEN)
            if known.certain >> index & 1:
                return _YES
            if not known.possible >> index & 1:
                return _NO
            return answers.get(leaf, _UNKNOWN)

        with PYTHON_WORK:
            certain, possible = evaluate(self._program, verdict_of, 1)
        if certain != possible:
            return _UNKNOWN
        return _YES if certain else _NO

    def _look_at_arrival(self, seconds: float, answers: Answers) -> None:
        """RFC 3501 compares days and no times; ours are those of UTC, as in INTERNALDATE."""
        day = datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), UTC).date()
        for leaf in self._by_date:
            if isinstance(leaf, Younger):
                answers[leaf] = _YES if seconds >= self._now - leaf.seconds else _NO
            else:
                answers[leaf] = _on_day(leaf, day)

    def _look_at_header(self, header: bytes, answers: Answers) -> Iterator[Verdict]:
        named: dict[bytes, list[str]] = {}
        with PYTHON_WORK:
            for name, value in fields(header):
                if name in self._wanted:
                    named.setdefault(name, []).append(fold(decoded_words(value)))
            sent = sent_on(value for name, value in fields(header) if name == b"date")
        for leaf in self._by_header:
            if isinstance(leaf, Header):
                yield _UNKNOWN
                needle = self._folded[leaf]
                texts = named.get(leaf.name.lower().encode("ascii"), ())
                answers[leaf] = _YES if any(needle in text for text in texts) else _NO
            else:
                answers[leaf] = _on_day(leaf, sent)

    def _look_at_text(self, reader: WireReader, header: bytes, answers: Answers) -> Iterator[Verdict]:
        """The body first, then the header, of which Text is told too."""
        needles = Needles(self._folded[leaf] for leaf in self._by_text)
        scanner = StructureScanner(self._limits)
        for chunk in reader.chunks():
            with PYTHON_WORK:
                scanner.feed(chunk)
            yield _UNKNOWN
        for text in texts_of(scanner.finish(), reader, self._limits.header):
            yield from _looked_for(needles, text)
            if needles.all_found:
                break
        in_body = frozenset(needles.found)
        if not needles.all_found:
            yield from _looked_for(needles, (header_text(header),))
        for leaf in self._by_text:
            found = needles.found if isinstance(leaf, Text) else in_body
            answers[leaf] = _YES if self._folded[leaf] in found else _NO


def _looked_for(needles: Needles, text: Iterable[str]) -> Iterator[Verdict]:
    """Go through one text, in its pieces."""
    for piece in text:
        for _ in needles.feeding(piece):
            yield _UNKNOWN
    for _ in needles.ending():
        yield _UNKNOWN


def _on_day(leaf: SearchKey, day: date | None) -> Verdict:
    if day is None:
        return _NO
    if isinstance(leaf, Before):
        return _YES if day < leaf.day else _NO
    return _YES if isinstance(leaf, On) and day == leaf.day else _NO


def _is_of_arrival(leaf: SearchKey) -> bool:
    return isinstance(leaf, Younger) or (isinstance(leaf, Before | On) and leaf.clock is Clock.INTERNAL)


def _is_of_sending(leaf: SearchKey) -> bool:
    return isinstance(leaf, Before | On) and leaf.clock is Clock.SENT
