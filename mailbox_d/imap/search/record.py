"""What SEARCH looks at of a message, worked out once: a row of the store's texts.

Columns are folded UTF-8 as `search_text.fold` makes it: the values of some fields, all fields with their names, and the
body as its parts' headers and texts. Where a message says more than is kept, its later columns are left out, and the
message itself must be looked at. Bytes in, values out: also for a process that looks through mail ahead.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Generator, Iterator
from itertools import accumulate, pairwise
from typing import Final
from zlib import crc32

from mailbox_d.imap.fetch.contents import header_size
from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.imap.search.message import fields, sent_on, text_of, texts_of
from mailbox_d.imap.search.text import Folding, fold
from mailbox_d.mime.scanner import StructureScanner
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.ports import COLUMNS, PIECE, Row, WireReader

FIELDS: Final = (b"subject", b"from", b"to", b"cc", b"bcc")
"""The fields that have a column of their own, in this order."""
HEADER: Final = len(FIELDS)
BODY: Final = HEADER + 1
_COLUMN_OF: Final = {name: column for column, name in enumerate(FIELDS)}

_PACKED: Final = struct.Struct(f"=BI{COLUMNS}I")

_FORM: Final = 1
"""Of a row; another number makes all messages be looked at anew."""


def name_of(limits: MimeLimits, octets_max: int) -> bytes:
    """Under which name rows are kept that were made within these limits, with the characters that Python knows now."""
    return b"%d %08x" % (_FORM, crc32(repr((limits, octets_max, unicodedata.unidata_version)).encode()))


def record_of(reader: WireReader, limits: MimeLimits, octets_max: int) -> Row:
    """A message's row, with at most so many octets of text. Raises whatever the reader raises."""
    row = Row((None,) * COLUMNS)
    for step in recorded(reader, limits, octets_max):
        row = step or row
    return row


def recorded(reader: WireReader, limits: MimeLimits, octets_max: int) -> Iterator[Row | None]:
    """The same in steps of some milliseconds: the row without the body first, then nothing, and the whole row last."""
    header = reader.read(0, min(header_size(reader), limits.header))
    with PYTHON_WORK:
        columns, sent = _header_columns(header)
    room = octets_max - sum(map(len, columns))
    if room < 0:
        yield Row((None,) * COLUMNS)
        return
    yield Row((*columns, None), sent, final=False)
    body = yield from _body_column(reader, limits, room)
    yield Row((*columns, body), sent)


def packed(row: Row) -> bytes:
    """A row as octets, for the way from one process to another."""
    texts = [text for text in row.columns if text is not None]
    mark = sum([1 << column for column, text in enumerate(row.columns) if text is not None]) | row.final << COLUMNS
    return _PACKED.pack(mark, row.number, *[len(text or b"") for text in row.columns]) + b"".join(texts)


def unpacked(octets: bytes) -> Row | None:
    """The row that was packed; None for octets that are none."""
    if len(octets) < _PACKED.size:
        return None
    mark, number, *lengths = _PACKED.unpack_from(octets)
    ends = list(accumulate(lengths, initial=_PACKED.size))
    if mark >> COLUMNS > 1 or ends[-1] != len(octets):
        return None
    texts = [octets[start:end] for start, end in pairwise(ends)]
    columns = tuple([text if mark >> column & 1 else None for column, text in enumerate(texts)])
    return Row(columns, number, final=bool(mark >> COLUMNS))


def _header_columns(header: bytes) -> tuple[list[bytes], int]:
    """Every column but the body, and the day on which the message was sent, in days since the year 1; 0 for none."""
    columns: list[list[bytes]] = [[] for _ in (*FIELDS, HEADER)]
    dates: list[bytes] = []
    for name, value in fields(header):
        text = _folded_field(name, value)
        columns[HEADER] += (PIECE, text)
        if name in _COLUMN_OF:
            columns[_COLUMN_OF[name]] += (PIECE, text[len(name) + 2 :])
        elif name == b"date":
            dates.append(value)
    day = sent_on(dates)
    return list(map(b"".join, columns)), day.toordinal() if day else 0


def _folded_field(name: bytes, value: bytes) -> bytes:
    """`text_of` folded. Most fields are in ASCII without encoded words, where that is lower case."""
    if value.isascii() and name.isascii() and b"=?" not in value:
        return b"%b: %b" % (name, value.lower())
    return _octets(fold(text_of(name, value)))


def _body_column(reader: WireReader, limits: MimeLimits, room: int) -> Generator[None, None, bytes | None]:
    """The texts of the body; None if there are more octets of them than there is room."""
    scanner = StructureScanner(limits)
    for chunk in reader.chunks():
        with PYTHON_WORK:
            scanner.feed(chunk)
        yield
    pieces: list[bytes] = []
    for text in texts_of(scanner.finish(), reader, limits.header):
        pieces.append(PIECE)
        for piece in _folded(text):
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                return None
            yield
    return b"".join(pieces)


def _folded(text: Iterator[str]) -> Iterator[bytes]:
    folding = Folding()
    for piece in text:
        with PYTHON_WORK:
            folded = _octets(folding.feed(piece))
        yield folded
    yield _octets(folding.end())


def _octets(text: str) -> bytes:
    """Halves of characters outside the first plane, which some charsets can write alone, are no UTF-8 and stay so."""
    return text.encode("utf-8", "surrogatepass")
