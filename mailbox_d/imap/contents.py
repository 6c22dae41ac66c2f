"""What FETCH tells of messages' contents: looked up in the lane, many small ones at once, large ones to be streamed.

All of it is blocking code for one session at a time. A message is scanned when its structure is asked for and not
remembered; an index of rendered envelopes and structures would be asked in `_Open.envelope` and `_Open.bodystructure`.
Scanning is Python's own work, about a millisecond for 100 kB, and keeps the reactor from its turn meanwhile: large
messages will have to be scanned in a process of their own.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mailbox_d.errors import MailError, MessageGone, StorageFault
from mailbox_d.imap.bodystructure import bodystructure
from mailbox_d.imap.envelope import envelope
from mailbox_d.imap.sections import Decoded, Extent, Octets, binary_octets, octets_of
from mailbox_d.mime.decode import decoded
from mailbox_d.mime.scanner import scan
from mailbox_d.mime.structure import MimeLimits, Part, section
from mailbox_d.store.ports import Mailbox, WireReader
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.fetch import BinarySection, BinarySize, BodySection, FetchAttribute, FetchItem

_END_OF_HEADER = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """How much is looked up at once, and remembered. Octets, counts."""

    messages_a_turn: int = 50
    octets_a_turn: int = 1 << 20
    """Of all the messages that are opened for one turn."""
    held: int = 64 * 1024
    """Octets that are told of one message at once; more are streamed."""
    structures: int = 32
    parts_remembered: int = 200
    """A message of more parts is scanned again when it is asked for again."""
    mime: MimeLimits = field(default_factory=MimeLimits)


Pieces: TypeAlias = tuple[bytes | Extent | Decoded, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be said of one message. `reader` gives what is not octets yet, and is to be given back."""

    uid: int
    pieces: Pieces
    reader: WireReader | None = None
    in_part: bool = False
    """The client reads the message a part at a time, and will probably ask for more of it."""


class Contents:
    """The contents of one mailbox's messages, with what a session is likely to ask for again: the structures of some,
    and the last large message that was read in part, left open.
    """

    def __init__(self, mailbox: Mailbox, limits: ContentLimits) -> None:
        self.limits = limits
        self._mailbox = mailbox
        self._structures: OrderedDict[int, Part] = OrderedDict()
        self._kept: tuple[int, WireReader] | None = None

    def told(self, uids: Sequence[int], attributes: Sequence[FetchAttribute]) -> list[Told | None]:
        """What these attributes are of the first of these messages, None for one that is gone.

        At least one message's, and of others as many as fit a turn. Raises `StorageFault` for the first alone.
        """
        told: list[Told | None] = []
        octets = 0
        for uid in uids[: self.limits.messages_a_turn]:
            try:
                answer, size = self._of_one(uid, attributes)
            except MailError:
                if told:
                    break
                raise
            told.append(answer)
            octets += size
            if octets >= self.limits.octets_a_turn or (answer is not None and answer.reader is not None):
                break
        return told

    def give_back(self, told: Told) -> None:
        """The pieces of a message were sent, or never will be."""
        if told.reader is not None and told.in_part:
            self._keep(told.uid, told.reader)
        elif told.reader is not None:
            told.reader.close()

    def close(self) -> None:
        """Forget everything."""
        self._structures.clear()
        kept, self._kept = self._kept, None
        if kept is not None:
            kept[1].close()

    def structure(self, uid: int, reader: WireReader) -> Part:
        """What a message is made of."""
        known = self._structures.get(uid)
        if known is not None:
            self._structures.move_to_end(uid)
            return known
        part = scan(reader.chunks(), self.limits.mime)
        if not _has_more_parts(part, self.limits.parts_remembered):
            self._structures[uid] = part
            if len(self._structures) > self.limits.structures:
                self._structures.popitem(last=False)
        return part

    def known_structure(self, uid: int) -> Part | None:
        """The structure of a message if it is remembered."""
        return self._structures.get(uid)

    def _of_one(self, uid: int, attributes: Sequence[FetchAttribute]) -> tuple[Told | None, int]:
        """What is told of one message, and its size."""
        try:
            reader = self._take(uid) or self._mailbox.read(uid)
        except MessageGone:
            return None, 0
        message = _Open(self, uid, reader)
        try:
            items = _joined(message.item(attribute) for attribute in attributes)
            pieces = _held(items, message, self.limits.held)
        except BaseException:
            reader.close()
            raise
        told = Told(uid, pieces, reader, _in_part(attributes))
        if all(isinstance(piece, bytes) for piece in pieces):
            self.give_back(told)
            told = Told(uid, pieces)
        return told, message.looked_at

    def _take(self, uid: int) -> WireReader | None:
        if self._kept is None or self._kept[0] != uid:
            return None
        reader = self._kept[1]
        self._kept = None
        return reader

    def _keep(self, uid: int, reader: WireReader) -> None:
        if self._kept is not None:
            self._kept[1].close()
        self._kept = (uid, reader)


