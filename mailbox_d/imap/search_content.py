"""The keys of SEARCH that are answered by a message itself: its dates, its header, its text.

Blocking code for the lane. What costs least is looked at first, and no more than decides. The text of a message is
decoded and compared by Python, about 2 ms for 100 kB and one key. A turn is bounded by time: a message that takes
longer, for its size or for the number of keys, is gone on with in the next turn.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from mailbox_d.errors import MailboxBusy, MessageGone
from mailbox_d.imap.contents import Failed, header_size
from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.imap.search_program import Operator, Program, Verdict, evaluate
from mailbox_d.imap.search_text import Needles, fold
from mailbox_d.mime.decode import decoded_text
from mailbox_d.mime.encoded_words import decoded_words
from mailbox_d.mime.scanner import StructureScanner
from mailbox_d.mime.structure import MimeLimits, Part
from mailbox_d.store.ports import Mailbox, WireReader
from mailbox_d.wire.imap.dates import MONTHS
from mailbox_d.wire.imap.search import Before, Body, Clock, Header, On, SearchKey, Text, Younger

_SENT = re.compile(rb"(?>\A|[ \t,])([0-9]{1,2})[ \t]++(?>-?)([A-Za-z]{3})[a-z]*+[ \t]++([0-9]{2,4})(?![0-9])")
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
_LONGEST_DATE = 200
_LAST_SECOND = 253402300799

_NO: Final = Verdict(0, 0)
_YES: Final = Verdict(1, 1)
_UNKNOWN: Final = Verdict(0, 1)

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
        monotonic: Callable[[], float] = time.monotonic,
        now: float | None = None,
    ) -> None:
        """`known` are keys that are answered already, a turn takes about so many seconds, `now` is since 1970."""
        self._program = program
        self._known = known
        self._seconds = seconds
        self._limits = limits or MimeLimits()
        self._monotonic = monotonic
        self._now = time.time() if now is None else now
        leaves = [leaf for leaf in dict.fromkeys(program) if not isinstance(leaf, Operator) and leaf not in known]
        self._by_date = [leaf for leaf in leaves if _is_of_arrival(leaf)]
        self._by_header = [leaf for leaf in leaves if isinstance(leaf, Header) or _is_of_sending(leaf)]
        self._by_text = [leaf for leaf in leaves if isinstance(leaf, Text | Body)]
        self._folded = {leaf: fold(leaf.text) for leaf in leaves if isinstance(leaf, Header | Text | Body)}
        self._wanted = {leaf.name.lower().encode("ascii") for leaf in self._by_header if isinstance(leaf, Header)}
        self._wanted.add(b"date")
        self._under_way: Generator[Verdict, None, None] | None = None
        """The steps of a message that took longer than a turn."""

    def turn(self, mailbox: Mailbox, messages: Sequence[tuple[int, int]]) -> Turn:
        """Look at the first of these messages, given by index and UID, while there is time; a step at least.

        A message that is gone, or cannot be read, does not match. The next turn is for those that are left.
        """
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
                yield from self._read(reader, index, answers)
            finally:
                reader.close()
            verdict = self._verdict(index, answers)
        yield verdict

    def _read(self, reader: WireReader, index: int, answers: Answers) -> Iterator[Verdict]:
        header = reader.read(0, min(header_size(reader), self._limits.header))
        if self._by_header:
            yield from self._look_at_header(header, answers)
        if self._verdict(index, answers) is _UNKNOWN:
            yield from self._look_at_text(reader, header, answers)

    def _verdict(self, index: int, answers: Answers) -> Verdict:
        """What is known by now of the message with this index."""

        def verdict_of(leaf: SearchKey) -> Verdict:
            known = self._known.get(leaf)
            if known is not None:
                return _YES if known.certain >> index & 1 else _NO
            return answers.get(leaf, _UNKNOWN)

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
        sent: date | None = None
        with PYTHON_WORK:
            for name, value in fields(header):
                if name in self._wanted:
                    named.setdefault(name, []).append(fold(decoded_words(value)))
                    sent = sent_day(value) if name == b"date" and sent is None else sent
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
        for text in _texts(scanner.finish(), reader, self._limits.header):
            yield from _looked_for(needles, text)
            if needles.all_found:
                break
        in_body = frozenset(needles.found)
        if not needles.all_found:
            yield from _looked_for(needles, (_header_text(header),))
        for leaf in self._by_text:
            found = needles.found if isinstance(leaf, Text) else in_body
            answers[leaf] = _YES if self._folded[leaf] in found else _NO


def _looked_for(needles: Needles, text: Iterable[str]) -> Iterator[Verdict]:
    """Go through one text, in its pieces."""
    for piece in text:
        for _ in needles.feeding(piece):
            yield _UNKNOWN
    needles.end_of_text()


def fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of a header: names in lower case, values unfolded. Lines that are no field are passed over."""
    name, pieces = b"", [b""]
    for line in header.split(b"\n"):
        line = line.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t"):
            pieces.append(line)
            continue
        if name:
            yield name, b"".join(pieces).strip()
        written, colon, value = line.partition(b":")
        name, pieces = written.rstrip().lower() if colon else b"", [value]
    if name:
        yield name, b"".join(pieces).strip()


def sent_day(value: bytes) -> date | None:
    """The day that a Date field tells, in its own zone (RFC 3501 section 6.4.4); None where it tells none."""
    match = _SENT.search(value[:_LONGEST_DATE])
    month = _MONTH_NUMBERS.get(match[2].decode("ascii").lower()) if match else None
    if match is None or month is None:
        return None
    try:
        return date(_full_year(match[3]), month, int(match[1]))
    except ValueError:
        return None


def _full_year(digits: bytes) -> int:
    """RFC 5322 section 4.3."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _texts(message: Part, reader: WireReader, most_of_a_header: int) -> Iterator[Iterator[str]]:
    """What can be read in a message's body: its parts' headers and texts, each in pieces, decoded."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        inner = part.message
        if part is not message:
            header = reader.read(part.header_start, min(part.body_start - part.header_start, most_of_a_header))
            yield iter((_header_text(header),))
        if part.is_multipart:
            waiting.extend(reversed(part.children))
        elif inner is not None:
            waiting.append(inner)
        elif part.type in (b"text", b"message"):
            yield decoded_text(part, reader.read)


def _header_text(header: bytes) -> str:
    """All fields as one text; NUL, which no key can hold, keeps what is looked for from lying across two of them."""
    with PYTHON_WORK:
        return "\0".join(f"{name.decode('ascii', 'replace')}: {decoded_words(value)}" for name, value in fields(header))


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
