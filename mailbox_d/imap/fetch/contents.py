"""What FETCH tells of messages' contents: looked up in the lane, many small ones at once, large ones to be streamed.

All of it is blocking code for one session at a time. A message is scanned when its structure is asked for and not
remembered; an index of rendered envelopes and structures would be asked in `OpenMessage.item`. What is told of a
message is looked up item by item, and in several turns where that is much.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from mailbox_d.errors import MailboxBusy, MessageGone, StorageFault
from mailbox_d.imap.fetch.bodystructure import bodystructure
from mailbox_d.imap.fetch.envelope import envelope
from mailbox_d.imap.fetch.glance import END_OF_HEADER, Glance
from mailbox_d.imap.fetch.sections import Decoded, Extent, Octets, binary_octets, octets_of
from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.mime.decoded_part import DecodedPart
from mailbox_d.mime.scanner import StructureScanner
from mailbox_d.mime.structure import MimeLimits, Part, section
from mailbox_d.store.ports import WireReader
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.fetch import BinarySection, BinarySize, BodySection, FetchAttribute, FetchItem


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """How much is looked up at once, and remembered. Octets, counts."""

    messages_a_turn: int = 200
    octets_a_turn: int = 1 << 20
    """Of all the messages that are opened for one turn, and of one that takes several."""
    held: int = 64 * 1024
    """Octets that are told of one message at once; more are streamed, or looked up in further turns."""
    structures: int = 32
    parts_remembered: int = 200
    headers_remembered: int = 64 * 1024
    """A message of more parts, or more octets of headers, is scanned again when it is asked for again, unless it is
    read in part.
    """
    decoded_parts: int = 8
    """Parts that were read without their transfer encoding, and can be read on from where that was."""
    mime: MimeLimits = field(default_factory=MimeLimits)


Piece: TypeAlias = bytes | Extent | Decoded
Pieces: TypeAlias = tuple[Piece, ...]


class Told(NamedTuple):
    """What is to be said of one message, or the next of it.

    `message` gives what is not octets yet, and is to be given back. A tuple: there is one for each message of a FETCH.
    """

    uid: int
    pieces: Pieces
    message: OpenMessage | None = None
    in_part: bool = False
    """The client reads the message a part at a time, and will probably ask for more of it."""
    waiting: Sequence[FetchAttribute] = ()
    """What was not looked up yet."""

    @property
    def reader(self) -> WireReader | None:
        return None if self.message is None else self.message.reader


@dataclass(frozen=True, slots=True)
class Failed:
    """A message of which nothing is to be said, and why."""

    uid: int
    error: Exception


class Readable(Protocol):
    """Where messages are read: a mailbox, or what stands for one."""

    def read(self, uid: int) -> WireReader:
        """See `Mailbox.read`."""


class Contents:
    """The contents of one mailbox's messages, with what a session is likely to ask for again: the structures of some,
    and the last large message that was read in part, left open.
    """

    def __init__(self, mailbox: Readable, limits: ContentLimits) -> None:
        self.limits = limits
        self.turns = 0
        """How often messages had to be looked at."""
        self._mailbox = mailbox
        self._structures: OrderedDict[int, Part] = OrderedDict()
        self._decoded: OrderedDict[tuple[int, int, int], DecodedPart] = OrderedDict()
        self._kept: OpenMessage | None = None

    def told(self, uids: Sequence[int], attributes: Sequence[FetchAttribute]) -> list[Told | Failed | None]:
        """What these attributes are of the first of these messages, None for one that is gone.

        At least one message's, and of others as many as fit a turn. Raises `MailboxBusy` for the first alone.
        """
        told: list[Told | Failed | None] = []
        octets = 0
        self.turns += 1
        glance = self._glance(attributes) if len(uids) > self.limits.structures else None
        for uid in uids[: self.limits.messages_a_turn]:
            try:
                answer, size = self._of_one(uid, attributes, glance)
            except MailboxBusy:
                if told:
                    break
                raise
            told.append(answer)
            octets += size
            if octets >= self.limits.octets_a_turn or (isinstance(answer, Told) and answer.message is not None):
                break
        return told

    def more(self, told: Told) -> Told:
        """What follows, where something was left waiting: items, each whole. Raises whatever their look-up raises."""
        assert told.message is not None
        pieces, waiting = told.message.next_pieces(told.waiting)
        return Told(told.uid, pieces, told.message, told.in_part, waiting)

    def give_back(self, told: Told) -> None:
        """The pieces of a message were sent, or never will be."""
        if told.message is not None and told.in_part:
            self._keep(told.message)
        elif told.message is not None:
            told.message.reader.close()

    def close(self) -> None:
        """Forget everything."""
        self._structures.clear()
        self._decoded.clear()
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.reader.close()

    def structure(self, uid: int) -> Part | None:
        """What a message is made of, if that is remembered."""
        known = self._structures.get(uid)
        if known is not None:
            self._structures.move_to_end(uid)
        return known

    def remember(self, uid: int, structure: Part) -> None:
        """Keep what a message is made of, unless it is too much."""
        if _is_light(structure, self.limits.parts_remembered, self.limits.headers_remembered):
            self._structures[uid] = structure
            if len(self._structures) > self.limits.structures:
                self._structures.popitem(last=False)

    def decoded(self, uid: int, part: Part, reader: WireReader) -> tuple[DecodedPart, int]:
        """A part without its transfer encoding, and how many octets were read for that. Raises `UnknownEncoding`."""
        place = (uid, part.header_start, part.body_start)
        known = self._decoded.get(place)
        if known is not None:
            self._decoded.move_to_end(place)
            return known, 0
        found = self._decoded[place] = DecodedPart(part, reader.read)
        if len(self._decoded) > self.limits.decoded_parts:
            self._decoded.popitem(last=False)
        return found, part.size

    def _glance(self, attributes: Sequence[FetchAttribute]) -> Glance | None:
        """How to look at messages of which nothing is remembered, for they are many."""
        with suppress(ValueError):
            return Glance(attributes, self.limits.mime)
        return None

    def _of_one(
        self, uid: int, attributes: Sequence[FetchAttribute], glance: Glance | None
    ) -> tuple[Told | Failed | None, int]:
        """What is told of one message, and how many octets of it were looked at. Raises `MailboxBusy`."""
        try:
            message = self._take(uid) or OpenMessage(self, uid, self._mailbox.read(uid))
        except MessageGone:
            return None, 0
        except MailboxBusy:
            raise
        except Exception as error:
            return Failed(uid, error), 0
        try:
            octets = message.at(glance) if glance is not None else None
            if octets is not None:
                message.reader.close()
                return Told(uid, (octets,)), message.size
            told = self.more(Told(uid, (), message, _in_part(attributes), attributes))
        except MailboxBusy:
            message.reader.close()
            raise
        except Exception as error:
            message.reader.close()
            return Failed(uid, error), message.looked_at
        if not told.waiting and all(isinstance(piece, bytes) for piece in told.pieces):
            self.give_back(told)
            told = Told(uid, told.pieces)
        return told, message.looked_at

    def _take(self, uid: int) -> OpenMessage | None:
        if self._kept is None or self._kept.uid != uid:
            return None
        message, self._kept = self._kept, None
        message.looked_at = 0
        return message

    def _keep(self, message: OpenMessage) -> None:
        if self._kept is not None:
            self._kept.reader.close()
        self._kept = message


class OpenMessage:
    """A message that is open, with what was found out about it meanwhile."""

    def __init__(self, contents: Contents, uid: int, reader: WireReader) -> None:
        self.uid = uid
        self.reader = reader
        self.size = reader.size
        self.looked_at = 0
        """Octets that were read and worked on, and that came of it."""
        self._contents = contents
        self._limits = contents.limits
        self._header_size = -1
        self._structure: Part | None = None
        self._scan: tuple[StructureScanner, Iterator[bytes]] | None = None
        """A scan that took longer than a turn."""

    def read(self, offset: int, length: int) -> bytes:
        octets = self.reader.read(offset, length)
        self.looked_at += len(octets)
        return octets

    def at(self, glance: Glance) -> bytes | None:
        """All that is asked for of a small message, None of any other."""
        if self.size > self._limits.held:
            return None
        octets = self.reader.read(0, self.size)
        with PYTHON_WORK:
            return glance.of(octets, self._limits.held)

    def structure(self) -> Part:
        known = self._known_structure()
        while known is None:
            known = self._scanned_on()
        return known

    def _known_structure(self) -> Part | None:
        if self._structure is None:
            self._structure = self._contents.structure(self.uid)
        return self._structure

    def _scanned_on(self) -> Part | None:
        """Scan the message, or as much of it as fits a turn; the structure if that was the last of it."""
        scanner, chunks = self._scan or (StructureScanner(self._limits.mime), self.reader.chunks())
        self._scan = None
        most = self.looked_at + self._limits.octets_a_turn
        for chunk in chunks:
            self.looked_at += len(chunk)
            with PYTHON_WORK:
                scanner.feed(chunk)
            if self.looked_at >= most:
                self._scan = scanner, chunks
                return None
        self._structure = scanner.finish()
        self._contents.remember(self.uid, self._structure)
        return self._structure

    def header_size(self) -> int:
        if self._header_size < 0:
            known = self._known_structure()
            self._header_size = known.body_start if known is not None else header_size(self.reader)
            self.looked_at += self._header_size
        return self._header_size

    def decoded(self, part: Part) -> DecodedPart:
        found, looked_at = self._contents.decoded(self.uid, part, self.reader)
        self.looked_at += looked_at
        return found

    def next_pieces(self, attributes: Sequence[FetchAttribute]) -> tuple[Pieces, Sequence[FetchAttribute]]:
        """The first of these attributes, as many as fit a turn, what is small of them as octets; and the others.

        There is a space between two attributes. In a turn that is spent on scanning there are none.
        """
        done: list[Piece] = []
        held: list[bytes] = []
        room = self._limits.held
        most = self.looked_at + self._limits.octets_a_turn
        count = 0
        scans = any(map(_needs_structure, attributes))
        for attribute in attributes:
            if count and (room <= 0 or self.looked_at >= most):
                break
            if scans and self._known_structure() is None and self._scanned_on() is None:
                break
            fits = room
            for piece in (b" ", *self.item(attribute)) if count else self.item(attribute):
                if isinstance(piece, bytes):
                    self.looked_at += len(piece)
                elif piece.size <= fits:
                    piece = self._octets(piece)
                if isinstance(piece, bytes):
                    held.append(piece)
                    room -= len(piece)
                else:
                    done += (b"".join(held), piece)
                    held = []
            count += 1
        return (*done, *([b"".join(held)] if held else ())), attributes[count:]

    def _octets(self, piece: Extent | Decoded) -> bytes:
        """A piece that is small enough to be held. Raises `StorageFault` if the message is shorter than it seemed."""
        octets = b"".join(octets_in(piece, self.reader))
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
        known = self._known_structure()
        if known is None:
            known = _scanned_header(self.reader.read(0, self.header_size()), self._limits.mime)
        return envelope(known.envelope)

    def _binary_size(self, attribute: BinarySize) -> bytes:
        part = section(self.structure(), attribute.part)
        if part is None:
            return b"0"
        return b"%d" % (self.decoded(part).size if attribute.part else self.size)


def header_size(reader: WireReader) -> int:
    """Octets of a message's header with the empty line that ends it; of all of the message if there is none."""
    tail = b"\n"
    offset = 0
    for piece in reader.chunks():
        found = END_OF_HEADER.search(tail + piece)
        if found is not None:
            return offset - len(tail) + found.end()
        offset += len(piece)
        tail = (tail + piece)[-2:]
    return reader.size