class _Open:
    """A message that is open for the time of one turn."""

    def __init__(self, contents: Contents, uid: int, reader: WireReader) -> None:
        self.size = reader.size
        self.looked_at = 0
        self.read = reader.read
        self._contents = contents
        self._limits = contents.limits
        self._uid = uid
        self._reader = reader
        self._header: bytes | None = None
        self._header_size = -1
        self._structure: Part | None = None

    def structure(self) -> Part:
        if self._structure is None:
            self.looked_at += self.size
            self._structure = self._contents.structure(self._uid, self._reader)
        return self._structure

    def header_size(self) -> int:
        if self._header_size < 0:
            known = self._contents.known_structure(self._uid)
            self._header_size = known.body_start if known is not None else header_size(self._reader)
            self.looked_at += self._header_size
        return self._header_size

    def measured(self, part: Part) -> tuple[int, bool]:
        self.looked_at += part.size
        size, binary = 0, False
        for piece in decoded_body(part, self._reader):
            size += len(piece)
            binary = binary or b"\0" in piece
        return size, binary

    def octets(self, piece: Extent | Decoded) -> bytes:
        """A piece that is small enough to be held. Raises `StorageFault` if the message is shorter than it seemed."""
        octets = b"".join(octets_in(piece, self._reader))
        self.looked_at += len(octets)
        if len(octets) != piece.size:
            raise StorageFault("The message cannot be read now", cause="it is shorter than its size")
        return octets

    def item(self, attribute: FetchAttribute) -> Pieces:
        """One attribute as FETCH tells it. Raises `UnknownEncoding`."""
        match attribute:
            case FetchItem.ENVELOPE:
                return (b"ENVELOPE " + self._envelope(),)
            case FetchItem.BODY:
                return (b"BODY " + bodystructure(self.structure(), extended=False),)
            case FetchItem.BODYSTRUCTURE:
                return (b"BODYSTRUCTURE " + bodystructure(self.structure(), extended=True),)
            case BodySection():
                octets = octets_of(self, attribute, self._limits.mime.header)
                return _literal(responses.section_name(attribute), octets)
            case BinarySection():
                return _literal(responses.binary_name(attribute), binary_octets(self, attribute))
            case BinarySize():
                return (b"%b %b" % (responses.binary_name(attribute), self._binary_size(attribute)),)
            case _:
                raise AssertionError(attribute)

    def _envelope(self) -> bytes:
        """The header is enough: it is scanned as if it were all of the message."""
        known = self._contents.known_structure(self._uid) or self._structure
        if known is None:
            known = scan(self._reader.chunks(0, self.header_size()), self._limits.mime)
        return envelope(known.envelope)

    def _binary_size(self, attribute: BinarySize) -> bytes:
        part = section(self.structure(), attribute.part)
        if part is None:
            return b"0"
        return b"%d" % (self.measured(part)[0] if attribute.part else self.size)


def header_size(reader: WireReader) -> int:
    """Octets of a message's header with the empty line that ends it; of all of the message if there is none."""
    tail = b"\n"
    offset = 0
    for piece in reader.chunks():
        found = _END_OF_HEADER.search(tail + piece)
        if found is not None:
            return offset - len(tail) + found.end()
        offset += len(piece)
        tail = (tail + piece)[-2:]
    return reader.size


def decoded_body(part: Part, reader: WireReader) -> Iterator[bytes]:
    """A part's body without its transfer encoding; what holds other parts has none. Raises `UnknownEncoding`."""
    if part.is_multipart or part.message is not None:
        return reader.chunks(part.body_start, part.size)
    return decoded(part, reader.read)


def octets_in(piece: Extent | Decoded, reader: WireReader) -> Iterator[bytes]:
    """The octets of a piece, in pieces of their own."""
    if isinstance(piece, Extent):
        return reader.chunks(piece.start, piece.size)
    return _cut(decoded_body(piece.part, reader), piece.start, piece.size)


def _cut(pieces: Iterator[bytes], start: int, size: int) -> Iterator[bytes]:
    """Of octets in pieces, `size` from `start`."""
    for piece in pieces:
        if not size:
            return
        wanted = piece[start : start + size]
        start = max(0, start - len(piece))
        size -= len(wanted)
        if wanted:
            yield wanted


def _literal(name: bytes, octets: Octets | None) -> Pieces:
    if octets is None:
        return (name + b" NIL",)
    if isinstance(octets, bytes):
        return (b"%b %b%b" % (name, responses.literal_start(len(octets)), octets),)
    binary = isinstance(octets, Decoded) and octets.binary
    start = b"%b %b" % (name, responses.literal_start(octets.size, binary=binary))
    return (start, octets) if octets.size else (start,)


def _joined(items: Iterator[Pieces]) -> Iterator[bytes | Extent | Decoded]:
    """The pieces of several items, with a space between two items."""
    for index, item in enumerate(items):
        if index:
            yield b" "
        yield from item


def _held(pieces: Iterator[bytes | Extent | Decoded], message: _Open, most: int) -> Pieces:
    """Pieces with as much as may be held of them as octets."""
    done: list[bytes | Extent | Decoded] = []
    held: list[bytes] = []
    for piece in pieces:
        if not isinstance(piece, bytes) and piece.size <= most:
            piece = message.octets(piece)
            most -= len(piece)
        if isinstance(piece, bytes):
            held.append(piece)
        else:
            done += (b"".join(held), piece)
            held = []
    return (*done, b"".join(held)) if held else tuple(done)


def _in_part(attributes: Sequence[FetchAttribute]) -> bool:
    """Whether the client reads messages a part at a time, and will probably ask for more of the same."""
    return any(isinstance(each, BodySection | BinarySection) and each.partial is not None for each in attributes)


def _has_more_parts(part: Part, count: int) -> bool:
    waiting = [part]
    while waiting and count >= 0:
        found = waiting.pop()
        count -= 1
        waiting.extend(found.children)
        if found.message is not None:
            waiting.append(found.message)
    return count < 0
