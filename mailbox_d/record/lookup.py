"""Finds messages in the record: by identifier, by Message-ID, or by an address that has to do with them.

The files are read from their ends, block by block, and searched by their octets; only lines that have what is looked
for are understood, and then compared exactly. The newest messages are found first, and what is older than the
beginnings of all of them is not read. The daemon may write meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.record.events import Event, Received, Refused, Reported, message_id_of
from mailbox_d.record.lines import BEGINNING, LINE_MAX, addresses_of, parse_event
from mailbox_d.record.segments import segments_of
from mailbox_d.store.files import FileSystem

EVENTS_MAX = 20_000
"""Events of one message that are told; of more, the latest."""

_BLOCK = 1 << 20
_START = len(BEGINNING)

Progress = Callable[[int], object]
"""Is told of octets that were just looked at."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: whatever of these a message has. Empty ones are not asked for."""

    identifier: str = ""
    """Of a message, and so of what went on from it on ways of its own, which is called the same with more behind it."""
    message_id: str = ""
    address: str = ""
    """As it is compared."""

    @property
    def needles(self) -> tuple[bytes, ...]:
        """What a line has that may be an answer: strings with their quotes, so that they are none in another; of an
        identifier the first one alone."""
        whole = [quoted(text) for text in (self.message_id, self.address) if text]
        begun = [quoted(self.identifier)[:-1]] if self.identifier else []
        return tuple(text.encode("ascii") for text in begun + whole)

    def fits(self, event: Event) -> bool:
        """Whether the event is of a message that is asked for."""
        if self.identifier and (self._is_of(event.identifier) or self._is_of(_report_of(event))):
            return True
        if self.message_id and isinstance(event, Received | Refused) and event.message_id == self.message_id:
            return True
        return bool(self.address) and any(address.folded == self.address for address in addresses_of(event))

    def _is_of(self, identifier: str) -> bool:
        return identifier == self.identifier or identifier.startswith(f"{self.identifier}-")


@dataclass(slots=True)
class Found:
    """What is known of a message, in the order of time. `cut`: there are more events than are told."""

    identifier: str
    events: list[Event] = field(default_factory=list)
    cut: bool = False
    has_begun: bool = False

    def add(self, event: Event | None) -> None:
        """Take what a line says, if it says anything; the last lines come first."""
        if event is None:
            return
        self.has_begun = self.has_begun or event.is_beginning
        if len(self.events) < EVENTS_MAX or event.is_beginning:
            self.events.append(event)
        else:
            self.cut = True

    def put_in_order(self) -> None:
        """Put the events in the order of time; those of one time as they were told."""
        self.events.reverse()
        self.events.sort(key=lambda event: event.at)


def question(text: str) -> Question:
    """What somebody asks: `<a@b>` is a Message-ID or an address, and so is `a@b`; what has no @ is an identifier."""
    asked = text.strip()
    if "@" not in asked:
        return Question(identifier=asked.upper())
    inner = asked[1:-1] if asked.startswith("<") and asked.endswith(">") else asked
    try:
        address = EmailAddress.parse(inner).folded
    except AddressError:
        address = ""
    return Question(message_id=message_id_of(f"<{inner}>"), address=address)


def octets_of(files: FileSystem, folders: Sequence[bytes]) -> int:
    """What there is to look through, at most twice. Raises `OSError`."""
    return sum(segment.octets for folder in folders for segment in segments_of(files, folder))


def look_up(
    files: FileSystem, folders: Sequence[bytes], asked: Question, last: int, progress: Progress = lambda octets: None
) -> list[Found]:
    """The latest `last` messages that are asked for, the newest last. Raises `OSError`."""
    latest: dict[str, float] = {}
    for folder in folders:
        for identifier, at in _latest(files, folder, asked, last, progress).items():
            latest[identifier] = max(at, latest.get(identifier, at))
    newest_first = sorted(latest, key=lambda identifier: latest[identifier], reverse=True)
    found = {identifier: Found(identifier) for identifier in reversed(newest_first[:last])}
    for folder in folders:
        _gather(files, folder, found, progress)
    for message in found.values():
        message.put_in_order()
    return list(found.values())


def _latest(files: FileSystem, folder: bytes, asked: Question, last: int, progress: Progress) -> dict[str, float]:
    """The messages asked for whose events were written last in a folder, and when."""
    latest: dict[str, float] = {}
    for block in _blocks(files, folder, progress):
        for line in _lines_with(block, asked.needles):
            event = parse_event(line)
            if event is not None and event.identifier not in latest and asked.fits(event):
                latest[event.identifier] = event.at
                if len(latest) >= last:
                    return latest
    return latest


def _gather(files: FileSystem, folder: bytes, found: dict[str, Found], progress: Progress) -> None:
    """Add all events of these messages that lie in a folder, as far back as one of them has not begun."""
    open_ones = {_key(message): message for message in found.values() if not message.has_begun}
    seen: set[bytes] = set()  # a batch that was written in part is written again
    blocks = _blocks(files, folder, progress)
    while open_ones and (block := next(blocks, None)) is not None:
        for line in reversed(block.split(b"\n")):
            message = open_ones.get(line[_START : line.find(b'"', _START)])
            if message is not None and line.startswith(BEGINNING) and line not in seen:
                seen.add(line)
                message.add(parse_event(line))
        open_ones = {key: message for key, message in open_ones.items() if not message.has_begun}


def _blocks(files: FileSystem, folder: bytes, progress: Progress) -> Iterator[bytes]:
    """Whole lines of all segments in a folder, the last ones first. A segment may go meanwhile."""
    for segment in reversed(segments_of(files, folder)):
        try:
            descriptor = files.open(segment.path(folder), os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            yield from _blocks_of(files, descriptor, progress)
        finally:
            files.close(descriptor)


def _blocks_of(files: FileSystem, descriptor: int, progress: Progress) -> Iterator[bytes]:
    end = files.fstat(descriptor).st_size
    rest = b""
    while end > 0:
        start = max(0, end - _BLOCK)
        piece = files.read(descriptor, start, end - start) + rest
        progress(end - start)
        end = start
        cut = piece.find(b"\n") + 1 if start else 0
        if start and not cut:
            rest = piece[-LINE_MAX:]  # of a line that is longer than any of ours
        else:
            rest = piece[:cut]
            yield piece[cut:]


def _lines_with(block: bytes, needles: Sequence[bytes]) -> Iterator[bytes]:
    """The lines in which one of the needles stands, the last first."""
    starts = {block.rfind(b"\n", 0, place) + 1 for needle in needles for place in _places(block, needle)}
    for start in sorted(starts, reverse=True):
        end = block.find(b"\n", start)
        yield block[start : end if end >= 0 else len(block)]


def _places(block: bytes, needle: bytes) -> Iterator[int]:
    """Where a needle stands, once for each line."""
    place = block.find(needle)
    while place >= 0:
        yield place
        following = block.find(b"\n", place)
        place = block.find(needle, following) if following >= 0 else -1


def _key(message: Found) -> bytes:
    """The identifier as it stands in lines."""
    return quoted(message.identifier)[1:-1].encode("ascii")


def _report_of(event: Event) -> str:
    return event.report if isinstance(event, Reported) else ""