def octets_in(piece: Extent | Decoded, reader: WireReader) -> Iterator[bytes]:
    """The octets of a piece, in pieces of their own."""
    if isinstance(piece, Extent):
        return reader.chunks(piece.start, piece.size)
    return piece.part.octets(piece.start, piece.size, reader.read)


def _scanned_header(header: bytes, limits: MimeLimits) -> Part:
    scanner = StructureScanner(limits)
    with PYTHON_WORK:
        scanner.feed(header)
        return scanner.finish()


def _needs_structure(attribute: FetchAttribute) -> bool:
    match attribute:
        case FetchItem.BODY | FetchItem.BODYSTRUCTURE:
            return True
        case BodySection():
            return bool(attribute.section.part)
        case _:
            return isinstance(attribute, BinarySection | BinarySize)


def _literal(name: bytes, octets: Octets | None) -> Pieces:
    if octets is None:
        return (name + b" NIL",)
    if isinstance(octets, bytes):
        return (b"%b %b%b" % (name, responses.literal_start(len(octets)), octets),)
    binary = isinstance(octets, Decoded) and octets.part.binary
    start = b"%b %b" % (name, responses.literal_start(octets.size, binary=binary))
    return (start, octets) if octets.size else (start,)


def _in_part(attributes: Sequence[FetchAttribute]) -> bool:
    """Whether the client reads messages a part at a time, and will probably ask for more of the same."""
    return any(isinstance(each, BodySection | BinarySection) and each.partial is not None for each in attributes)


def _is_light(part: Part, parts: int, headers: int) -> bool:
    """Whether a message has no more parts than these, and all their headers no more octets."""
    waiting = [part]
    while waiting and parts >= 0 and headers >= 0:
        found = waiting.pop()
        parts -= 1
        headers -= found.body_start - found.header_start
        waiting.extend(found.children)
        if found.message is not None:
            waiting.append(found.message)
    return parts >= 0 and headers >= 0
